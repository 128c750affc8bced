"""The encoder: when an image is loaded, and when each of its spikes leaves."""

from __future__ import annotations

import numpy as np

from ...blocks.hardware import AcceleratorParameters
from ...blocks.inputs import PixelInput
from ...blocks.map_parameters import MapParameters
from ...blocks.pipeline import (
    HAS_ROOM_LATENCY,
    LIST_INTERVAL,
    LIST_LATENCY,
    MAX_IN_FLIGHT,
    QUEUE_LATENCY,
    RESET_BEFORE_BEAT,
    most_with_room,
    queue_latency,
    reserve,
)
from ...network.layers import Array
from ...reference.inference import Inference
from .room import LONG_AGO, Room
from .server import EventServer, Taker
from .spikes import ListCounts, ListIndices, list_counts, list_indices


class Loader:
    """From the input port to a sorter: the cycle in which an image's last beat is filed.

    Beats are there in every cycle. They enter the encoder's tables while the queue behind these has
    room, and only beats with a live pixel, and the last, take a place in that queue.
    """

    def __init__(self, pixels: PixelInput) -> None:
        latency, depth = pixels.live_latency, pixels.queue_depth
        kept: Array = np.array(pixels.live.any(axis=1))
        kept[-1] = True  # the image's last beat always goes on
        self.places = np.flatnonzero(kept).tolist()
        self.beats = pixels.beats
        self.latency = latency
        # Whether an item leaves the queue for a register behind it.
        self.register = queue_latency(depth) - QUEUE_LATENCY
        self.room = Room(reserve(latency), depth)
        # While a sorter takes an item a cycle the level cannot rise. So room can lack only until
        # the first items have left, and the items that may be on their way then.
        self.spare = most_with_room(reserve(latency), depth)
        self.explicit = self.spare + latency + HAS_ROOM_LATENCY + 1
        # The cycle in which the last beat entered; the first one passes the input port's queue.
        self.entered = QUEUE_LATENCY - 1
        self.filed = LONG_AGO  # cycle in which the last beat of the image before was filed

    def waits_until(self, cycle: int) -> None:
        """The next beat is there in ``cycle`` at the earliest."""
        self.entered = max(self.entered, cycle + QUEUE_LATENCY - 1)

    def load(self, free: int) -> int:
        """One image, into a sorter that takes beats from cycle ``free`` on."""
        room, places = self.room, self.places
        travel = self.latency + QUEUE_LATENCY
        register = self.register
        popped, before = max(self.filed, free - 1), -1
        first = popped + 1
        cycle = self.entered
        for place in places[: self.explicit]:
            cycle = room.issue(cycle + 1, place - before)
            before = place
            room.wrote(cycle + self.latency)
            left = max(cycle + travel, popped + 1 - register)
            popped = max(left + register, popped + 1)
            room.pops.append(left)
        if len(places) > self.explicit:  # all that follow enter without a gap
            start = cycle - before
            for index in range(max(self.explicit, len(places) - self.spare), len(places)):
                left = max(start + places[index] + travel, first + index - register)
                popped = left + register
                room.pops.append(left)
            cycle = start + self.beats - 1
        self.entered, self.filed = cycle, popped
        return popped


