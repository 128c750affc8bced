"""The hardware configuration and, derived from it once, every width and count of the accelerator.

`Configuration` is what a user chooses. `AcceleratorParameters` joins it with a network; the
gateware, the manifest and the cost model read the derived figures from there and compute none
themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ..base.errors import UserError
from ..network.layers import Array
from ..network.network import Network
from .axi_read import BEAT_CYCLES, AxiReadParameters
from .convolution import ConvParameters
from .dense import DenseParameters
from .feature_map import FeatureMap
from .inputs import INPUTS, Input
from .pipeline import MAX_BATCH, MAX_IN_FLIGHT
from .place import Place
from .pooling import PoolParameters
from .sequential.chain import SequentialChain, sequential_chain
from .sequential.engine import ENGINE, EngineParameters
from .sequential.layer import SequentialLayer
from .sequential.tiled import TiledEngineParameters
from .weight_store import EXTERNAL, ROM, STORES, ExternalStore, WeightStore
from .widths import index_width

PIXELS_PER_BEAT = (1, 2, 4, 8)

#: More cycles than there are between two walks, and between the comparisons of a step and the next
#: one, of a layer that lists its candidates.
WALK_OVERHEAD, STEP_OVERHEAD = 8, 64

#: How an accelerator computes: every layer with a processor of its own, or one engine for all of
#: them, one after the other.
STREAMING, SEQUENTIAL = "streaming", "sequential"
ARCHITECTURES = (STREAMING, SEQUENTIAL)

#: Buses that an accelerator can be given registers for; without one it has streams alone.
AXI_LITE, WISHBONE, NO_BUS = "axi-lite", "wishbone", ""
BUSES = (AXI_LITE, WISHBONE)

#: The top module of an accelerator without a name of its own.
TOP = "accelerator"

#: What the modules of an accelerator may be prefixed with: a plain identifier of Verilog and VHDL.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*", re.ASCII)
LONGEST_NAME = 64

#: Bits of a potential at most: sums are formed in 64 bits.
WIDEST_MEMBRANE = 62

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
        One number in a sequential architecture, at most the neurons of the widest layer.
    pixels_per_beat : 1, 2, 4 or 8
        Pixels a beat of the input stream carries; 1 where the input is spikes.
    early_exit : bool
        Stop an image at its decision. Off: every spike of every layer is produced.
    weights : str
        Where the weights stand; a key of `sstdp_hw.blocks.weight_store.STORES`.
    name : str
        Prefix of every module's name, so that several accelerators can stand in one design; empty
        for none.
    membrane_width : tuple of int, optional
        Bits of the potentials of each weighted layer, in order, or one number for all; only where
        weights are loaded. By default as many as the weights at hand need.
    spram : int
        Single-port RAMs of the iCE40 UltraPlus that weights may stand in, only where they are
        loaded; the UP5K has four.
    architecture : str
        One of `ARCHITECTURES`.
    bus : str
        One of `BUSES`: registers around the accelerator, in a file of their own; empty for none.
    memory_width : int
        With external weights: bits of a beat of their bus.
    weight_buffer : int
        With external weights: bits of the buffer for two tiles; 0 for the smallest.
    base_address : int
        With external weights: where they begin.
    base_port : bool
        With external weights: where they begin is told by the port ``m_axi_base``, taken in reset;
        ``base_address`` is what simulations tell it. Always so with a bus, whose register tells it.
    potential_memory : int
        With external weights: bits of the potentials of a tile at most; 0 for no limit.
    batch : int
        With external weights: images at most that share one fetch of them, up to `MAX_BATCH`.
    """

    lanes: tuple[int, ...] | None = None
    pixels_per_beat: int = 1
    early_exit: bool = True
    weights: str = ROM.kind
    name: str = ""
    membrane_width: tuple[int, ...] | None = None
    spram: int = 0
    architecture: str = STREAMING
    bus: str = NO_BUS
    memory_width: int = EXTERNAL.bus.data_width
    weight_buffer: int = EXTERNAL.buffer_bits
    base_address: int = EXTERNAL.base
    base_port: bool = EXTERNAL.base_port
    potential_memory: int = EXTERNAL.potential_bits
    batch: int = EXTERNAL.batch

    DEFAULT_LANES = 16

    def __post_init__(self) -> None:
        if self.pixels_per_beat not in PIXELS_PER_BEAT:
            raise UserError(
                f"Pixels per beat must be {', '.join(map(str, PIXELS_PER_BEAT[:-1]))} or "
                f"{PIXELS_PER_BEAT[-1]}, not {self.pixels_per_beat}"
            )
        if self.weights not in STORES:
            *most, last = STORES
            raise UserError(f"Weights must be {', '.join(most)} or {last}, not {self.weights!r}")
        if self.architecture not in ARCHITECTURES:
            raise UserError(
                f"Architecture must be {' or '.join(ARCHITECTURES)}, not {self.architecture!r}"
            )
        if self.bus not in (NO_BUS, *BUSES):
            raise UserError(f"Bus must be {' or '.join(BUSES)}, not {self.bus!r}")
        if self.bus and STORES[self.weights].loaded:
            raise UserError(
                f"Weights must be {ROM.kind} or {EXTERNAL.kind} behind a bus, not {self.weights}: "
                "take one of them, or leave --bus out and connect the stream of weights to a DMA"
            )
        if self.bus and STORES[self.weights].external:  # a register tells the port
            object.__setattr__(self, "base_port", True)
        self._check_memory()
        if self.spram < 0:
            raise UserError(f"SPRAM must be a number of at least 0, not {self.spram}")
        for width in self.membrane_width or ():
            if not 1 <= width <= WIDEST_MEMBRANE:
                raise UserError(
                    f"Membrane width must be between 1 and {WIDEST_MEMBRANE} bits, not {width}"
                )
        if self.name and not (len(self.name) <= LONGEST_NAME and NAME.fullmatch(self.name)):
            raise UserError(
                "Name must be letters, digits and single underscores between them, a letter first, "
                f"{LONGEST_NAME} at most, as it begins every module's name, not {self.name!r}"
            )

    def _check_memory(self) -> None:
        """Refuse options of external weights that are out of range or without them."""
        store = STORES[self.weights]
        if store.external and not self.sequential:
            raise UserError(
                f"Architecture must be {SEQUENTIAL} with weights in external memory, not "
                f"{self.architecture}; add --architecture {SEQUENTIAL}"
            )
        for name, bits in (
            ("Weight buffer", self.weight_buffer),
            ("Memory of potentials", self.potential_memory),
        ):
            if bits < 0:
                raise UserError(f"{name} must be at least 0 bits, not {bits}")
        if not 1 <= self.batch <= MAX_BATCH:
            raise UserError(f"Batch must be between 1 and {MAX_BATCH} images, not {self.batch}")
        for name, given, default in (
            ("memory width", self.memory_width, EXTERNAL.bus.data_width),
            ("weight buffer", self.weight_buffer, EXTERNAL.buffer_bits),
            ("base address", self.base_address, EXTERNAL.base),
            ("port of the base address", self.base_port, EXTERNAL.base_port),
            ("memory of potentials", self.potential_memory, EXTERNAL.potential_bits),
            ("batch", self.batch, EXTERNAL.batch),
        ):
            if not store.external and given != default:
                raise UserError(
                    f"A {name} goes with --weights {EXTERNAL.kind}, and weights are {self.weights}"
                )
        _ = self.store

    @property
    def store(self) -> WeightStore:
        """Where the weights stand, as far as it does not depend on the network."""
        found = STORES[self.weights]
        if not isinstance(found, ExternalStore):
            return found
        bus = AxiReadParameters(self.memory_width)
        return replace(
            found, bus=bus, buffer_bits=self.weight_buffer, base=self.base_address,
            base_port=self.base_port, potential_bits=self.potential_memory, batch=self.batch,
        )  # fmt: skip

    @property
    def sequential(self) -> bool:
        """Whether one engine computes all layers."""
        return self.architecture == SEQUENTIAL


