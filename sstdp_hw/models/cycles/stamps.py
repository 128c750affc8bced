"""When a memory of stamps is cleared."""

from __future__ import annotations

from ...blocks.pipeline import RESET_BEFORE_BEAT
from .room import LONG_AGO


class Stamps:
    """Counts the images of one memory of stamps.

    Attributes
    ----------
    ready : int
        First cycle in which no row is being cleared; after a reset all rows are.
    """

    def __init__(self, rows: int, width: int) -> None:
        self.rows, self.last = rows, (1 << width) - 1
        self.image = 0
        self.ready = rows - RESET_BEFORE_BEAT

    def counted(self, images: int) -> None:
        """So many images came since the reset, and the rows are not being cleared any more."""
        self.image, self.ready = (images - 1) % self.last + 1 if images else 0, LONG_AGO

    @property
    def wraps(self) -> bool:
        """Whether the next image finds all rows cleared."""
        return self.image == self.last

    def advance(self, cycle: int) -> None:
        """The next image begins."""
        if self.wraps:
            self.image, self.ready = 1, cycle + 1 + self.rows
        else:
            self.image += 1
