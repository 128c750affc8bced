"""The hardware configuration and, derived from it once, every width and count of the accelerator.

`Configuration` is what a user chooses. `AcceleratorParameters` joins it with a network; the
gateware, the manifest and the cost model read the derived figures from there and compute none
themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..base.errors import UserError
from ..network.layers import Array, Conv2d, Dense, Pool2d
from ..network.network import Network
from .convolution import ConvParameters
from .dense import DenseParameters
from .feature_map import FeatureMap
from .pipeline import (
    LARGEST_BEAT_QUEUE,
    LARGEST_TABLE,
    QUEUE_DEPTH,
    rom_latency,
)
from .pooling import PoolParameters
from .widths import index_width

PIXELS_PER_BEAT = (1, 2, 4, 8)

#: The top module of an accelerator without a name of its own.
TOP = "accelerator"

#: What the modules of an accelerator may be prefixed with: a plain identifier of Verilog and VHDL.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*", re.ASCII)
LONGEST_NAME = 64

#: Bits of block RAM of the largest FPGA of the known families (XC7VX1140T, Xilinx DS180).
LARGEST_MEMORY = 67_680 * 1024


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
    name : str
        Prefix of every module's name, so that several accelerators can stand in one design; empty
        for none.
    """

    lanes: tuple[int, ...] | None = None
    pixels_per_beat: int = 1
    early_exit: bool = True
    name: str = ""

    DEFAULT_LANES = 16

    def __post_init__(self) -> None:
        if self.pixels_per_beat not in PIXELS_PER_BEAT:
            raise UserError(
                f"Pixels per beat must be {', '.join(map(str, PIXELS_PER_BEAT[:-1]))} or "
                f"{PIXELS_PER_BEAT[-1]}, not {self.pixels_per_beat}"
            )
        if self.name and not (len(self.name) <= LONGEST_NAME and NAME.fullmatch(self.name)):
            raise UserError(
                "Name must be letters, digits and single underscores between them, a letter first, "
                f"{LONGEST_NAME} at most, as it begins every module's name, not {self.name!r}"
            )


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
        If the lanes do not fit the layers, or the memories of the layers no FPGA.
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
        bits = 0
        present = [(n, layer) for n, layer in enumerate(network.layers) if layer.kind != "flatten"]
        arriving: FeatureMap | None = None  # of a convolution or pooling layer before
        sources = self.pixel_order
        for (index, layer), (_, after) in zip(present, [*present[1:], (0, None)], strict=True):
            name = f"layers.{index}"
            if isinstance(layer, Dense):
                found.append(DenseParameters(name, layer, next(lanes), after is None, sources))
                bits = self._with_memory(bits, found[-1])
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
            bits = self._with_memory(bits, block)  # before tables as large as the map are made
            arriving = block.leaving
            sources = arriving.neurons
        return tuple(found)

    @staticmethod
    def _with_memory(bits: int, block: Block) -> int:
        """``bits`` and those of the block's memories; refused if no FPGA has so many."""
        bits += block.memory_bits
        if bits > LARGEST_MEMORY:
            raise UserError(
                f"Memories of the layers up to {block.name} must take at most "
                f"{LARGEST_MEMORY // 1024:,} Kbit, as much block RAM as the largest FPGA of the "
                f"known families has, not {bits // 1024:,} Kbit; make that layer smaller"
            )
        return bits

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
    def prefix(self) -> str:
        """What the name of every module begins with."""
        return f"{self.configuration.name}_" if self.configuration.name else ""

    @property
    def top(self) -> str:
        """The top module."""
        return f"{self.prefix}{TOP}"

    @property
    def most_cycles(self) -> int:
        """More cycles than any image can take while neither stream stalls."""
        return self.beats + 4 * self.t_max + 1000 + sum(block.most_cycles for block in self.blocks)

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
