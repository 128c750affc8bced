"""How a verb's description is set: prose by the terminal's width, examples as they are written."""

from __future__ import annotations

import argparse
import textwrap
from itertools import groupby


class HelpFormatter(argparse.HelpFormatter):
    """Wraps runs of lines without indentation; keeps empty and indented lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines: list[str] = []
        for prose, group in groupby(text.splitlines(), lambda line: line[:1].strip() != ""):
            run = list(group)
            lines += textwrap.wrap(" ".join(run), width) if prose else run
        return "\n".join(indent + line for line in lines)
