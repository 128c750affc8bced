"""Who works when: what each block of the cycle model was at, item by item.

A watch stands in front of every block and writes down, for each item that passes, from which cycle
to which the block was at it, and how many of these cycles it stood still because there was no room
behind it. The model itself is left as it is: the cycles are those of `cycles_per_image`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from .room import Room
from .server import EventServer, GroupServer


class Span(NamedTuple):
    """One item in one block.

    Parameters
    ----------
    block : str
        `INPUT`, `SORT`, the name of a layer, or `DECISION`.
    image : int
    step : int
        Of the item; -1 where the block does not know it.
    first, last : int
        Clock cycles from the first beat of the first image on, both within; ``last`` may be
        ``first - 1``: the item was dropped at once.
    waited : int
        Cycles among them without room behind the block.
    """

    block: str
    image: int
    step: int
    first: int
    last: int
    waited: int


INPUT, SORT, DECISION = "input", "encoder", "decision"


class Occupied(Protocol):
    """A server that tells how long it is at the item it took last."""

    def occupied(self) -> tuple[int, int]:
        """First and last cycle."""


class Layerlike(EventServer, Occupied, Protocol):
    room: Room


class Decider(GroupServer, Occupied, Protocol):
    pass


class Origin(Protocol):
    """What stands in front: fills itself with samples and emits events."""

    @property
    def read(self) -> tuple[int, int]:
        """First and last cycle of reading the last sample."""

    @property
    def emitted(self) -> tuple[int, int]:
        """First and last cycle of emitting its events."""

    room: Room

    @property
    def beats(self) -> int:
        """Cycles that reading the last sample takes without a gap."""

    def run(self, image: int) -> None:
        """Emit a sample."""


class Watch:
    """Collects the spans of all blocks."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def layer(self, name: str, server: Layerlike) -> WatchedLayer:
        return WatchedLayer(name, server, self.spans)

    def decision(self, server: Decider) -> WatchedDecision:
        return WatchedDecision(server, self.spans)

    def run(self, source: Origin, image: int) -> None:
        """Let the source emit a sample, and note when."""
        waited = source.room.waited
        source.run(image)
        first, last = source.read
        self.spans += [
            Span(INPUT, image, -1, first, last, last - first + 1 - source.beats),
            Span(SORT, image, -1, *source.emitted, source.room.waited - waited),
        ]


class WatchedLayer:
    """A layer with a watch in front of it."""

    def __init__(self, name: str, server: Layerlike, spans: list[Span]) -> None:
        self.name, self.server, self.spans = name, server, spans

    def push(self, image: int, written: int, step: int, last: bool, end: bool, index: int) -> int:
        before = self.server.room.waited
        popped = self.server.push(image, written, step, last, end, index)
        waited = self.server.room.waited - before
        self.spans.append(Span(self.name, image, step, *self.server.occupied(), waited))
        return popped


class WatchedDecision:
    """The decision with a watch in front of it; the items are groups of the output layer."""

    def __init__(self, server: Decider, spans: list[Span]) -> None:
        self.server, self.spans = server, spans

    def push(
        self, image: int, written: int, step: int, pieces: list[int], close: bool, final: bool,
        indices: Sequence[int],
    ) -> int:  # fmt: skip
        popped = self.server.push(image, written, step, pieces, close, final, indices)
        self.spans.append(Span(DECISION, image, -1, *self.server.occupied(), 0))
        return popped
