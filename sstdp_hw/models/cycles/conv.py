"""Convolution layers as servers.

How long the comparison of a step takes depends on the words in which somebody is above threshold
at some time during the step, also if later events of the step take that back. So this model adds
up potentials, event by event.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...blocks.convolution import ConvParameters
from ...blocks.pipeline import CONV_HAZARD, PIECE, queue_latency, reserve
from ...network.layers import Array
from .potentials import Potentials, Walk
from .room import LONG_AGO, Room, readable
from .server import GroupServer
from .stamps import Stamps


class Conv:
    """Walks over the words that an event reaches, and over the candidates of a step.

    Parameters
    ----------
    parameters : ConvParameters
    stale : list of int
        See `chain.Decision`.

    Attributes
    ----------
    next : GroupServer
        Set once.
    spikes : uint8 array [images, words, lanes]
        Spike times of the images from ``first_image`` on.
    """

    next: GroupServer
    spikes: Array

    def __init__(self, parameters: ConvParameters, stale: list[int]) -> None:
        self.p, self.stale = parameters, stale
        self.first_image = 0
        self.located = Room(reserve(parameters.locate_latency))
        self.room = Room(reserve(parameters.latency))
        self.stamps = Stamps(parameters.words, parameters.stamp_width)
        self.potentials = Potentials(parameters)
        self.events = _bases(parameters)
        self.popped = LONG_AGO  # of the queue in front of the layer
        self.taken = LONG_AGO  # of the queue of walks
        self.free = LONG_AGO  # first cycle in which the next walk may be taken
        self.inactive = LONG_AGO  # first cycle without a walk at all
        self.added = LONG_AGO  # last cycle in which weights were fetched
        self.issued = LONG_AGO  # last cycle in which anything but the end of an image was issued
        self.recent: list[tuple[int, int]] = []  # the last words and their cycles
        self.walked = -1  # the last image seen
        self.spontaneous = False  # step 0 is still to be compared
        self.candidates: list[tuple[int, int]] = []  # words, and when each is written in the list
        self.fired: dict[int, dict[int, list[int]]] = {}  # of the present image: step, word, lanes
        self.any_fired = False  # in the present step

    def occupied(self) -> tuple[int, int]:
        """First and last cycle of the event taken last."""
        return self.taken + 1, max(self.taken, self.free)

    def push(self, image: int, written: int, step: int, last: bool, end: bool, index: int) -> int:
        """One event, written into its queue; returns the cycle of its pop."""
        # An item of a deep queue leaves it for the register behind it first.
        left = readable(written, self.popped - self.p.queue_register)
        self.popped = self.located.issue(left + self.p.queue_register)
        located = self.popped + self.p.locate_latency
        self.located.wrote(located)
        self.taken = self._take(image, readable(located, self.taken), step, last, end, index)
        self.located.pops.append(self.taken)
        return left if self.p.queue_register else self.popped

    def _take(self, image: int, seen: int, step: int, last: bool, end: bool, index: int) -> int:
        """The cycle in which an event leaves the queue of walks."""
        look = max(seen, self.free, self.stamps.ready)
        if image != self.walked and look < self.stale[image]:
            look = self._begin(image, look)
        if look < self.stale[image] and self.spontaneous and (end or step):
            look = self._compare_all(image, 0, look + 1, look + 1)
        if look >= self.stale[image]:
            return look
        if end:
            cycle = self.room.issue(look + 1)
            if cycle >= self.stale[image]:
                self.free = self._abandoned(image, look + 1)
            else:
                self.free, self.inactive = cycle, cycle + 1
                self._report(image, step, cycle, [], False, True)
            return look
        walk = self.potentials.add(index)
        cycle = look
        if walk is not None:
            cycles = self._walk(walk, look + 1)
            cycle = cycles[-1]
            if cycle >= self.stale[image]:
                done = sum(1 for issue in cycles if issue < self.stale[image])
                if done:
                    self.added = self.issued = cycles[done - 1]
                self.free = self._abandoned(image, look + 1)
                return look
            self.added = self.issued = self.free = cycle
            latency = self.p.latency
            self.candidates += [
                (walk.word(offset), cycles[offset] + latency) for offset in walk.candidates
            ]
        if last and self.spontaneous:
            self.free = self._compare_all(image, step, look + 1, max(look + 1, cycle))
        elif last:
            self.free = self._compare(image, step, look + 1, cycle)
        return look

    def _begin(self, image: int, look: int) -> int:
        """The first event of an image waits until nothing of the one before is on its way."""
        latency = self.p.latency
        begin = max(look, self.inactive, self.issued + latency + 1, self.added + self.p.settling)
        if begin >= self.stale[image]:
            return max(look, self.stale[image])
        self.stamps.advance(begin)
        self.walked, self.spontaneous = image, self.p.spontaneous
        self.potentials.begin()
        self.candidates.clear()
        self.recent.clear()
        self.any_fired = False
        self.fired = _by_step(self.spikes[image - self.first_image])
        return max(begin + 1, self.stamps.ready)

    def _walk(self, walk: Walk, cycle: int) -> Sequence[int]:
        """The cycles of a walk's words, the first not before ``cycle``."""
        count = walk.count
        cycles: Sequence[int] = range(cycle, cycle + count)
        met = self.recent and self.recent[-1][1] >= cycle - CONV_HAZARD
        if self.room.blocked or met:
            issues, before = [], cycle - 1
            for offset in range(min(count, CONV_HAZARD)):
                ahead = self._clear(walk.word(offset), before + 1)
                before = self.room.issue(ahead)
                issues.append(before)
            issues += self.room.issues(before + 1, count - len(issues))
            cycles = issues
        offsets = range(max(0, count - CONV_HAZARD), count)
        issued = [(walk.word(offset), cycles[offset]) for offset in offsets]
        self.recent = [*self.recent, *issued][-CONV_HAZARD:]
        return cycles

    def _clear(self, address: int, cycle: int) -> int:
        """The cycle from ``cycle`` on in which a word is not on its way."""
        for other, issued in self.recent:
            if other == address:
                cycle = max(cycle, issued + CONV_HAZARD + 1)
        return cycle

    def _compare(self, image: int, step: int, entered: int, walked: int) -> int:
        """Compare the step's candidates after ``walked``; the cycle in which the layer is free."""
        latency, fired = self.p.latency, self.fired.get(step, {})
        listed = {word for word, _ in self.candidates}
        # What spikes without a potential that says so: of spikes that no inference had.
        forced = [(word, self.added + latency) for word in fired if word not in listed]
        before, listing = walked, queue_latency(self.p.list_depth)
        for word, written in self.candidates + forced:
            cycle = self._clear(word, max(before + 1, written + listing))
            cycle = self.room.issue(cycle)
            if cycle >= self.stale[image]:
                return self._abandoned(image, entered)
            self.recent = [*self.recent[1 - CONV_HAZARD :], (word, cycle)]
            self.issued = before = cycle
            self.potentials.compare(word)
            if word in fired:
                self._fire(image, step, cycle, word, fired[word])
        return self._close(image, step, entered, before)

    def _compare_all(self, image: int, step: int, entered: int, load: int) -> int:
        """Compare all words, in a walk that begins after ``load``; the cycle in which the layer is
        free."""
        if load >= self.stale[image]:
            return self._abandoned(image, entered)
        self.spontaneous = False
        words, fired = self.p.words, self.fired.get(step, {})
        first = range(min(CONV_HAZARD, words))  # these may have to wait for additions
        before, done = load, 0
        for word in sorted({*first, *fired, words - 1}):
            ahead = before + 1
            if word in first:
                ahead = self._clear(word, ahead)
            cycle = self.room.issue(ahead, word + 1 - done)
            if cycle >= self.stale[image]:
                self.issued = max(before, self.stale[image] - 1)
                return self._abandoned(image, entered)
            before, done = cycle, word + 1
            if word in fired:
                self._fire(image, step, cycle, word, fired[word])
        self.issued = before
        self.recent = [(words - 1, before)]
        self.potentials.compare_all()
        return self._close(image, step, entered, before)

    def _close(self, image: int, step: int, entered: int, before: int) -> int:
        """The marker behind a step's words; the cycle in which the layer is free."""
        settled = self.added + self.p.settling
        cycle = self.room.issue(max(before + 1, settled))
        if cycle >= self.stale[image]:
            return self._abandoned(image, entered)
        self.issued = cycle
        self.candidates.clear()
        if self.any_fired:
            self._report(image, step, cycle, [], True, False)
        self.any_fired = False
        return cycle + 1

    def _abandoned(self, image: int, entered: int) -> int:
        """The cycle in which the layer is free, when the image it is at goes stale."""
        self.inactive = max(entered, self.stale[image]) + 1
        return self.inactive

    def _fire(self, image: int, step: int, cycle: int, word: int, lanes: list[int]) -> None:
        self.any_fired = True
        base = self.events[word]
        self._report(image, step, cycle, [base + lane for lane in lanes], False, False, lanes)

    def _report(
        self, image: int, step: int, cycle: int, indices: list[int], close: bool, final: bool,
        lanes: Sequence[int] = (),
    ) -> None:  # fmt: skip
        written = cycle + self.p.latency
        pieces: dict[int, int] = {}
        for lane in lanes:
            pieces[lane // PIECE] = pieces.get(lane // PIECE, 0) + 1
        self.room.wrote(written)
        self.room.pops.append(
            self.next.push(image, written, step, list(pieces.values()), close, final, indices)
        )


def _bases(parameters: ConvParameters) -> list[int]:
    """Index of the event of each word's first channel."""
    p = parameters
    y, x, group = np.indices((*p.shape[1:], p.groups)).reshape(3, -1)
    bases: list[int] = (y * p.leaving.row + x * p.leaving.column + group * p.lanes).tolist()
    return bases


def _by_step(times: Array) -> dict[int, dict[int, list[int]]]:
    """Lanes that fire, by step and word; ``times`` is [words, lanes], 255 for silent."""
    found: dict[int, dict[int, list[int]]] = {}
    word, lane = np.nonzero(times < SILENT)
    columns = times[word, lane].tolist(), word.tolist(), lane.tolist()
    for step, at, which in zip(*columns, strict=True):
        found.setdefault(step, {}).setdefault(at, []).append(which)
    return found


#: Stands for the spike time of a silent neuron, and of a lane without one.
SILENT = 255


def word_times(parameters: ConvParameters, times: Array, t_max: int) -> Array:
    """Spike times [images, channels, height, width] as [images, words, lanes]."""
    p = parameters
    padded = np.full((len(times), *p.shape[1:], p.groups * p.lanes), SILENT, np.uint8)
    padded[..., : p.channels] = np.where(times < t_max, times, SILENT).transpose(0, 2, 3, 1)
    return padded.reshape(len(times), p.words, p.lanes)
