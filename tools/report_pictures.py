"""Screenshots of reports for the documentation.

    python tools/report_pictures.py PAGE NAME [PAGE NAME ...]

Writes docs/pictures/NAME.png (1400 pixels wide, light), NAME-life.png (1000, one image alone) and
NAME-narrow.png (400, dark), in few colours and the first at half its size, so that they stay small
in the repository.
"""

import io
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "pictures"
#: Width, dark, height of what is shown, suffix.
VIEWS = ((1400, False, 3300, ""), (1000, False, 955, "-life"), (400, True, 1500, "-narrow"))
COLOURS, SCALE = 48, 0.5


def main(arguments):
    sys.path.insert(0, str(ROOT / "tests"))
    from support import browser

    FOLDER.mkdir(exist_ok=True)
    with browser.chromium() as context:
        for file, name in zip(arguments[::2], arguments[1::2], strict=True):
            for width, dark, height, suffix in VIEWS:
                page, trouble = browser.opened(
                    context, Path(file).resolve(), width=width, dark=dark
                )
                assert trouble == []
                place = page.locator("#life" if suffix else "#answer").bounding_box()["y"]
                clip = {"x": 0, "y": place, "width": width, "height": height}
                shot = page.screenshot(full_page=True, clip=clip)
                page.close()
                save(shot, FOLDER / f"{name}{suffix}.png", SCALE if width > 1000 else 1)


def save(shot, path, scale):
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    size = (round(image.width * scale), round(image.height * scale))
    image.resize(size, Image.LANCZOS).quantize(COLOURS).save(path, optimize=True)
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main(sys.argv[1:])
