"""A fully connected layer as hardware: every width and count, derived once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from ..network.chain import MAX_T
from ..network.layers import Array, Dense
from .feature_map import FeatureMap
from .lane_parameters import LaneParameters
from .pipeline import LAYER_STAGES, QUEUE_DEPTH, SLICE_LANES
from .place import Place
from .weight_store import ROM, WeightStore
from .widths import index_width


@dataclass(frozen=True, eq=False)
class DenseParameters(LaneParameters):
    """A fully connected layer of time-multiplexed IF neurons.

    `initial` saves the comparator, and the number that is kept orders output neurons by their
    margin.

    Parameters
    ----------
    name : str
        Name of the layer in the network file, for messages ("layers.1").
    layer : Dense
    lanes : int
        Between 1 and the number of neurons.
    output : bool
        Whether this is the last layer, whose margins count even in silent neurons.
    sources : int64 [inputs]
        Column of the layer's weights behind every index of an event; -1 for indices not in use.
    store : WeightStore

    Raises
    ------
    UserError
        If ``lanes`` is out of range.
    """

    name: str
    layer: Dense
    lanes: int
    output: bool
    sources: Array
    store: WeightStore = ROM

    kind = "dense"
    SPANNED = "neurons"
    #: Row of the weight memory in words.
    WEIGHT_ROW = "group * inputs + index of the event"

    @classmethod
    def create(cls, layer: Dense, place: Place, lanes: Iterator[int], store: WeightStore) -> Self:
        """The block of a layer in its place; takes its lanes from ``lanes``."""
        return cls(place.name, layer, next(lanes), place.after is None, place.sources, store)

    def __post_init__(self) -> None:
        self.check_lanes()

    @property
    def inputs(self) -> int:
        """Indices that an event may carry."""
        return len(self.sources)

    @property
    def neurons(self) -> int:
        return self.layer.neurons

    @property
    def spike_width(self) -> int:
        """Bits of the index of a spike of the layer."""
        return index_width(self.neurons)

    @property
    def sent(self) -> Array:
        """Neuron behind every index of a spike."""
        return np.arange(self.neurons)

    @property
    def leaving(self) -> FeatureMap | None:
        """How spikes are numbered: without coordinates."""
        return None

    @property
    def queue_depth(self) -> int:
        """Places in the queue of events behind the layer."""
        return QUEUE_DEPTH

    @property
    def slices(self) -> tuple[tuple[int, int], ...]:
        """First lane and stop of every slice: as few slices as `SLICE_LANES` allows.

        An output layer is one slice: all its potentials leave together.
        """
        size = self.lanes if self.output else SLICE_LANES
        return tuple((first, min(first + size, self.lanes)) for first in range(0, self.lanes, size))

    @property
    def skew(self) -> int:
        """Cycles that the last slice is behind the first."""
        return len(self.slices) - 1

    @property
    def latency(self) -> int:
        """Cycles from the issue of a group to its message in the queue of the first slice."""
        return self.weight_latency + LAYER_STAGES

    @property
    def scan_cycles(self) -> int:
        """Cycles that the decision spends on a group whose potentials it compares."""
        return self.lanes

    @cached_property
    def initial(self) -> Array:
        """What each potential starts at, ``-theta - 1``: int64 [neurons].

        Thresholds of a hidden layer are those `within_reach`. An output neuron keeps its own: its
        margin counts.
        """
        theta = self.layer.threshold.astype(np.int64) if self.output else self.within_reach()
        return -theta - 1

    @property
    def walk_cycles(self) -> Array:
        """Weight words that the event of each input fetches: int64, one per column of weights."""
        return np.full(self.layer.inputs, self.groups, np.int64)

    @property
    def weight_sources(self) -> Array:
        """Places, in C order, of those weights of a neuron that the hardware holds: int64."""
        return self.sources[self.sources >= 0]

    def weight_place(self, neuron: int, source: int) -> tuple[int, int]:
        """Row and lane of a weight, by neuron and column of the layer's weights."""
        group, lane = divmod(neuron, self.lanes)
        return group * self.inputs + int(np.flatnonzero(self.sources == source)[0]), lane

    @property
    def most_cycles(self) -> int:
        """Cycles that an image can take here, with room to spare."""
        return self.groups * (self.inputs + MAX_T + 2) + self.neurons

    @property
    def memory_bits(self) -> int:
        """Bits of weights and potentials."""
        return self.weight_bits + self.groups * self.lanes * self.membrane_width

    @property
    def weight_depth(self) -> int:
        """Rows of the weight memory: group-major, so that a walk steps by ``inputs`` and needs no
        multiplier: row ``group * inputs + input``."""
        return self.groups * self.inputs

    def weight_rows(self) -> list[int]:
        """Contents of the weight memory; see `packed_weights`."""
        padded = np.zeros((self.groups * self.lanes, self.inputs), np.int64)
        used = self.sources >= 0
        padded[: self.neurons, used] = self.layer.weight[:, self.sources[used]]
        words = padded.reshape(self.groups, self.lanes, self.inputs)
        return self.packed_weights(words.transpose(0, 2, 1))
