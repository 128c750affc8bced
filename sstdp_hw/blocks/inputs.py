"""What an accelerator takes in, as hardware: one class for each kind of input of a network.

`PixelInput` is the encoder: beats of pixels, tables of spike times, sorters. `SpikeInput` is the
event port, which takes spikes in order of time. `INPUTS` names the kinds; the gateware, the cycle
model and the area model have a table of their own with these keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from ..base.errors import UserError
from ..network.chain import PIXELS, SPIKES
from ..network.layers import Array
from ..network.network import Network
from .pipeline import (
    LARGEST_BEAT_QUEUE,
    LARGEST_TABLE,
    QUEUE_DEPTH,
    SORTERS,
    STAMP_LATENCY,
    rom_latency,
    stamp_width,
)
from .weight_store import ROM, WeightStore
from .widths import index_width

#: Bits of a beat of events, and of the index in it; the others are its step.
EVENT_WIDTH, EVENT_INDEX_WIDTH = 32, 24


@dataclass(frozen=True, eq=False)
class PixelInput:
    """Pixels of 8 bits, each with a spike time by each of the network's tables.

    Parameters
    ----------
    network : Network
    pixels_per_beat : 1, 2, 4 or 8
    store : WeightStore
        Tells which inputs have weights.
    """

    network: Network
    pixels_per_beat: int
    store: WeightStore = ROM

    kind: ClassVar[str] = PIXELS
    #: Bits of memory that count beside those of the layers; lists and tables are small.
    memory_bits: ClassVar[int] = 0

    @staticmethod
    def width(pixels_per_beat: int) -> int:
        """Bits of a beat on the input stream."""
        return 8 * pixels_per_beat

    @property
    def summary(self) -> str:
        """The input in words."""
        return f"{self.pixels_per_beat} pixels a beat"

    @property
    def pixels(self) -> int:
        return self.network.pixels

    @property
    def beats(self) -> int:
        """Beats of one image on the input stream."""
        return -(-self.pixels // self.pixels_per_beat)

    @property
    def data_width(self) -> int:
        """Bits of a beat on the input stream."""
        return self.width(self.pixels_per_beat)

    def beats_of(self, spike_times: Array) -> Array:
        """Beats of each sample's packet, from its spikes [N, ...]: int64 [N]."""
        return np.full(len(spike_times), self.beats)

    @property
    def lanes(self) -> int:
        """Spikes that a beat can have: one for every pixel and plane."""
        return self.pixels_per_beat * self.network.planes

    @property
    def stride(self) -> int:
        """Distance of the indices of two beats: lanes are the low bits of an event's index."""
        return 1 << (self.lanes - 1).bit_length()

    @cached_property
    def inputs(self) -> Array:
        """Input of the network in C order behind every lane of every beat, pixel by pixel and
        within a pixel plane by plane; -1 beyond the image: int64 [beats, lanes]."""
        planes, (channels, *extents) = self.network.planes, self.network.input_shape
        order = np.arange(self.network.inputs).reshape(channels, planes, int(np.prod(extents)))
        found = np.full((self.beats * self.pixels_per_beat, planes), -1, np.int64)
        found[: self.pixels] = order.transpose(0, 2, 1).reshape(self.pixels, planes)
        return found.reshape(self.beats, self.lanes)

    @cached_property
    def live(self) -> Array:
        """Lanes whose spikes the encoder sends: bool [beats, lanes]."""
        return np.append(self.store.live_inputs(self.network), False)[self.inputs]

    @cached_property
    def live_beats(self) -> Array:
        """The beats that hold a live pixel, in order, at least one: int64."""
        found = np.flatnonzero(self.live.any(axis=1))
        return found if len(found) else np.zeros(1, np.int64)

    @cached_property
    def order(self) -> Array:
        """The input behind every index of the encoder's events, -1 for none: int64.

        Live beats are numbered without gaps, so that dead ones take no row of memory; within a beat
        every lane keeps its place.
        """
        found = np.full((len(self.live_beats), self.stride), -1, np.int64)
        found[:, : self.lanes] = np.where(self.live, self.inputs, -1)[self.live_beats]
        order: Array = found.reshape(-1)
        last = np.flatnonzero(order >= 0)[-1:]
        return order[: int(last[0]) + 1 if len(last) else 1]

    @property
    def reorders(self) -> bool:
        """Whether an event's index is another than that of its input."""
        return not bool(self.live.all()) or self.network.planes > 1

    @property
    def index_width(self) -> int:
        """Bits of the index of an event."""
        return index_width(len(self.order))

    @property
    def live_style(self) -> str:
        """What the encoder's table of live pixels is made of."""
        small = self.pixels <= LARGEST_TABLE or bool(self.live.all())
        return "logic" if small else "block"

    @property
    def live_latency(self) -> int:
        """Cycles from a beat's entry into the encoder to its spike times in the sorters' queue."""
        return rom_latency(len(self.live), self.live_style)

    @property
    def queue_depth(self) -> int:
        """Beats that wait in front of the sorters. Several pixels a beat make an image short:
        then a whole one may wait, so that the sorters have work after one that took long."""
        if self.pixels_per_beat == 1:
            return QUEUE_DEPTH
        whole = 1 << index_width(len(self.live_beats))
        return min(max(QUEUE_DEPTH, whole), LARGEST_BEAT_QUEUE)

    @property
    def most_apart(self) -> int:
        """Images at most in front of the chain: in the queue, on the way there, in the sorters, of
        which one may be in the chain already while another is answered."""
        return self.queue_depth + 1 + self.live_latency + SORTERS

    @property
    def stages(self) -> int:
        """Stages of the encoder between the choice of a spike and the queue of events: the spike,
        and, where it is one of several lists', its number."""
        return 1 if self.lanes == 1 else 2


