"""What a page is made of: titled sections of parts, each of a kind that the template knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Figure:
    """A chart.

    Parameters
    ----------
    title : str
    spec : dict
        Vega-Lite, data and all.
    note : str
        What is to be seen in it.
    narrow : bool
        Whether two of its like may stand side by side.
    """

    kind: ClassVar[str] = "figure"
    title: str
    spec: dict[str, Any]
    note: str = ""
    narrow: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture, as a data URI.

    Parameters
    ----------
    title : str
    uri : str
    width : int
        In CSS pixels, where there is room.
    alt : str
        The same in words.
    note : str
    """

    kind: ClassVar[str] = "picture"
    title: str
    uri: str
    width: int
    alt: str
    note: str = ""


@dataclass(frozen=True)
class Pictures:
    """Pictures beside each other."""

    kind: ClassVar[str] = "pictures"
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Table:
    """A table; the first column is words, the others figures."""

    kind: ClassVar[str] = "table"
    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Fact:
    """A figure on a card of its own."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Facts:
    """Cards with figures."""

    kind: ClassVar[str] = "facts"
    facts: Sequence[Fact]


@dataclass(frozen=True)
class Text:
    """A paragraph; ``tone`` is "good", "bad" or nothing."""

    kind: ClassVar[str] = "text"
    text: str
    tone: str = ""


@dataclass(frozen=True)
class Commands:
    """Command lines, each with what it is for."""

    kind: ClassVar[str] = "commands"
    commands: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Option:
    """One of the things to choose from."""

    name: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Choice:
    """Parts of which one set is shown at a time."""

    kind: ClassVar[str] = "choice"
    label: str
    options: Sequence[Option]


Part = Figure | Pictures | Table | Facts | Text | Commands | Choice


@dataclass(frozen=True)
class PageSection:
    """A section of the page.

    Parameters
    ----------
    name : str
        For links within the page.
    title : str
    parts : sequence of Part
    intro : str
        A sentence below the title.
    tone : str
        "bad" for what must be seen first.
    """

    name: str
    title: str
    parts: Sequence[Part]
    intro: str = ""
    tone: str = field(default="")
