"""The hardware configuration and, derived from it once, every width and count of the accelerator.

`Configuration` is what a user chooses. `AcceleratorParameters` joins it with a network; the
gateware, the manifest and the cost model read the derived figures from there and compute none
themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .chain import MAX_T
from .convolution import ConvParameters
from .errors import UserError
from .feature_map import FeatureMap
from .layers import Array, Conv2d, Dense, Pool2d
from .network import Network
from .pipeline import (
    LARGEST_BEAT_QUEUE,
    LARGEST_TABLE,
    LAYER_STAGES,
    PIECE,
    QUEUE_DEPTH,
    SLICE_LANES,
    rom_latency,
)
from .pooling import PoolParameters
from .reference import potential_bounds
from .widths import index_width as index_width
from .widths import pack_rows as pack_rows
from .widths import signed_width as signed_width

PIXELS_PER_BEAT = (1, 2, 4, 8)


@dataclass(frozen=True)
class Configuration:
    """What a user chooses about the hardware.

    Parameters
    ----------
    lanes : tuple of int, optional
        Physical adders of each weighted layer, in order, each from 1 (smallest) to the number of
        its neurons (fastest). By default `DEFAULT_LANES`, or fewer where the layer is smaller.
    pixels_per_beat : 1, 2, 4 or 8
        Pixels a beat of the input stream carries.
    early_exit : bool
        Stop an image at its decision. Off: every spike of every layer is produced.
    """

    lanes: tuple[int, ...] | None = None
    pixels_per_beat: int = 1
    early_exit: bool = True

    DEFAULT_LANES = 16

    def __post_init__(self) -> None:
        if self.pixels_per_beat not in PIXELS_PER_BEAT:
            raise UserError(
                f"Pixels per beat must be {', '.join(map(str, PIXELS_PER_BEAT[:-1]))} or "
                f"{PIXELS_PER_BEAT[-1]}, not {self.pixels_per_beat}"
            )


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


#: A block that has neurons.
WeightedBlock = DenseParameters | ConvParameters

#: A block behind the encoder.
Block = DenseParameters | ConvParameters | PoolParameters


@dataclass(frozen=True, eq=False)
class AcceleratorParameters:
    """A network and a configuration, checked against each other, and all that follows from them.

    Raises
    ------
    UserError
        If the lanes do not fit the layers.
    """

    network: Network
    configuration: Configuration

    def __post_init__(self) -> None:
        lanes, weighted = self.configuration.lanes, self.network.weighted
        if lanes is not None and len(lanes) != len(weighted):
            raise UserError(
                f"Lanes must be one number for each of the {len(weighted)} weighted layers, "
                f"not {len(lanes)}: {','.join(map(str, lanes))}"
            )
        _ = self.blocks

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """What stands behind the encoder, in order: weighted layers and pooling layers; the last
        one is the output layer."""
        network = self.network
        most = Configuration.DEFAULT_LANES
        lanes = iter(
            self.configuration.lanes
            or [min(most, len(layer.weight)) for _, layer in network.weighted]
        )
        found: list[Block] = []
        present = [(n, layer) for n, layer in enumerate(network.layers) if layer.kind != "flatten"]
        arriving: FeatureMap | None = None  # of a convolution or pooling layer before
        sources = self.pixel_order
        for (index, layer), (_, after) in zip(present, [*present[1:], (0, None)], strict=True):
            name = f"layers.{index}"
            if isinstance(layer, Dense):
                found.append(DenseParameters(name, layer, next(lanes), after is None, sources))
                sources = np.arange(layer.neurons)
                continue
            assert after is not None, "the network's own check"
            places = None
            if arriving is None:
                shape = network.shapes[index]
                arriving = FeatureMap.fields(shape, shape[0])
                places = np.where(sources >= 0, arriving.indices[sources], -1)
            block: ConvParameters | PoolParameters
            if isinstance(layer, Conv2d):
                block = ConvParameters(name, arriving, places, after.kind, layer, next(lanes))
            else:
                assert isinstance(layer, Pool2d), "no other layer is left"
                block = PoolParameters(name, arriving, places, after.kind, layer)
            found.append(block)
            arriving = block.leaving
            sources = arriving.neurons
        return tuple(found)

    @cached_property
    def layers(self) -> tuple[WeightedBlock, ...]:
        """The weighted layers in order; the last one is the output layer."""
        return tuple(block for block in self.blocks if not isinstance(block, PoolParameters))

    @property
    def output(self) -> DenseParameters:
        """The output layer."""
        last = self.layers[-1]
        assert isinstance(last, DenseParameters), "the network's own check"
        return last

    @cached_property
    def live(self) -> Array:
        """Pixels whose spikes the encoder sends: bool [beats, pixels_per_beat]."""
        positions = np.zeros(self.beats * self.pixels_per_beat, bool)
        positions[: self.pixels] = self.network.live_inputs
        return positions.reshape(self.beats, self.pixels_per_beat)

    @cached_property
    def live_beats(self) -> Array:
        """The beats that hold a live pixel, in order, at least one: int64."""
        found = np.flatnonzero(self.live.any(axis=1))
        return found if len(found) else np.zeros(1, np.int64)

    @cached_property
    def pixel_order(self) -> Array:
        """The pixel behind every index of the encoder's events, -1 for none: int64.

        Live beats are numbered without gaps, so that dead ones take no row of memory; within a beat
        every pixel keeps its place.
        """
        places = np.arange(self.beats * self.pixels_per_beat).reshape(self.live.shape)
        order = np.where(self.live, places, -1)[self.live_beats].reshape(-1)
        last = np.flatnonzero(order >= 0)[-1:]
        return order[: int(last[0]) + 1 if len(last) else 1]

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
    def beat_queue_depth(self) -> int:
        """Beats that wait in front of the sorters. Several pixels a beat make an image short:
        then a whole one may wait, so that the sorters have work after one that took long."""
        if self.pixels_per_beat == 1:
            return QUEUE_DEPTH
        whole = 1 << index_width(len(self.live_beats))
        return min(max(QUEUE_DEPTH, whole), LARGEST_BEAT_QUEUE)

    @property
    def encoder_stages(self) -> int:
        """Stages of the encoder between the choice of a spike and the queue of events: the spike,
        and, where it is one of several lists', its number."""
        return 1 if self.pixels_per_beat == 1 else 2

    @property
    def lanes(self) -> tuple[int, ...]:
        """Lanes of every layer, defaults filled in."""
        return tuple(layer.lanes for layer in self.layers)

    @property
    def summary(self) -> str:
        """The configuration in words, as the head of the Verilog has it."""
        early_exit = "on" if self.configuration.early_exit else "off"
        lanes = ",".join(map(str, self.lanes))
        return f"lanes {lanes}, {self.pixels_per_beat} pixels a beat, early exit {early_exit}"

    @property
    def pixels_per_beat(self) -> int:
        return self.configuration.pixels_per_beat

    @property
    def pixels(self) -> int:
        return self.network.inputs

    @property
    def beats(self) -> int:
        """Beats of one image on the input stream."""
        return -(-self.pixels // self.pixels_per_beat)

    @property
    def t_max(self) -> int:
        return self.network.t_max

    @property
    def step_width(self) -> int:
        """Bits of a time step below t_max."""
        return index_width(self.t_max)
