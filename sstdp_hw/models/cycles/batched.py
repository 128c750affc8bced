"""The sequential engine that runs every tile for a batch of images, as a server."""

from __future__ import annotations

from collections import deque

from ...blocks.sequential.tiled import TiledEngineParameters
from .chain import NEVER, Decision
from .layer_state import Spike
from .room import LONG_AGO, readable
from .tiled import TiledEngine

#: Events of an image in the order in which they came: step, and what each stands for.
Events = list[tuple[int, Spike]]


class BatchedEngine(TiledEngine):
    """Keeps images until they are whole, and computes those of a batch tile by tile.

    Which images make a batch is known when the next one is whole, or cannot be in time any more: so
    the engine is carried on from there whenever an event is looked at that tells.

    Attributes
    ----------
    stale : list of int
        First cycle in which each image has been taken from what stands in front; `NEVER` before.
    """

    def __init__(
        self, parameters: TiledEngineParameters, decision: Decision, early_exit: bool, depth: int,
        latency: int = 0, interval: int = 1,
    ) -> None:  # fmt: skip
        self.stale = [NEVER] * len(decision.stale)
        self.batch: list[Events] = []  # that have been through the first tile, or are in it
        self.coming: Events = []  # of the image that is not whole yet
        self.place = 0  # of the present image in its batch
        self.ended = LONG_AGO  # a tile ended last for an image
        #: The cycle in which the batch is closed, unless another image is whole before.
        self.closes: int | None = None
        self.lists: dict[tuple[int, int], list[int | list[Spike]]] = {}  # by tile and image
        self.events = 0  # that have come
        # Rows of the ring and places of images: how many were free in all, and from when on.
        self.rows = deque([(parameters.kept_events, LONG_AGO)])
        self.places = deque([(parameters.image_places, LONG_AGO)])
        self.last_of_first = parameters.pass_layers.count(0) - 1
        super().__init__(parameters, decision, early_exit, depth, latency, interval)

    @property
    def answers(self) -> list[int]:
        """Cycle of each image's answer, so far."""
        return self.decision.answers

    def push(self, image: int, written: int, step: int, last: bool, end: bool, index: int) -> int:
        """One event, written into its queue; returns the cycle of its pop."""
        left = readable(written, self.popped - self.register)
        cycle = self.popped = self._taken_in(image, left + self.register, end)
        if self.closes is not None and cycle >= self.closes:
            self._close()
        if end:
            self.stale[image] = cycle + 1
            self._join(cycle)
            self.coming = []
        else:
            self.events += 1
            self.coming.append((step, self.layers[0].spike(index)))
        return left if self.register else cycle

    def finish(self) -> None:
        """No further image comes."""
        if self.closes is not None:
            self._close()

    def _taken_in(self, image: int, cycle: int, end: bool) -> int:
        """When there is room for an event: a place for its image, and a row unless it is the
        end."""
        for freed, needed in ((self.places, image + 1), (self.rows, 0 if end else self.events + 1)):
            while freed[-1][0] < needed:  # by what the engine does when it is not waited for
                self._close()
            while freed[0][0] < needed:
                freed.popleft()
            cycle = max(cycle, freed[0][1])
        return cycle

    def _gate(self, cycle: int) -> int:
        """A tile stays for all images of the batch."""
        return cycle if self.place else super()._gate(cycle)

    def _next(self, cycle: int) -> None:
        """The present tile has ended for the present image in this cycle."""
        self.ended = cycle
        self.lists[self.number, self.place] = self.layers[self.number].listed
        if self.number == self.last_of_first:
            self.rows.append((self.rows[-1][0] + len(self.batch[self.place]), cycle + 1))

    def _join(self, came: int) -> None:
        """Run the first tile for the image that is whole now."""
        if self.closes is not None:
            self.closes = None
            self.place += 1
            self.image += 1
            self._begin(self.ended + 1)
        self.batch.append(self.coming)
        self._run_again(self.p.locate_cycles(0), self.coming, came)
        self.closes = self.ended
        if len(self.batch) == self.p.batch:
            self._close()

    def _close(self) -> None:
        """Run all other tiles for the images of the batch; the next one begins."""
        assert self.closes is not None, "the engine waits for nobody while there is an image"
        self.closes = None
        size = len(self.batch)
        first = self.image - self.place
        for tile, layer in enumerate(self.p.pass_layers[1:], 1):
            wait = self.p.locate_cycles(layer)
            for place, events in enumerate(self.batch):
                self.number, self.place, self.image = tile, place, first + place
                self._begin(self.ended + 1)
                if layer == 0:
                    self._run_again(wait, events)
                else:
                    self._run_merged(self._segments(layer), wait)
        self.places.append((self.places[-1][0] + size, self.ended + 1))
        self.batch, self.lists = [], {}
        self.number, self.place, self.image = 0, 0, first + size
        self._begin(self.ended + 1)

    def _segments(self, layer: int) -> list[list[int | list[Spike]]]:
        """What the tiles of the layer before have listed for the present image."""
        first = self.p.pass_layers.index(layer - 1)
        tiles = range(first, first + self.p.plan.counts()[layer - 1])
        return [self.lists[tile, self.place] for tile in tiles]