class Encoder:
    """Two sorters that load and emit in turn.

    Parameters
    ----------
    parameters : AcceleratorParameters
    decision : Taker
    layer : EventServer
        The first one.
    """

    def __init__(
        self, parameters: AcceleratorParameters, decision: Taker, layer: EventServer
    ) -> None:
        self.t_max, self.layer = parameters.t_max, layer
        self.decision, self.stale = decision, decision.stale
        self.answers = decision.answers
        assert isinstance(parameters.input, PixelInput), "chosen by its kind"
        self.pixels = parameters.input
        # Whether it matters to what follows which event comes when.
        self.by_place = parameters.configuration.sequential or isinstance(
            parameters.blocks[0], MapParameters
        )
        self.loader = Loader(self.pixels)
        # The cycle from which each sorter takes beats; after a reset it clears its lists.
        self.free = [parameters.t_max - RESET_BEFORE_BEAT] * 2
        self.ended = LONG_AGO  # the image before has left, or was dropped
        self.began = LONG_AGO  # the image has been sorted, and the one before has left
        self.stages = self.pixels.stages
        self.room = Room(reserve(self.stages))
        self.entering = LONG_AGO  # first beat of the last image
        self.lists: list[ListCounts] = []
        self.indices: list[ListIndices] = []
        self.first_image = 0

    @property
    def beats(self) -> int:
        """Of an image."""
        return self.loader.beats

    @property
    def read(self) -> tuple[int, int]:
        """First and last cycle in which beats of the last image entered; there may be gaps."""
        return self.entering, self.loader.entered

    @property
    def emitted(self) -> tuple[int, int]:
        """First and last cycle in which the last image's lists were looked at."""
        return self.began + 1, self.ended

    def began_earlier(self, cycles: int) -> None:
        """The reset ended so many cycles earlier before the first beat."""
        self.free = [free - cycles for free in self.free]

    def waits_until(self, cycle: int) -> None:
        """The next beat is there in ``cycle`` at the earliest."""
        self.loader.waits_until(cycle)

    def idle(self) -> None:
        """The lists are cleared."""
        self.free = [LONG_AGO] * 2

    def take(self, part: Inference, first: int) -> None:
        """The images that come next, the first of them number ``first``."""
        self.first_image = first
        self.lists = list_counts(self.pixels, self.t_max, part)
        found = list_indices(self.pixels, self.t_max, part) if self.by_place else None
        self.indices = found or [{} for _ in self.lists]

    def sent(self) -> Array:
        """An answer leaves when the decision has it."""
        self.decision.finish()
        return np.array(self.decision.answers, np.int64)

    def run(self, image: int) -> None:
        """Emit one image; images come in order."""
        number = image - self.first_image
        counts, indices = self.lists[number], self.indices[number]
        sorter = image % 2
        self.entering = self.loader.entered + 1
        sorted_ = self.loader.load(self.free[sorter]) + 1
        go = max(sorted_, self.ended + 1)
        if image >= MAX_IN_FLIGHT:
            go = max(go, self.stale[image - MAX_IN_FLIGHT])
        self.began = go
        cycle, step = go + 1, 0  # the next step to be looked at, and when
        for at, lists in counts:
            if self._dropped(image, sorter, step, cycle, at):
                return
            last, left = self._emit(image, at, lists, indices.get(at), cycle + at - step)
            if left:
                # A step's last spike that goes stale as it leaves still ends the step.
                ended = left == 1 and last == self.stale[image] and at < self.t_max - 1
                self._drop(image, sorter, self.t_max - at - ended)
                return
            cycle, step = last + 1, at + 1
        if self._dropped(image, sorter, step, cycle, self.t_max):
            return
        end = self.room.issue(cycle + self.t_max - step)
        if end >= self.stale[image]:
            self._drop(image, sorter, 0)
            return
        self._leave(image, end, self.t_max - 1, False, True, -1)
        self.ended, self.free[sorter] = end, end + 1

    def _emit(
        self, image: int, step: int, lists: list[int], indices: list[list[int]] | None, cycle: int
    ) -> tuple[int, int]:
        """The spikes of one step, looked at in ``cycle``: the cycle of the last one, and 0; or, if
        the image goes stale, when the next one would have left, and how many did not."""
        left = sum(lists)
        offers = [cycle + LIST_LATENCY if count else -1 for count in lists]
        counts = list(lists)
        room = self.room
        while left:
            cycle += 1
            ready = [offer for offer in offers if offer >= 0]
            earliest = min(ready)
            if earliest > cycle:
                cycle = earliest
            if room.blocked:
                cycle = room.issue(cycle)
            if cycle >= self.stale[image]:
                return cycle, left
            chosen = next(n for n, offer in enumerate(offers) if 0 <= offer <= cycle)
            index = indices[chosen][-counts[chosen]] if indices else -1
            counts[chosen] -= 1
            offers[chosen] = cycle + LIST_INTERVAL if counts[chosen] else -1
            left -= 1
            self._leave(image, cycle, step, not left, False, index)
        return cycle, 0

    def _leave(self, image: int, cycle: int, step: int, last: bool, end: bool, index: int) -> None:
        """An event leaves its sorter, and is written into the queue some stages later."""
        written = cycle + self.stages
        self.room.wrote(written)
        self.room.pops.append(self.layer.push(image, written, step, last, end, index))

    def _dropped(self, image: int, sorter: int, step: int, cycle: int, upto: int) -> bool:
        """Whether the image goes stale while the empty steps before ``upto`` are looked at, one a
        cycle, ``step`` in ``cycle``."""
        empty = self.stale[image] - cycle
        if empty >= upto - step:
            return False
        # The step looked at last is empty and needs no clearing, but the last one is not left.
        self._drop(image, sorter, max(1, self.t_max - 1 - step - empty))
        return True

    def _drop(self, image: int, sorter: int, steps: int) -> None:
        """The image is stale; the lists of so many steps are cleared, one a cycle."""
        self.ended = self.stale[image]
        self.free[sorter] = self.ended + 1 + steps
