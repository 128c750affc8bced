"""A convolution layer as hardware: which neurons an event reaches, and every width and count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from ..network.chain import MAX_T
from ..network.layers import Array, Conv2d, Shape
from ..network.reach import Reach
from .feature_map import FeatureMap
from .lane_parameters import LaneParameters
from .map_parameters import MapParameters
from .pipeline import (
    CONV_HAZARD,
    CONV_STAGES,
    LOCATE_STAGES,
    queue_latency,
    stamp_width,
)
from .place import Place
from .weight_store import ROM, WeightStore
from .widths import index_width


@dataclass(frozen=True, eq=False)
class ConvParameters(LaneParameters, MapParameters):
    """A convolution of time-multiplexed IF neurons; lanes span output channels.

    An event walks over the positions it reaches, row by row, and at each position over the groups
    of ``lanes`` channels. A word holds the potentials of one group at one position.

    Parameters
    ----------
    layer : Conv2d
    lanes : int
        Between 1 and the number of output channels.
    store : WeightStore

    Raises
    ------
    UserError
        If ``lanes`` is out of range.
    """

    layer: Conv2d
    lanes: int
    store: WeightStore = ROM

    kind = "conv2d"
    SPANNED = "output channels"
    #: Row of the weight memory in words.
    WEIGHT_ROW = (
        "((input channel * kernel height + place of the kernel row) * kernel width + place of the "
        "kernel column) * groups + group; places in the order of offset modulo stride, then of "
        "falling offset"
    )
    output = False  # the file format wants the classes in a dense layer

    @classmethod
    def create(cls, layer: Conv2d, place: Place, lanes: Iterator[int], store: WeightStore) -> Self:
        """The block of a layer in its place; takes its lanes from ``lanes``."""
        return cls(*MapParameters.surroundings(place), layer, next(lanes), store)

    def __post_init__(self) -> None:
        self.check_lanes()

    @property
    def channels(self) -> int:
        """Output channels."""
        return self.spanned

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
    def lane_bits(self) -> int:
        # With a potential it is kept whether the neuron fired, and for all lanes whether they are
        # listed; two bits a lane are enough for both.
        return max(self.weight_width, self.membrane_width + 2)

    @property
    def words(self) -> int:
        """Words of the memory of potentials: positions times groups, group by group."""
        return self.shape[1] * self.shape[2] * self.groups

    @cached_property
    def rows(self) -> Reach:
        return self._reach(0)

    @cached_property
    def columns(self) -> Reach:
        return self._reach(1)

    def _reach(self, axis: int) -> Reach:
        return self.layer.without_weights.reaches(self.arriving.shape)[axis]

    @cached_property
    def walk_cycles(self) -> Array:
        """Weight words that the event of each input fetches: int64, inputs in C order."""
        reached = self.layer.without_weights.positions_reached(self.arriving.shape)
        return (reached * self.groups).reshape(-1)

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
        """What the potentials of each channel start at, ``-theta - 1``: int64 [channels]."""
        return -self.within_reach() - 1

    @property
    def memory_bits(self) -> int:
        """Bits of weights, and of what every word has: potentials, a stamp, a place in the list of
        candidates."""
        listed = self.address_width + self.leaving.index_width
        word = self.lanes * self.membrane_width + self.stamp_width + listed
        return self.weight_bits + self.words * word

    @property
    def weight_depth(self) -> int:
        """Rows of the weight memory, see `WEIGHT_ROW`: what a walk fetches in one row of positions
        stands side by side."""
        return int(np.prod(self.layer.weight.shape[1:])) * self.groups

    @property
    def weight_sources(self) -> Array:
        """Places, in C order, of those weights of a channel that the hardware holds: int64."""
        return np.arange(int(np.prod(self.layer.weight.shape[1:])))

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
        """Contents of the weight memory; see `packed_weights`."""
        ordered = self.layer.weight[:, :, self.rows.order][:, :, :, self.columns.order]
        padded = np.zeros((self.groups * self.lanes, *ordered.shape[1:]), np.int64)
        padded[: self.channels] = ordered
        words = padded.reshape(self.groups, self.lanes, -1)
        return self.packed_weights(words.transpose(2, 0, 1))

    @property
    def address_width(self) -> int:
        """Bits of the address of a word."""
        return index_width(self.words)
