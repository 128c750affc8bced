"""A weighted layer as the sequential engine computes it: what it reaches, and every count."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ...network.chain import MAX_T
from ...network.layers import Array, Conv2d, Dense, Shape
from ...network.reach import Reach
from ..feature_map import FeatureMap
from ..lane_parameters import LaneParameters
from ..map_parameters import MapParameters
from ..pipeline import LARGEST_WORD
from ..pooling import PoolParameters
from ..weight_store import ROM, WeightStore


@dataclass(frozen=True)
class Widths:
    """What all layers of an engine share, because one set of lanes and memories serves them.

    Parameters
    ----------
    weight, membrane : int
        Bits of a weight and of a potential: those of the layer that needs most.
    channel, x, y : int
        Bits of channel, x and y in the index of a spike.
    """

    weight: int
    membrane: int
    channel: int
    x: int
    y: int


@dataclass(frozen=True, eq=False)
class SequentialLayer(LaneParameters):
    """A fully connected layer or a convolution, and the pooling layers behind it.

    Both are the same to the engine. A fully connected layer is a convolution whose kernel covers
    the whole map, with one position. An event walks the positions it reaches, row by row, and at
    each of them the groups of ``lanes`` channels; a word holds the potentials of one group at one
    position.

    Parameters
    ----------
    name : str
        Name of the layer in the network file, for messages ("layers.1").
    layer : Dense or Conv2d
    lanes : int
        Of the engine; may exceed the layer's channels.
    output : bool
        Whether this is the last layer, whose margins count even in silent neurons.
    arriving : (channels, height, width)
        Of what reaches the layer. In front of a first layer that is fully connected, the indices
        of events in place of channels.
    sources : int64 [channels * height * width]
        Of a fully connected layer: its column of weights behind every input, in the order of y, x,
        channel; -1 for none.
    entry : MapParameters, optional
        Of a first layer that is a convolution: how the indices of its events are numbered.
    pools : tuple of PoolParameters
        Behind the layer.
    weight_base, initial_base : int
        Its first rows in the engine's memories.
    widths : Widths, optional
        Of the engine, once all layers are known.
    first_group : int
        Of a tile, which is a layer with some groups of the whole one.
    """

    name: str
    layer: Dense | Conv2d
    lanes: int
    output: bool
    arriving: Shape
    sources: Array
    entry: MapParameters | None = None
    pools: tuple[PoolParameters, ...] = ()
    weight_base: int = 0
    initial_base: int = 0
    widths: Widths | None = None
    store: WeightStore = field(default=ROM)
    first_group: int = 0

    WEIGHT_ROW = (
        "first row + ((group * kernel height + place of the kernel row) * kernel width + place of "
        "the kernel column) * input channels + input channel; a dense layer's kernel is its whole "
        "input; places in the order of offset modulo stride, then of falling offset"
    )

    @property
    def kind(self) -> str:
        return self.layer.kind

    @property
    def most_lanes(self) -> int:
        """Lanes whose words are not too wide."""
        return LARGEST_WORD // self.lane_bits

    @property
    def lane_bits(self) -> int:
        # Two bits a lane are enough for who fired and for whether the word is listed.
        return max(self.weight_width, self.membrane_width + 2)

    @property
    def weight_width(self) -> int:
        """Bits of a weight in the engine's memory."""
        return self.widths.weight if self.widths else self.layer.weight_width

    @cached_property
    def membrane_width(self) -> int:
        """Bits of a stored potential, at least as many as `LaneParameters.membrane_width`."""
        return self.widths.membrane if self.widths else self.own_membrane_width

    @property
    def shape(self) -> Shape:
        """Of the output: (channels, height, width); (neurons, 1, 1) of a fully connected layer."""
        found = self.layer.output_shape(self.arriving) if self.kind == "conv2d" else ()
        return found or (self.spanned, 1, 1)

    @property
    def neurons(self) -> int:
        return int(np.prod(self.shape))

    @property
    def channels(self) -> int:
        return self.spanned

    @property
    def inputs(self) -> int:
        """Inputs that an event may name."""
        return int(np.prod(self.arriving)) if self.entry is None else self.entry.inputs

    @property
    def last_group(self) -> int:
        """Number of the last group."""
        return self.first_group + self.groups - 1

    @property
    def words(self) -> int:
        """Words of potentials: positions times groups."""
        return self.shape[1] * self.shape[2] * self.groups

    @cached_property
    def initial(self) -> Array:
        """What the potentials of each channel start at, ``-theta - 1``: int64 [channels]. An output
        neuron keeps its own threshold: its margin counts."""
        theta = self.layer.threshold.astype(np.int64) if self.output else self.within_reach()
        return -theta - 1

    # ---- What an event reaches.

    @cached_property
    def reach(self) -> tuple[Reach, Reach] | None:
        """Of a convolution, along y and x."""
        if not isinstance(self.layer, Conv2d):
            return None
        rows, columns = self.layer.without_weights.reaches(self.arriving)
        return rows, columns

    @property
    def kernel(self) -> tuple[int, int]:
        """Rows and columns of weights."""
        extents = self.layer.weight.shape[2:] if self.reach else self.arriving[1:]
        return int(extents[0]), int(extents[1])

    def axis(self, number: int) -> tuple[list[int], list[int], list[int]]:
        """For every row (0) or column (1) of the input: the first output it reaches, how many, and
        the place of the weights for the first."""
        if self.reach:
            reach = self.reach[number]
            return reach.first.tolist(), reach.count.tolist(), reach.place.tolist()
        size = self.arriving[1 + number]
        return [0] * size, [1] * size, list(range(size))

    @property
    def walk_cycles(self) -> Array:
        """Weight words that the event of each input fetches: int64, inputs in C order."""
        if isinstance(self.layer, Conv2d):
            reached = self.layer.without_weights.positions_reached(self.arriving)
            return np.asarray(reached * self.groups).reshape(-1)
        return np.full(self.layer.inputs, self.groups, np.int64)

    # ---- Memories.

    @property
    def weight_depth(self) -> int:
        """Rows of the weight memory that are the layer's."""
        return self.groups * self.group_rows

    @property
    def group_rows(self) -> int:
        """Rows of a group."""
        return self.kernel[0] * self.kernel[1] * self.arriving[0]

    @property
    def weight_sources(self) -> Array:
        """Places, in C order, of those weights of a channel that the hardware holds: int64."""
        if self.reach:
            return np.arange(int(np.prod(self.layer.weight.shape[1:])))
        return self.sources[self.sources >= 0]

    def _by_row(self, weight: Array) -> Array:
        """Numbers of every channel as `weight_depth` has them: [out, kh, kw, in]."""
        if self.reach:
            rows, columns = self.reach
            ordered = weight[:, :, rows.order][:, :, :, columns.order]
            return ordered.transpose(0, 2, 3, 1)
        found = np.zeros((len(weight), len(self.sources)), np.int64)
        used = self.sources >= 0
        found[:, used] = weight[:, self.sources[used]]
        channels, height, width = self.arriving
        return found.reshape(-1, height, width, channels)

    def weight_place(self, channel: int, source: int) -> tuple[int, int]:
        """Row and lane of a weight, by output channel and its place among those of the channel."""
        group, lane = divmod(channel, self.lanes)
        numbers = np.arange(1, 1 + int(np.prod(self.layer.weight.shape[1:])))
        rows = self._by_row(numbers.reshape(1, *self.layer.weight.shape[1:])).reshape(-1)
        row = int(np.flatnonzero(rows == source + 1)[0])
        return self.weight_base + group * self.group_rows + row, lane

    def initial_place(self, channel: int) -> tuple[int, int]:
        group, lane = divmod(channel, self.lanes)
        return self.initial_base + group, lane

    @property
    def initial_shared(self) -> bool:
        """The engine's memory is never a constant."""
        return False

    def weight_words(self) -> Array:
        """The layer's weights as it fetches them: int64 [rows, lanes]."""
        ordered = self._by_row(self.layer.weight)
        padded = np.zeros((self.groups * self.lanes, *ordered.shape[1:]), np.int64)
        padded[: self.channels] = ordered
        words = padded.reshape(self.groups, self.lanes, -1)
        found: Array = words.transpose(0, 2, 1).reshape(-1, self.lanes)
        return found

    def weight_rows(self) -> list[int]:
        """The same as memory rows; see `packed_weights`."""
        return self.packed_weights(self.weight_words())

    # ---- What leaves.

    def window(self, number: int) -> tuple[list[int], int]:
        """For every row (0) or column (1) of the output its pooled one, -1 for none; and how many
        of these there are."""
        found = np.arange(self.shape[1 + number])
        size = len(found)
        for pool in self.pools:
            kernel = pool.layer.kernel[number]
            size //= kernel
            pooled = found // kernel
            found = np.where((found >= 0) & (pooled < size), pooled, -1)
        return found.tolist(), size

    @property
    def sends(self) -> Shape:
        """Of what the layer sends to the next one: (channels, height, width)."""
        return self.channels, self.window(0)[1], self.window(1)[1]

    @property
    def sent_words(self) -> int:
        """Groups at pooled positions."""
        return self.sends[1] * self.sends[2] * self.groups

    @property
    def leaving(self) -> FeatureMap | None:
        """How the spikes of the layer itself are numbered at its probe."""
        if self.shape[1:] == (1, 1):
            return None
        assert self.widths, "the engine has been made"
        return FeatureMap(
            self.shape, 1 << self.widths.channel, 1 << self.widths.channel + self.widths.x
        )

    @property
    def spike_width(self) -> int:
        """Bits of the index of a spike at the probe."""
        assert self.widths, "the engine has been made"
        return self.widths.channel + self.widths.x + self.widths.y

    @property
    def sent(self) -> Array:
        """Neuron behind every index of a spike, -1 for none."""
        return np.arange(self.neurons) if self.leaving is None else self.leaving.neurons

    @property
    def scan_cycles(self) -> int:
        """Cycles that the decision spends on a group whose potentials it compares."""
        return self.lanes

    @property
    def memory_bits(self) -> int:
        """Bits of the layer's weights; all else belongs to the engine."""
        return self.weight_bits

    @property
    def queue_depth(self) -> int:
        """Places in a queue of events behind the layer: there is none."""
        return 0

    @property
    def most_cycles(self) -> int:
        """Cycles that an image can take here, with room to spare: every word of every walk stalls,
        and all words are compared in every step."""
        walks = 4 * int(self.walk_cycles.sum()) + 32 * int(np.prod(self.arriving))
        sweeps = MAX_T * (2 * self.words + 64)
        if self.output:
            sweeps = MAX_T * self.groups * (self.lanes + 32)
        return walks + sweeps + 4 * self.neurons + self.words
