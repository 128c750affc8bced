"""Where the trained networks lie that come with the package.

All that reads a network by its path takes ``ready:NAME`` as well.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from ..base.errors import UserError

PREFIX = "ready:"
FOLDER = Path(__file__).parents[1] / "ready"
SUFFIX = ".safetensors"


def names() -> tuple[str, ...]:
    """What there is, in alphabetical order."""
    return tuple(sorted(file.name.removesuffix(SUFFIX) for file in FOLDER.glob(f"*{SUFFIX}")))


def path(name: str) -> Path:
    """The network file of a ready network, named with or without `PREFIX`.

    Raises
    ------
    UserError
        If there is none of that name.
    """
    plain = name.removeprefix(PREFIX)
    if plain not in names():
        near = difflib.get_close_matches(plain, names(), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UserError(
            f"Ready network must be one that `sstdp-hw ready` lists, not {plain!r}{hint}"
        )
    return FOLDER / f"{plain}{SUFFIX}"


def card_path(name: str) -> Path:
    """The card of a ready network, which tells in Markdown what it is and how it was made."""
    return path(name).with_suffix(".md")


def located(file: Path | str) -> Path:
    """The file that ``ready:NAME`` stands for; any other path as it is."""
    return path(str(file)) if str(file).startswith(PREFIX) else Path(file)
