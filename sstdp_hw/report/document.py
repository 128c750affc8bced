"""A report as a list of sections, written once and shown twice: on the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from ..base.tables import table


@dataclass(frozen=True)
class Section:
    """A titled table; the first column is words, the others figures.

    Parameters
    ----------
    title : str
    headings : sequence of str
    rows : sequence of sequences of str
    note : str
        A sentence below the table.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def as_table(self) -> Table:
        made = table(self.title, self.headings, self.rows)
        if self.note:
            made.caption, made.caption_justify = self.note, "left"
        return made

    def as_markdown(self) -> str:
        def line(cells: Sequence[str]) -> str:
            return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

        rule = ["---", *("---:" for _ in self.headings[1:])]
        lines = [f"## {self.title}", "", line(self.headings), line(rule), *map(line, self.rows)]
        return "\n".join([*lines, "", self.note, ""] if self.note else [*lines, ""])


def markdown(title: str, sections: Sequence[Section]) -> str:
    return "\n".join([f"# {title}", "", *(section.as_markdown() for section in sections)])
