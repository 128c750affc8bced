"""The hardware configuration and, derived from it once, every width and count of the accelerator.

`Configuration` is what a user chooses. `AcceleratorParameters` joins it with a network; the
gateware, the manifest and the cost model read the derived figures from there and compute none
themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .errors import UserError
from .layers import Array, Dense, Flatten
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
from .reference import potential_bounds

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


def signed_width(low: int, high: int) -> int:
    """Bits of the narrowest two's complement number that holds both ``low`` and ``high``."""
    return max((value if value >= 0 else ~value).bit_length() for value in (low, high)) + 1


def index_width(count: int) -> int:
    """Bits of an unsigned index below ``count``, at least one."""
    return max(1, (count - 1).bit_length())


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


def pack_rows(values: Array, width: int) -> list[int]:
    """Pack each row of integers [rows, columns] into one number, column 0 in the lowest bits."""
    masked = values.astype(np.int64) & ((1 << width) - 1)
    shifts = np.arange(width, dtype=np.int64)
    bits = ((masked[:, :, None] >> shifts) & 1).astype(np.uint8)
    packed = np.packbits(bits.reshape(len(values), -1), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


@dataclass(frozen=True, eq=False)
class AcceleratorParameters:
    """A network and a configuration, checked against each other, and all that follows from them.

    Raises
    ------
    UserError
        If the generator has no hardware for a layer, or the lanes do not fit the layers.
    """

    network: Network
    configuration: Configuration

    def __post_init__(self) -> None:
        for index, layer in enumerate(self.network.layers):
            if not isinstance(layer, Dense | Flatten):
                raise UserError(
                    f"{self.network.source}: layers.{index} must be dense or flatten to be "
                    f"generated, not {layer.kind}; `sstdp-hw evaluate` runs it in software"
                )
        lanes, weighted = self.configuration.lanes, self.network.weighted
        if lanes is not None and len(lanes) != len(weighted):
            raise UserError(
                f"Lanes must be one number for each of the {len(weighted)} weighted layers, "
                f"not {len(lanes)}: {','.join(map(str, lanes))}"
            )
        _ = self.layers

    @cached_property
    def layers(self) -> tuple[DenseParameters, ...]:
        """The weighted layers in order; the last one is the output layer."""
        weighted = self.network.weighted
        lanes: Sequence[int] = self.configuration.lanes or [
            min(Configuration.DEFAULT_LANES, layer.weight.shape[0]) for _, layer in weighted
        ]
        return tuple(
            DenseParameters(
                f"layers.{index}",
                layer,
                lanes[n],
                output=n == len(weighted) - 1,
                sources=np.arange(layer.inputs) if n else self.pixel_order,
            )
            for n, (index, layer) in enumerate(weighted)
            if isinstance(layer, Dense)
        )

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
