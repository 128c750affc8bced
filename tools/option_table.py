"""The table of recipe options in docs/training.md, made from the recipes themselves.

    python tools/option_table.py            # rewrites the table in place

A test compares the file with what this prints.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

from sstdp_hw.base.files import written_whole
from sstdp_train import RECIPES, Recipe
from sstdp_train.verbs.train import flag_of

PAGE = Path(__file__).parents[1] / "docs" / "training.md"
SHOWN = ("default", "mnist", "mnist-conv", "cifar10", "digits", "published")
HEADER = f"| option | origin | what it is | {' | '.join(SHOWN)} |"


def table() -> str:
    """The table as Markdown, one line per option."""
    lines = [HEADER, "|" + "---|" * (3 + len(SHOWN))]
    for entry in dataclasses.fields(Recipe):
        if entry.name == "name":
            continue
        text = entry.metadata["help"].replace("|V - theta|", "abs(V - theta)")
        values = [_shown(getattr(RECIPES[name], entry.name)) for name in SHOWN]
        cells = (f"`{flag_of(entry.name)}`", entry.metadata["origin"], text, *values)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def with_table(page: str) -> str:
    """The page with its table made anew."""
    start = page.index("| option | origin |")
    return page[:start] + table() + page[page.index("\n\n", start) :]


def main() -> None:
    page = PAGE.read_text()
    with written_whole(PAGE) as temporary:
        temporary.write_text(with_table(page))


if __name__ == "__main__":
    sys.exit(main())
