"""Drawings of the documentation, from their sources in docs/diagrams.

    python tools/diagrams.py            # draws what has changed

`NAME.mmd` is a Mermaid diagram, `NAME.json` a WaveDrom timing diagram; `NAME.svg` is what they look
like. The pictures are committed, because they then show without a script, without a network, from
disk and on any host of Git, and because only who changes one needs npm (which brings Mermaid and
WaveDrom, here into build/diagrams) and Chromium. Each holds the hash of its source, and a test
compares it.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

from sstdp_hw.base.files import written_whole

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "diagrams"
PROGRAMS = ROOT / "build" / "diagrams"
#: Pinned: another version draws other bytes.
PACKAGES = ("mermaid@11.17.2", "wavedrom@3.5.0")
#: One drawing for light and dark pages, hence on a white ground.
LOOKS = {
    "startOnLoad": False,
    "theme": "base",
    "deterministicIds": True,
    "htmlLabels": False,
    "flowchart": {"htmlLabels": False, "curve": "basis"},
    "themeVariables": {
        "fontFamily": "sans-serif", "fontSize": "14px", "primaryColor": "#e8eaf6",
        "primaryTextColor": "#1a237e", "primaryBorderColor": "#5c6bc0", "lineColor": "#808080",
        "edgeLabelBackground": "#ffffff", "tertiaryColor": "#fafafa", "clusterBkg": "#fafafa",
        "clusterBorder": "#bdbdbd", "titleColor": "#1a237e", "textColor": "#424242",
    },
}  # fmt: skip
WAVES = """
const wavedrom = require('wavedrom');
const source = JSON.parse(require('fs').readFileSync(process.argv[1], 'utf-8'));
const drawn = wavedrom.renderAny(0, source, wavedrom.waveSkin);
console.log(require('onml').stringify(drawn));
"""
BY_KIND = {".mmd": "mermaid", ".json": "wavedrom"}


def sources() -> list[Path]:
    """All drawings' sources, by name."""
    return sorted(file for file in FOLDER.iterdir() if file.suffix in BY_KIND)


def mark(source: Path) -> str:
    """What a drawing carries as a comment: the hash of its source."""
    return f"<!-- source {hashlib.sha256(source.read_bytes()).hexdigest()} -->"


def is_current(source: Path) -> bool:
    """Whether the drawing beside ``source`` was made of it."""
    drawing = source.with_suffix(".svg")
    return drawing.is_file() and mark(source) in drawing.read_text(encoding="utf-8")


def main() -> None:
    changed = [source for source in sources() if not is_current(source)]
    if not changed:
        print("all drawings are of their sources")
        return
    npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(PROGRAMS)]
    subprocess.run([*npm, *PACKAGES], check=True)
    for source in changed:
        drawing = {"mermaid": mermaid, "wavedrom": wavedrom}[BY_KIND[source.suffix]](source)
        target = source.with_suffix(".svg")
        with written_whole(target) as temporary:
            temporary.write_text(f"{drawing.strip()}\n{mark(source)}\n", encoding="utf-8")
        print(target.relative_to(ROOT), target.stat().st_size)


def mermaid(source: Path) -> str:
    """A Mermaid diagram as SVG, laid out by Chromium."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support import browser

    script = PROGRAMS / "node_modules" / "mermaid" / "dist" / "mermaid.min.js"
    with browser.chromium() as context:
        page = context.new_page()
        page.set_content("<body></body>")
        page.add_script_tag(path=script)
        drawn: str = page.evaluate(
            """async ([name, source, looks]) => {
                mermaid.initialize(looks);
                return (await mermaid.render(name, source)).svg;
            }""",
            [source.stem, source.read_text(encoding="utf-8"), LOOKS],
        )
    width = re.search(r'viewBox="\S+ \S+ ([\d.]+) ', drawn)[1]
    drawn = drawn.replace("<br>", "<br/>").replace('width="100%"', f'width="{width}"', 1)
    return drawn.replace('style="', 'style="background:white; ', 1)


def wavedrom(source: Path) -> str:
    """A WaveDrom timing diagram as SVG, on a white ground."""
    command = ["node", "-e", WAVES, str(source)]
    ran = subprocess.run(command, cwd=PROGRAMS, check=True, capture_output=True, text=True)
    drawn = ran.stdout
    head, _, rest = drawn.partition(">")
    return f'{head} style="background:white">{rest}'


if __name__ == "__main__":
    main()
