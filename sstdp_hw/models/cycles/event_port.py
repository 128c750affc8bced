"""The event port: when each event of a packet enters, and when it leaves for the first layer."""

from __future__ import annotations

import numpy as np

from ...blocks.hardware import AcceleratorParameters
from ...blocks.inputs import SpikeInput
from ...blocks.pipeline import MAX_IN_FLIGHT, QUEUE_LATENCY, STAMP_LATENCY, reserve
from ...network.layers import Array
from ...reference.inference import Inference, sent_spikes
from .room import Room
from .server import EventServer, Taker
from .stamps import Stamps

#: Cycles from an answer to the first beat behind it, as the co-simulation plays packets apart.
NEXT_PACKET = 2


class EventPort:
    """Takes an event a cycle, and a cycle between two packets; events come without gaps, by step,
    then by index, none twice.

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
        port = parameters.input
        assert isinstance(port, SpikeInput), "chosen by its kind"
        self.port, self.t_max, self.layer = port, parameters.t_max, layer
        self.decision, self.stale = decision, decision.stale
        self.room = Room(reserve(port.latency))
        self.stamps = Stamps(port.pixels, port.stamp_width)
        self.begun = False  # the marks are those of the next sample already
        self.ended = QUEUE_LATENCY - 1  # the last cycle of the packet before
        # Cycle in which each answer leaves. It waits in a register until its packet is known to be
        # complete, unless images are kept until they are, anyway.
        self.gated = parameters.configuration.batch == 1
        self.answers: list[int] = [] if self.gated else decision.answers
        self.first_beats: list[int] = []  # cycle in which each packet begins, where they are apart
        self.apart = False
        self.samples: list[list[tuple[int, int]]] = []  # step and index of every event
        self.first_sample = 0
        self.read = (self.ended + 1, self.ended)  # first and last cycle of the last packet
        self.beats = 0  # of the last packet, and a cycle behind it

    @property
    def emitted(self) -> tuple[int, int]:
        """Events leave as they come."""
        return self.read

    def stand_apart(self) -> None:
        """Each packet begins when the one before is answered, the first one long after a reset."""
        self.apart = True
        self.stamps.counted(0)

    def began_earlier(self, cycles: int) -> None:
        """The reset ended so many cycles earlier before the first beat."""
        self.stamps.ready -= cycles

    def waits_until(self, cycle: int) -> None:
        """The next beat is there in ``cycle`` at the earliest."""
        self.ended = max(self.ended, cycle + QUEUE_LATENCY - 1)

    def take(self, part: Inference, first: int) -> None:
        """The samples that come next, the first of them number ``first``."""
        self.first_sample = first
        times = sent_spikes(self.port.network, part, 0)
        self.samples = [[] for _ in times]
        sample, index = np.nonzero(times < self.t_max)
        step = times[sample, index]
        order = np.lexsort((index, step, sample))
        columns = (column[order].tolist() for column in (sample, step, index))
        for number, at, which in zip(*columns, strict=True):
            self.samples[number].append((at, which))

    def sent(self) -> Array:
        """An answer leaves when its packet is complete and the decision has it."""
        self.decision.finish()
        return np.array(self.answers, np.int64)

    def run(self, sample: int) -> None:
        """Take one packet; packets come in order."""
        cycle = self.ended
        if self.apart:
            self.decision.finish()
            self.first_beats.append(self.answers[-1] + NEXT_PACKET if self.answers else 0)
            cycle = self.first_beats[-1] + QUEUE_LATENCY - 1
        if not self.begun:
            cycle = max(cycle + 1, self.stamps.ready)
            self.stamps.advance(cycle)
        cycle = max(cycle, self.stamps.ready - 1)
        if sample >= MAX_IN_FLIGHT:
            cycle = max(cycle, self.stale[sample - MAX_IN_FLIGHT] - 1)
        events, began = self.samples[sample - self.first_sample], cycle + 1
        if not events:  # a packet of one beat that is no event
            cycle = self._enter(sample, cycle + 1)
        held: tuple[int, int] | None = None
        for event in events:
            cycle = self._enter(sample, cycle + 1)
            if held is not None:
                self._leave(sample, cycle + STAMP_LATENCY, held, event[0] != held[0])
            held = event
        cycle = self._enter(sample, cycle + 1)
        if held is not None:
            self._leave(sample, cycle + STAMP_LATENCY, held, True)
        self._leave(sample, cycle + self.port.latency, (self.t_max - 1, -1), False)
        self.begun = not self.stamps.wraps
        if self.begun:
            self.stamps.advance(cycle)
        self.ended = cycle
        self.read, self.beats = (began, cycle), max(len(events), 1) + 1
        if self.gated:
            self.answers.append(max(self.decision.answers[sample] + 1, cycle + 1))

    def _enter(self, sample: int, cycle: int) -> int:
        """When a beat is taken that is there from ``cycle`` on: as soon as there is room for it, or
        it is stale and needs none."""
        return min(self.room.issue(cycle), max(cycle, self.stale[sample]))

    def _leave(self, sample: int, written: int, event: tuple[int, int], last: bool) -> None:
        """An event, or with the index -1 the end, is written into the queue of events, unless it is
        stale."""
        if written >= self.stale[sample]:
            return
        self.room.wrote(written)
        step, index = event
        self.room.pops.append(self.layer.push(sample, written, step, last, index < 0, index))
