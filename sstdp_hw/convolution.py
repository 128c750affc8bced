"""A convolution layer as hardware: which neurons an event reaches, and every width and count."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .chain import MAX_T
from .errors import UserError
from .feature_map import FeatureMap, MapParameters
from .layers import Array, Conv2d, Shape
from .pipeline import (
    CONV_HAZARD,
    CONV_STAGES,
    LOCATE_STAGES,
    PIECE,
    queue_latency,
    rom_latency,
    stamp_width,
)
from .reference import potential_bounds
from .widths import index_width, pack_rows, signed_width


@dataclass(frozen=True)
class Reach:
    """What the inputs of one axis reach: outputs side by side, and kernel rows or columns for them.

    From one output to the next the kernel offset falls by the stride. In `places` such offsets
    stand side by side, so that a walk counts up through outputs and weights alike.

    Parameters
    ----------
    size, kernel, stride, padding : int
        Of one axis.
    """

    size: int
    kernel: int
    stride: int
    padding: int

    @property
    def outputs(self) -> int:
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def first(self) -> Array:
        """The first output that each input reaches: int64 [size]."""
        reach = np.arange(self.size) + self.padding - self.kernel + self.stride
        found: Array = np.maximum(reach // self.stride, 0)
        return found

    @property
    def count(self) -> Array:
        """How many outputs each input reaches, 0 where the stride leaves it out: int64 [size]."""
        last = np.minimum((np.arange(self.size) + self.padding) // self.stride, self.outputs - 1)
        found: Array = np.maximum(last - self.first + 1, 0)
        return found

    @property
    def order(self) -> Array:
        """Kernel offsets in the order of their places: int64 [kernel]."""
        offsets = range(self.kernel)
        return np.array(sorted(offsets, key=lambda k: (k % self.stride, -k)), np.int64)

    @property
    def place(self) -> Array:
        """Place of the kernel offset for each input's first output, 0 if there is none: int64."""
        places = np.argsort(self.order)
        offset = np.arange(self.size) + self.padding - self.first * self.stride
        found: Array = np.where(self.count > 0, places[np.clip(offset, 0, self.kernel - 1)], 0)
        return found


