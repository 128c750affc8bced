"""A report as a list of parts, written once and shown twice: on the terminal and as Markdown."""

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
    command : str
        What to do next, on a line of its own that is never broken.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    command: str = ""

    def shown(self) -> list[Table | str]:
        """For `tables.show`."""
        made = table(self.title, self.headings, self.rows)
        made.caption = self.note or None
        return [made, self.command] if self.command else [made]

    def as_markdown(self) -> str:
        def line(cells: Sequence[str]) -> str:
            return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

        rule = ["---", *("---:" for _ in self.headings[1:])]
        lines = [f"## {self.title}", "", line(self.headings), line(rule), *map(line, self.rows)]
        if self.note:
            lines += ["", self.note]
        if self.command:
            lines += ["", f"    {self.command}"]
        return "\n".join([*lines, ""])


@dataclass(frozen=True)
class Listing:
    """Titled lines, each with a command or a reason below it that is never broken.

    Parameters
    ----------
    title : str
    entries : sequence of (str, str)
        Subject, and what is below it.
    """

    title: str
    entries: Sequence[tuple[str, str]]

    def shown(self) -> list[Table | str]:
        """For `tables.show`."""
        lines = (f"  {subject}\n    {text}" for subject, text in self.entries)
        return ["\n".join([self.title, *lines])]

    def as_markdown(self) -> str:
        entries = (f"{subject}\n\n    {text}\n" for subject, text in self.entries)
        return "\n".join([f"## {self.title}", "", *entries])


def markdown(title: str, sections: Sequence[Section | Listing]) -> str:
    return "\n".join([f"# {title}", "", *(section.as_markdown() for section in sections)])
