"""A fully connected layer as hardware: every width and count, derived once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .chain import MAX_T
from .errors import UserError
from .layers import Array, Dense
from .pipeline import LAYER_STAGES, PIECE, QUEUE_DEPTH, SLICE_LANES, rom_latency
from .reference import potential_bounds
from .widths import index_width, pack_rows, signed_width


@dataclass(frozen=True, eq=False)
class DenseParameters:
    """A fully connected layer of time-multiplexed IF neurons.

    The hardware keeps ``V - theta - 1`` instead of ``V``: it starts at `initial` and the neuron
    fires when the number is not negative. That saves the comparator, and the number orders output
    neurons by their margin.

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

    kind = "dense"
    #: Row of the weight memory in words.
    WEIGHT_ROW = "group * inputs + index of the event"

    def __post_init__(self) -> None:
        if not 1 <= self.lanes <= self.neurons:
            raise UserError(
                f"Lanes of {self.name} must be between 1 and its {self.neurons} neurons, "
                f"not {self.lanes}"
            )

    @property
    def inputs(self) -> int:
        """Indices that an event may carry."""
        return len(self.sources)

    @property
    def neurons(self) -> int:
        return self.layer.neurons

    @property
    def weight_width(self) -> int:
        return self.layer.weight_width

    @property
    def spike_width(self) -> int:
        """Bits of the index of a spike of the layer."""
        return index_width(self.neurons)

    @property
    def queue_depth(self) -> int:
        """Places in the queue of events behind the layer."""
        return QUEUE_DEPTH

    @property
    def spike_neurons(self) -> Array | None:
        """Neuron behind every index of a spike, -1 for none; None if it is the index itself."""
        return None

    @property
    def groups(self) -> int:
        """Cycles of one walk: groups of ``lanes`` neurons that an event visits."""
        return -(-self.neurons // self.lanes)

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
    def weight_latency(self) -> int:
        """Cycles from the address of a weight word to the word."""
        return rom_latency(self.weight_depth, "block")

    @property
    def latency(self) -> int:
        """Cycles from the issue of a group to its message in the queue of the first slice."""
        return self.weight_latency + LAYER_STAGES

    @property
    def piece(self) -> int:
        """Lanes that the serializer behind the layer looks at together."""
        return min(self.lanes, PIECE)

    @property
    def scan_cycles(self) -> int:
        """Cycles that the decision spends on a group whose potentials it compares."""
        return self.lanes

    @property
    def padding(self) -> int:
        """Lanes of the last group that have no neuron."""
        return self.groups * self.lanes - self.neurons

    @cached_property
    def initial(self) -> Array:
        """What each potential starts at, ``-theta - 1``: int64 [neurons].

        In a hidden layer a threshold beyond the reach of the potential is moved to its border,
        which changes no spike and keeps the number narrow. An output neuron keeps its own: its
        margin counts.
        """
        theta = self.layer.threshold.astype(np.int64)
        if not self.output:
            low, high = potential_bounds(self.layer.weight)
            theta = np.clip(theta, low - 1, high)
        return -theta - 1

    @cached_property
    def membrane_width(self) -> int:
        """Signed width of a stored potential. Overflow is impossible: each input fires at most
        once, so every partial sum lies between the sum of the negative and that of the positive
        weights.
        """
        low, high = potential_bounds(self.layer.weight)
        return signed_width(int((low + self.initial).min()), int((high + self.initial).max()))

    @property
    def spontaneous(self) -> bool:
        """Whether a neuron fires without any input (negative threshold), so that step 0 must be
        compared even if nothing arrives in it."""
        return bool((self.initial >= 0).any())

    @property
    def walk_cycles(self) -> Array:
        """Weight words that the event of each input fetches: int64, one per column of weights."""
        return np.full(self.layer.inputs, self.groups, np.int64)

    def weight_place(self, neuron: int, source: int) -> tuple[int, int]:
        """Row and lane of a weight, by neuron and column of the layer's weights."""
        group, lane = divmod(neuron, self.lanes)
        return group * self.inputs + int(np.flatnonzero(self.sources == source)[0]), lane

    @property
    def most_cycles(self) -> int:
        """Cycles that an image can take here, with room to spare."""
        return self.groups * (self.inputs + MAX_T + 2) + self.neurons

    @property
    def weight_depth(self) -> int:
        """Rows of the weight memory: group-major, so that a walk steps by ``inputs`` and needs no
        multiplier: row ``group * inputs + input``."""
        return self.groups * self.inputs

    def weight_rows(self) -> list[int]:
        """Contents of the weight memory: ``lanes`` weights a row, lane 0 in the lowest bits.

        At width 1 a bit of 1 stands for -1 and 0 for +1; otherwise two's complement.
        """
        padded = np.zeros((self.groups * self.lanes, self.inputs), np.int64)
        used = self.sources >= 0
        padded[: self.neurons, used] = self.layer.weight[:, self.sources[used]]
        words = padded.reshape(self.groups, self.lanes, self.inputs).transpose(0, 2, 1)
        bits = (words < 0).astype(np.int64) if self.weight_width == 1 else words
        return pack_rows(bits.reshape(-1, self.lanes), self.weight_width)

    def initial_rows(self) -> list[int]:
        """`initial` as memory rows of ``lanes`` numbers of `membrane_width` bits, one row a group.

        Lanes without a neuron repeat the last one, so that equal thresholds give equal rows.
        """
        padded = np.full(self.groups * self.lanes, self.initial[-1], np.int64)
        padded[: self.neurons] = self.initial
        return pack_rows(padded.reshape(self.groups, self.lanes), self.membrane_width)
