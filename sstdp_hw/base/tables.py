"""Tables for a person, on stdout, and how figures are written in them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

WIDTH_IN_A_PIPE = 120  # a file or pipe has no width of its own


def percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"


def number(value: float | None, digits: int = 0) -> str:
    """A figure with thousands separators: 317,600 or 3.25."""
    return "-" if value is None else f"{value:,.{digits}f}"


def table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table whose first column is words and the others figures."""
    made = Table(title=escape(title), title_justify="left", title_style="bold")
    for place, heading in enumerate(headings):
        made.add_column(heading, justify="right" if place else "left")
    for row in rows:
        made.add_row(*(escape(cell) for cell in row))  # names are data, not markup
    return made


def show(*tables: Table) -> None:
    """Print tables to stdout."""
    console = Console(file=sys.stdout)
    if not console.is_terminal:
        console = Console(file=sys.stdout, width=WIDTH_IN_A_PIPE)
    for each in tables:
        console.print(each)
    sys.stdout.flush()