@dataclass(frozen=True, eq=False)
class ConvParameters(MapParameters):
    """A convolution of time-multiplexed IF neurons; lanes span output channels.

    An event walks over the positions it reaches, row by row, and at each position over the groups
    of ``lanes`` channels. A word holds the potentials of one group at one position; as in
    `dense.DenseParameters` they are kept as ``V - theta - 1``.

    Parameters
    ----------
    layer : Conv2d
    lanes : int
        Between 1 and the number of output channels.

    Raises
    ------
    UserError
        If ``lanes`` is out of range.
    """

    layer: Conv2d
    lanes: int

    kind = "conv2d"
    #: Row of the weight memory in words.
    WEIGHT_ROW = (
        "((input channel * kernel height + place of the kernel row) * kernel width + place of the "
        "kernel column) * groups + group; places in the order of offset modulo stride, then of "
        "falling offset"
    )
    output = False  # the file format wants the classes in a dense layer

    def __post_init__(self) -> None:
        if not 1 <= self.lanes <= self.channels:
            raise UserError(
                f"Lanes of {self.name} must be between 1 and its {self.channels} output channels, "
                f"not {self.lanes}"
            )

    @property
    def channels(self) -> int:
        """Output channels."""
        return int(self.layer.weight.shape[0])

    @property
    def shape(self) -> Shape:
        """Of the output."""
        return self.layer.output_shape(self.arriving.shape)

    @property
    def neurons(self) -> int:
        return int(np.prod(self.shape))

    @cached_property
    def leaving(self) -> FeatureMap:
        """How the spikes of the layer are numbered."""
        return self.numbered(self.shape, self.groups * self.lanes)

    @property
    def spike_width(self) -> int:
        """Bits of the index of a spike of the layer."""
        return self.leaving.index_width

    @property
    def spike_neurons(self) -> Array | None:
        """Neuron behind every index of a spike, -1 for none."""
        return self.leaving.neurons

    @property
    def weight_width(self) -> int:
        return self.layer.weight_width

    @property
    def groups(self) -> int:
        """Groups of ``lanes`` channels at each position."""
        return -(-self.channels // self.lanes)

    @property
    def words(self) -> int:
        """Words of the memory of potentials: positions times groups, group by group."""
        return self.shape[1] * self.shape[2] * self.groups

    @property
    def padding(self) -> int:
        """Lanes of a position's last group that have no channel."""
        return self.groups * self.lanes - self.channels

    @property
    def piece(self) -> int:
        """Lanes that the serializer behind the layer looks at together."""
        return min(self.lanes, PIECE)

    @cached_property
    def rows(self) -> Reach:
        return self._reach(0)

    @cached_property
    def columns(self) -> Reach:
        return self._reach(1)

    def _reach(self, axis: int) -> Reach:
        layer = self.layer
        return Reach(
            self.arriving.shape[1 + axis], int(layer.weight.shape[2 + axis]),
            layer.stride[axis], layer.padding[axis],
        )  # fmt: skip

    @cached_property
    def walk_cycles(self) -> Array:
        """Weight words that the event of each input fetches: int64, inputs in C order."""
        reached = np.outer(self.rows.count, self.columns.count) * self.groups
        return np.broadcast_to(reached, self.arriving.shape).reshape(-1)

    @property
    def most_cycles(self) -> int:
        """Cycles that an image can take here, with room to spare: every word of every walk stalls,
        and all words are compared in every step."""
        walks = int(self.walk_cycles.sum()) * (1 + CONV_HAZARD)
        return walks + MAX_T * (self.words + 2 * self.latency) + self.neurons

    @property
    def locate_latency(self) -> int:
        """Cycles from an event to its write into the queue of walks."""
        return self.places_latency + LOCATE_STAGES

    @property
    def weight_latency(self) -> int:
        """Cycles from the address of a weight word to the word."""
        return rom_latency(self.weight_depth, "block")

    @property
    def latency(self) -> int:
        """Cycles from the issue of a word to its message in a queue."""
        return self.weight_latency + CONV_STAGES

    @property
    def list_depth(self) -> int:
        """Places in the list of candidates: a word stands there once, so there is room for all."""
        return self.words + 1

    @property
    def settling(self) -> int:
        """Cycles from the last addition of a step to the one in which all candidates are listed."""
        return self.latency + queue_latency(self.list_depth)

    @property
    def queue_register(self) -> int:
        """Whether the queue of events in front of the layer has a register behind it."""
        return int(self.places is None)

    @property
    def stamp_width(self) -> int:
        """Bits of the stamp that tells which image a word was last touched in."""
        return stamp_width(self.words)

    @cached_property
    def initial(self) -> Array:
        """What the potentials of each channel start at, ``-theta - 1``: int64 [channels].

        A threshold beyond the reach of the potential is moved to its border, which changes no
        spike and keeps the number narrow.
        """
        low, high = potential_bounds(self.layer.weight)
        return -np.clip(self.layer.threshold.astype(np.int64), low - 1, high) - 1

    @cached_property
    def membrane_width(self) -> int:
        """Signed width of a stored potential. Overflow is impossible: a position meets each weight
        at most once, so every partial sum lies between the sum of the negative and that of the
        positive weights.
        """
        low, high = potential_bounds(self.layer.weight)
        return signed_width(int((low + self.initial).min()), int((high + self.initial).max()))

    @property
    def spontaneous(self) -> bool:
        """Whether a neuron fires without any input (negative threshold), so that step 0 must be
        compared at every position."""
        return bool((self.initial >= 0).any())

    @property
    def weight_depth(self) -> int:
        """Rows of the weight memory, see `WEIGHT_ROW`: what a walk fetches in one row of positions
        stands side by side."""
        return int(np.prod(self.layer.weight.shape[1:])) * self.groups

    def weight_place(self, channel: int, source: int) -> tuple[int, int]:
        """Row and lane of a weight, by output channel and place among the channel's weights in C
        order."""
        group, lane = divmod(channel, self.lanes)
        _, _, height, width = self.layer.weight.shape
        before, offset_y, offset_x = (
            int(part) for part in np.unravel_index(source, self.layer.weight.shape[1:])
        )
        row = int(np.flatnonzero(self.rows.order == offset_y)[0])
        column = int(np.flatnonzero(self.columns.order == offset_x)[0])
        return ((before * height + row) * width + column) * self.groups + group, lane

    def weight_rows(self) -> list[int]:
        """Contents of the weight memory: ``lanes`` weights a row, lane 0 in the lowest bits.

        At width 1 a bit of 1 stands for -1 and 0 for +1; otherwise two's complement.
        """
        ordered = self.layer.weight[:, :, self.rows.order][:, :, :, self.columns.order]
        padded = np.zeros((self.groups * self.lanes, *ordered.shape[1:]), np.int64)
        padded[: self.channels] = ordered
        words = padded.reshape(self.groups, self.lanes, -1).transpose(2, 0, 1)
        bits = (words < 0).astype(np.int64) if self.weight_width == 1 else words
        return pack_rows(bits.reshape(-1, self.lanes), self.weight_width)

    def initial_rows(self) -> list[int]:
        """`initial` as memory rows of ``lanes`` numbers of `membrane_width` bits, one row a group.

        Lanes without a channel repeat the last one, so that equal thresholds give equal rows.
        """
        padded = np.full(self.groups * self.lanes, self.initial[-1], np.int64)
        padded[: self.channels] = self.initial
        return pack_rows(padded.reshape(self.groups, self.lanes), self.membrane_width)

    @property
    def address_width(self) -> int:
        """Bits of the address of a word."""
        return index_width(self.words)