@dataclass(frozen=True, eq=False)
class SpikeInput:
    """The event port: spike times as events, sorted by whoever sends them.

    The index of an event is that of its input. Marks of the inputs that have fired let the first
    event of each pass.

    Parameters
    ----------
    network : Network
    pixels_per_beat : int
        Must be 1: a beat is one event.
    store : WeightStore
        Has no say: whoever sends events leaves out those that nobody needs.

    Raises
    ------
    UserError
        If an index cannot name every input, or a beat is to hold several.
    """

    network: Network
    pixels_per_beat: int = 1
    store: WeightStore = ROM

    kind: ClassVar[str] = SPIKES
    reorders: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.pixels_per_beat != 1:
            raise UserError(
                "Pixels per beat must be 1 for a network whose input is spikes, as a beat is one "
                f"event, not {self.pixels_per_beat}"
            )
        if self.pixels > 1 << EVENT_INDEX_WIDTH:
            raise UserError(
                f"Inputs must be at most {1 << EVENT_INDEX_WIDTH:,} where they are spikes, as the "
                f"index of an event has {EVENT_INDEX_WIDTH} bits, not {self.pixels:,}"
            )

    @staticmethod
    def width(pixels_per_beat: int) -> int:
        """Bits of a beat on the input stream: one event, whatever the number of pixels."""
        return EVENT_WIDTH

    @property
    def summary(self) -> str:
        """The input in words."""
        return "events"

    @property
    def pixels(self) -> int:
        """Inputs, each of which fires once at most."""
        return self.network.pixels

    @property
    def beats(self) -> int:
        """Beats of the longest packet in which no input fires twice."""
        return self.pixels

    @property
    def data_width(self) -> int:
        """Bits of a beat on the input stream."""
        return EVENT_WIDTH

    def beats_of(self, spike_times: Array) -> Array:
        """Beats of each sample's packet, from its spikes [N, ...]: int64 [N]. An empty one has a
        beat that is no event."""
        fired = spike_times.reshape(len(spike_times), -1) < self.network.t_max
        return np.asarray(np.maximum(1, np.count_nonzero(fired, axis=1)))

    @property
    def order(self) -> Array:
        """The input behind every index of an event: int64."""
        return np.arange(self.pixels)

    @property
    def index_width(self) -> int:
        """Bits of the index of an event behind the port."""
        return index_width(self.pixels)

    @property
    def stamp_width(self) -> int:
        """Bits of a mark, which tells in which inference the input fired last."""
        return stamp_width(self.pixels)

    @property
    def memory_bits(self) -> int:
        """Bits of the marks."""
        return self.pixels * self.stamp_width

    @property
    def most_apart(self) -> int:
        """Packets at most behind the chain: an answer in the decision, one that waits for the end
        of its packet. Events enter the chain as they come."""
        return 2

    @property
    def latency(self) -> int:
        """Cycles from an event to its write into the queue, one after the next event that
        passes."""
        return STAMP_LATENCY + 1


#: What stands in front of the layers.
Input = PixelInput | SpikeInput

#: By the kind of a network's input.
INPUTS: dict[str, type[PixelInput] | type[SpikeInput]] = {
    PixelInput.kind: PixelInput,
    SpikeInput.kind: SpikeInput,
}
