"""Screenshots of reports for the documentation.

    python tools/report_pictures.py PAGE NAME [PAGE NAME ...]

Writes docs/pictures/NAME.png (1400 pixels wide, light, down to the end of one image's life),
NAME-life.png (1000, the beginning of that life) and NAME-narrow.png (400, dark), in the most
frequent colours and the first at half its size, so that they stay small in the repository.
"""

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "pictures"
#: Width, dark, height of what is shown (None: to the end of the section), from where, suffix.
VIEWS = (
    (1400, False, None, "#answer", ""),
    (1000, False, 955, "#life", "-life"),
    (400, True, 1500, "#answer", "-narrow"),
)
LAST = "#life"
COLOURS, SCALE = 256, 0.5
NEAR = 10  # of 255, in every channel


def main(arguments):
    sys.path.insert(0, str(ROOT / "tests"))
    from support import browser

    FOLDER.mkdir(exist_ok=True)
    with browser.chromium() as context:
        for file, name in zip(arguments[::2], arguments[1::2], strict=True):
            for width, dark, height, begin, suffix in VIEWS:
                page, trouble = browser.opened(
                    context, Path(file).resolve(), width=width, dark=dark
                )
                assert trouble == []
                place = page.locator(begin).bounding_box()["y"]
                if height is None:
                    last = page.locator(LAST).bounding_box()
                    height = last["y"] + last["height"] - place
                clip = {"x": 0, "y": place, "width": width, "height": height}
                shot = page.screenshot(full_page=True, clip=clip)
                page.close()
                save(shot, FOLDER / f"{name}{suffix}.png", SCALE if width > 1000 else 1)


def save(shot, path, scale):
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    size = (round(image.width * scale), round(image.height * scale))
    few_colours(image.resize(size, Image.LANCZOS)).save(path, optimize=True)
    print(path, path.stat().st_size)


def few_colours(image):
    """With a palette of the most frequent colours that are not near to one another: means of many,
    as `Image.quantize` takes them, turn a spike's blue to grey on a page that is mostly text."""
    counted = sorted(image.getcolors(image.width * image.height), reverse=True)
    waiting = np.array([colour for _, colour in counted], np.int16)
    palette = []
    while len(waiting) and len(palette) < COLOURS:
        palette.append(waiting[0])
        waiting = waiting[np.abs(waiting - waiting[0]).max(1) > NEAR]
    picture = Image.new("P", (1, 1))
    picture.putpalette(np.array(palette).reshape(-1).tolist())
    return image.quantize(palette=picture, dither=Image.Dither.NONE)


if __name__ == "__main__":
    main(sys.argv[1:])
