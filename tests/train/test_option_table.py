"""The table of recipe options in the documentation is that of the recipes."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_documented_options_are_those_of_the_recipes():
    tool = runpy.run_path(str(ROOT / "tools" / "option_table.py"))
    page = tool["PAGE"].read_text()
    assert tool["with_table"](page) == page, "run `python tools/option_table.py`"