#: A block that has neurons.
WeightedBlock = DenseParameters | ConvParameters | SequentialLayer

#: A block behind the input.
Block = DenseParameters | ConvParameters | PoolParameters | SequentialLayer

#: By the kind of layer: its block, from the layer, its place, the lanes that are still to be given
#: away, and the store of weights. Kinds that pass their inputs on are no hardware.
BLOCKS: dict[str, Callable[[Any, Place, Iterator[int], WeightStore], Block]] = {
    "dense": DenseParameters.create,
    "conv2d": ConvParameters.create,
    "pool2d": PoolParameters.create,
}


def check_memory(bits: int, what: str, advice: str = "make the network smaller") -> None:
    """Refuse memories that no FPGA has room for."""
    if bits > LARGEST_MEMORY:
        raise UserError(
            f"Memories of {what} must take at most {LARGEST_MEMORY // 1024:,} Kbit, as much block "
            f"RAM as the largest FPGA of the known families has, not {bits // 1024:,} Kbit; "
            f"{advice}"
        )


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
        if self.configuration.sequential:
            if lanes is not None and len(lanes) != 1:
                raise UserError(
                    "Lanes must be one number in a sequential architecture, as one engine computes "
                    f"all layers, not {','.join(map(str, lanes))}"
                )
        elif lanes is not None and len(lanes) != len(weighted):
            raise UserError(
                f"Lanes must be one number for each of the {len(weighted)} weighted layers, "
                f"not {len(lanes)}: {','.join(map(str, lanes))}"
            )
        _ = self.blocks

    @cached_property
    def input(self) -> Input:
        """What stands in front of the blocks."""
        return INPUTS[self.network.input_kind](
            self.network, self.configuration.pixels_per_beat, self._block_store
        )

    @cached_property
    def store(self) -> WeightStore:
        """Where the weights stand."""
        store = self._block_store
        if not self.configuration.spram:
            return store
        left, names = self.configuration.spram, set[str]()
        takes = self._spram_of_memories(store)
        for name, (_, count) in sorted(takes.items(), key=lambda found: -found[1][0]):
            if count <= left:
                names.add(name)
                left -= count
        found = store.with_spram(frozenset(names))
        if not names:
            needed = ", ".join(f"{count} for {name}" for name, (_, count) in takes.items())
            raise UserError(
                f"SPRAM must hold the weights of a layer, and {self.configuration.spram} of them "
                f"hold none: it takes {needed}; take fewer lanes"
            )
        return found

    def _spram_of_memories(self, store: WeightStore) -> dict[str, tuple[int, int]]:
        """Bits of every memory of weights, and the single-port RAMs it takes, by the name that the
        store knows it by."""
        if self.configuration.sequential:
            engine = self._engine_chain(store).engine
            bits = engine.weight_depth * engine.lanes * engine.widths.weight
            return {ENGINE: (bits, engine.weight_spram)}
        layers = [block for block in self._chain(store) if isinstance(block, WeightedBlock)]
        return {layer.name: (layer.weight_bits, layer.weight_spram) for layer in layers}

    @cached_property
    def _block_store(self) -> WeightStore:
        """The same with all of them in block RAM."""
        weighted, widths = self.network.weighted, self.configuration.membrane_width
        if widths is not None and len(widths) not in (1, len(weighted)):
            raise UserError(
                f"Membrane width must be one number, or one for each of the {len(weighted)} "
                f"weighted layers, not {len(widths)}: {','.join(map(str, widths))}"
            )
        given = () if widths is None else widths * (len(weighted) // len(widths))
        names = (f"layers.{index}" for index, _ in weighted)
        return self.configuration.store.with_membranes(dict(zip(names, given, strict=False)))

    @cached_property
    def live_inputs(self) -> Array:
        """Inputs whose spikes are sent to the first layer: bool [inputs]."""
        return self._block_store.live_inputs(self.network)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """What stands behind the input, in order: weighted layers and pooling layers; the last
        one is the output layer. In a sequential architecture the weighted layers are those of the
        `engine`, which hold the pooling layers behind them."""
        if self.sequential is None:
            return self._chain(self.store)
        return (*self.sequential.filters, *self.sequential.engine.layers)

    @cached_property
    def sequential(self) -> SequentialChain | None:
        """What stands behind the input in a sequential architecture; None in another."""
        if not self.configuration.sequential:
            return None
        found = self._engine_chain(self.store)
        bits = self.input.memory_bits + sum(block.memory_bits for block in found.filters)
        check_memory(bits + found.engine.memory_bits, "the engine")
        return found

    def _engine_chain(self, store: WeightStore) -> SequentialChain:
        lanes = self.configuration.lanes
        return sequential_chain(self.network, self.input.order, lanes[0] if lanes else None, store)

    @property
    def engine(self) -> EngineParameters:
        """Of a sequential architecture."""
        assert self.sequential is not None, "asked of a streaming architecture"
        return self.sequential.engine

    @property
    def tiled(self) -> TiledEngineParameters:
        """The engine of a sequential architecture with external weights."""
        engine = self.engine
        assert isinstance(engine, TiledEngineParameters), "asked of weights on the chip"
        return engine

    @property
    def pooling(self) -> tuple[PoolParameters, ...]:
        """All pooling layers in order."""
        found: list[PoolParameters] = []
        for block in self.blocks:
            found += block.pools if isinstance(block, SequentialLayer) else ()
            found += [block] if isinstance(block, PoolParameters) else []
        return tuple(found)

    def _chain(self, store: WeightStore) -> tuple[Block, ...]:
        network = self.network
        most = Configuration.DEFAULT_LANES
        lanes = iter(
            self.configuration.lanes or [min(most, layer.outputs) for _, layer in network.weighted]
        )
        found: list[Block] = []
        bits = self.input.memory_bits
        present = [(n, layer) for n, layer in enumerate(network.layers) if layer.kind in BLOCKS]
        sources: Array = self.input.order
        arriving: FeatureMap | None = None
        for (index, layer), (_, after) in zip(present, [*present[1:], (0, None)], strict=True):
            place = Place(
                f"layers.{index}", network.shapes[index], sources, arriving,
                after.kind if after else None,
            )  # fmt: skip
            block = BLOCKS[layer.kind](layer, place, lanes, store)
            found.append(block)
            bits = self._with_memory(bits, block)  # before tables as large as the map are made
            sources, arriving = block.sent, block.leaving
        return tuple(found)

    @staticmethod
    def _with_memory(bits: int, block: Block) -> int:
        """``bits`` and those of the block's memories; refused if no FPGA has so many."""
        bits += block.memory_bits
        check_memory(bits, f"the layers up to {block.name}", "make that layer smaller")
        return bits

    @cached_property
    def layers(self) -> tuple[WeightedBlock, ...]:
        """The weighted layers in order; the last one is the output layer."""
        return tuple(block for block in self.blocks if isinstance(block, WeightedBlock))

    @property
    def output(self) -> DenseParameters | SequentialLayer:
        """The output layer."""
        last = self.layers[-1]
        assert not isinstance(last, ConvParameters), "the network's own check"
        return last

    @property
    def lanes(self) -> tuple[int, ...]:
        """Lanes as a configuration has them, defaults filled in."""
        if self.sequential is not None:
            return (self.engine.lanes,)
        return tuple(layer.lanes for layer in self.layers)

    @property
    def membrane_widths(self) -> tuple[int, ...]:
        """Bits of the potentials of every layer."""
        return tuple(layer.membrane_width for layer in self.layers)

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
        """More cycles than any image can take while neither stream stalls, and an external memory
        takes no more than `axi_read.BEAT_CYCLES` for a beat."""
        return self._most_cycles(BEAT_CYCLES)

    @property
    def most_board_cycles(self) -> int:
        """The same on a board, where external weights stand in the SDRAM."""
        if not self.store.external:
            return self.most_cycles
        return self._most_cycles(self.tiled.plan.bus.sdram_beat_cycles)

    def _most_cycles(self, beat_cycles: int) -> int:
        work = sum(block.most_cycles for block in self.blocks)
        store = self.store
        if isinstance(store, ExternalStore):
            # Every tile reads what arrives once more, and may have to wait.
            plan = self.tiled.plan
            counts = zip(self.engine.layers, plan.counts(), strict=True)
            work += sum((count - 1) * layer.most_cycles for layer, count in counts)
            work += beat_cycles * plan.fetched_beats
            work += 4 * len(plan.tiles) * (self.t_max * max(plan.counts()) + 64)
            work *= store.batch  # no image is answered before its whole batch comes to the end
        return self.beats + 4 * self.t_max + 1000 + work

    @property
    def arrival_cycles(self) -> tuple[int, int]:
        """Cycles that the first weighted layer takes at most for an event that comes to it alone,
        and more at the end of a step, while nothing stalls behind it."""
        layer = self.layers[0] if self.sequential is None else self.engine.passes[0]
        walk = int(layer.walk_cycles.max())
        if isinstance(layer, DenseParameters):  # the last walk of a step compares
            return walk, layer.groups * layer.may_be_spontaneous
        return walk + WALK_OVERHEAD, 2 * layer.words + STEP_OVERHEAD

    @property
    def most_unanswered(self) -> int:
        """Samples at most that can have passed the gate of loaded weights and not been answered:
        in front of the chain, in it, and behind."""
        return self.input.most_apart + MAX_IN_FLIGHT

    @property
    def summary(self) -> str:
        """The configuration in words, as the head of the Verilog has it."""
        early_exit = "on" if self.configuration.early_exit else "off"
        lanes = ",".join(map(str, self.lanes))
        text = f"lanes {lanes}, {self.input.summary}, early exit {early_exit}"
        if self.configuration.sequential:
            text = f"{SEQUENTIAL}, {text}"
        if self.store.loaded:
            widths = ",".join(map(str, self.membrane_widths))
            text += f", weights {self.store.kind}, potentials of {widths} bits"
        store = self.store
        if isinstance(store, ExternalStore):
            plan = self.tiled.plan
            base = "m_axi_base" if store.base_port else f"{store.base:#010x}"
            text += (
                f", weights {store.kind}, {store.bus.data_width} bits a beat from {base}, "
                f"{len(plan.tiles)} tiles of up to {plan.half_rows} rows"
            )
            if store.batch > 1:
                text += f", batches of {store.batch}"
        if self.configuration.spram:
            text += f", {self.configuration.spram} SPRAM"
        return text

    @property
    def pixels_per_beat(self) -> int:
        return self.configuration.pixels_per_beat

    @property
    def pixels(self) -> int:
        return self.input.pixels

    @property
    def beats(self) -> int:
        """Beats of one inference on the input stream; where they are events, at most."""
        return self.input.beats

    @property
    def t_max(self) -> int:
        return self.network.t_max

    @property
    def step_width(self) -> int:
        """Bits of a time step below t_max."""
        return index_width(self.t_max)
