"""Tables for a person, on stdout, and how figures are written in them."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table
from rich.text import Text

WIDTH_IN_A_PIPE = 120  # a file or pipe has no width of its own
WHOLE_WORD = 14  # characters of a cell's word that is never broken: every figure


def percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"


def number(value: float | None, digits: int = 0) -> str:
    """A figure with thousands separators: 317,600 or 3.25."""
    return "-" if value is None else f"{value:,.{digits}f}"


def counted(count: int, thing: str) -> str:
    """A number of things: "1 lane", "1,200 lanes"; ``thing`` is one of them, with a plural in s."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table whose first column is words and the others figures; where it is too wide for the
    terminal, cells take more lines and lose nothing."""
    made, rows = Table(title=escape(title)), list(rows)
    for place, heading in enumerate(headings):
        cells = [heading, *(row[place] for row in rows)]
        words = " ".join(cells[1:]).split()
        width = max((len(word) for word in words if len(word) <= WHOLE_WORD), default=0)
        justify: JustifyMethod = "right" if place else "left"
        # Rich narrows a column without knowing of its least width, and the table would end up wider
        # than the terminal: those that cannot give way say so.
        fixed = all(len(cell) <= WHOLE_WORD and len(cell.split()) < 2 for cell in cells)
        made.add_column(heading, justify=justify, overflow="fold", min_width=width, no_wrap=fixed)
    for row in rows:
        made.add_row(*(escape(cell) for cell in row))  # names are data, not markup
    return made


def show(*parts: Table | str) -> None:
    """Print tables to stdout, and between them text whose lines stay as they are, so that commands
    can be copied."""
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=WIDTH_IN_A_PIPE)
    for part in parts:
        if isinstance(part, str):
            console.print(part, markup=False, highlight=False, soft_wrap=True)
            continue
        # Title and caption have the terminal's width; printed with the table they have its own.
        bare = copy.copy(part)
        bare.title = bare.caption = None
        if part.title:
            console.print(Text.from_markup(str(part.title), style="bold"))
        console.print(bare)
        if part.caption:
            console.print(str(part.caption), markup=False, highlight=False)
    sys.stdout.flush()
