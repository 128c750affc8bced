"""Pooling layers as servers."""

from __future__ import annotations

from ...blocks.pipeline import POOL_STAGES, reserve
from ...blocks.pooling import PoolParameters
from .room import LONG_AGO, Room, readable
from .server import EventServer
from .stamps import Stamps


class Pool:
    """Passes the first event of every window.

    Parameters
    ----------
    parameters : PoolParameters
    layer : EventServer
        The next one.
    """

    def __init__(self, parameters: PoolParameters, layer: EventServer) -> None:
        self.p, self.layer = parameters, layer
        self.cells = parameters.pooled.tolist()
        self.room = Room(reserve(parameters.latency), parameters.queue_depth)
        self.stamps = Stamps(parameters.cells, parameters.stamp_width)
        self.popped = self.seen = LONG_AGO
        self.walked = -1  # the last image seen
        self.clear = LONG_AGO  # no word of an image is on its way from this cycle on
        self.passed: set[int] = set()
        self.held: tuple[int, int, int] | None = None  # image, step and index of an event held back

    def occupied(self) -> tuple[int, int]:
        """The cycle from which the event taken last could go on, and that in which it did."""
        return self.seen, self.popped

    def push(self, image: int, written: int, step: int, last: bool, end: bool, index: int) -> int:
        """One event, written into its queue; returns the cycle of its pop."""
        cycle = max(readable(written, self.popped), self.stamps.ready)
        if image != self.walked:
            cycle = max(cycle, self.clear)
            arrives = cycle + self.p.places_latency + POOL_STAGES
            cycle += 1
            if self.stamps.wraps:
                cycle = arrives + 1 + self.p.cells
            self.stamps.advance(arrives)
            self.clear = arrives + 1
            self.walked = image
            self.passed.clear()
        self.seen = cycle
        self.popped = cycle = self.room.issue(cycle)
        cell = -1 if end else self.cells[index]
        passes = end or (cell >= 0 and cell not in self.passed)
        self.passed.add(cell)
        if passes or last:
            if self.held is not None:
                closed = last and not passes
                self._emit(*self.held, cycle + self.p.latency - 1, closed, False)
                self.held = None
            if passes and (last or end):
                self._emit(image, step, max(cell, 0), cycle + self.p.latency, last, end)
            elif passes:
                self.held = image, step, cell
        return self.popped

    def _emit(self, image: int, step: int, index: int, cycle: int, last: bool, end: bool) -> None:
        self.room.wrote(cycle)
        self.room.pops.append(self.layer.push(image, cycle, step, last, end, index))
