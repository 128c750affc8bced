"""What blocks expect of the one behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class EventServer(Protocol):
    """Takes events: a layer."""

    def push(self, image: int, written: int, step: int, last: bool, end: bool, index: int) -> int:
        """One event, written into its queue; returns the cycle of its pop.

        ``index`` is the event's own where the layer in front knows it, -1 otherwise: only layers
        that take coordinates need it.
        """


class Taker(Protocol):
    """Tells what makes events which images are out of its way: the decision, or an engine that
    keeps images itself."""

    @property
    def stale(self) -> list[int]:
        """First cycle in which nothing is wanted of each image any more; `NEVER` before."""

    @property
    def answers(self) -> list[int]:
        """Cycle of each image's answer, so far."""

    def finish(self) -> None:
        """No further image comes; all that have come are answered."""


class GroupServer(Protocol):
    """Takes groups of fired neurons: a splitter, a serializer, or the decision."""

    def push(
        self, image: int, written: int, step: int, pieces: list[int], close: bool, final: bool,
        indices: Sequence[int],
    ) -> int:  # fmt: skip
        """One group, written into its queue; returns the cycle of its pop.

        ``step`` is the number of the group in front of the decision. ``pieces`` are the numbers of
        neurons in each piece that has one; ``indices`` of their events, as in `EventServer`, or
        none.
        """
