"""Whose turn it is among items of which some begin only when another is done."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence


class Turns:
    """The items that can begin, first to last.

    Parameters
    ----------
    count : int
        Of all items.
    after : sequence of int or None, optional
        For each item the one that has to be done before it, if any.

    Members
    -------
    waiting : deque of int
        Numbers of those that can begin now. One that waited for another stands in front as soon as
        it can begin, so that what was begun is finished first.
    """

    def __init__(self, count: int, after: Sequence[int | None] | None = None) -> None:
        self._behind: dict[int, list[int]] = {}
        self.waiting: deque[int] = deque()
        for number, before in enumerate(after or [None] * count):
            if before is None:
                self.waiting.append(number)
            else:
                self._behind.setdefault(before, []).append(number)

    def done(self, number: int) -> None:
        """Those behind it can begin."""
        self.waiting.extendleft(reversed(self._behind.pop(number, [])))

    def lost(self, number: int) -> list[int]:
        """Those that wait for it, or for one of these: they never begin."""
        gone = []
        for behind in self._behind.pop(number, []):
            gone += [behind, *self.lost(behind)]
        return gone
