"""Every table that tells layer kinds, inputs or weight stores apart covers every kind, so that a
new one is forgotten nowhere. docs/extending.md goes through them."""

import pytest

from sstdp_hw.blocks.hardware import BLOCKS
from sstdp_hw.blocks.inputs import INPUTS
from sstdp_hw.blocks.weight_store import STORES
from sstdp_hw.exchange import refiring, writing
from sstdp_hw.models import cycles
from sstdp_hw.models.area.block_ram import BLOCK_RAMS, INPUT_BLOCK_RAMS
from sstdp_hw.models.area.composition import BLOCK_PARTS, INPUT_PARTS
from sstdp_hw.models.energy.operations import ACCESSES, INPUT_ACCESSES
from sstdp_hw.network.chain import INPUT_NAMES
from sstdp_hw.network.layers import KINDS, WeightedLayer
from sstdp_hw.reference import firing, inference, plain
from sstdp_rtl.boards import bridge
from sstdp_rtl.gateware import accelerator
from sstdp_rtl.gateware.encoder import encoder
from sstdp_rtl.gateware.parts import weight_memory
from sstdp_rtl.gateware.sequential import memories
from sstdp_rtl.generator import golden, manifest
from sstdp_rtl.synthesis import bitstream
from sstdp_sim.simulation import packets
from sstdp_sim.stress import contents, stimulus

EVERY = set(KINDS)
WEIGHTED = {kind for kind, layer in KINDS.items() if issubclass(layer, WeightedLayer)}
#: Kinds that become hardware; the others pass their inputs on.
HARDWARE = {kind for kind, layer in KINDS.items() if not layer.passes_inputs_on}

#: Stores that a layer with a processor of its own may have.
ON_CHIP = {kind for kind, store in STORES.items() if not store.external}

TABLES = {
    "reference": (firing.SPIKE_TIMES, EVERY),
    "plain reference, neurons": (plain.SYNAPSES, WEIGHTED),
    "plain reference, others": (plain.PASSED_ON, EVERY - WEIGHTED),
    "blocks": (BLOCKS, HARDWARE),
    "cycle model, neurons": (cycles.LAYERS, WEIGHTED),
    "cycle model, others": (cycles.FILTERS, HARDWARE - WEIGHTED),
    "area model, parts": (BLOCK_PARTS, HARDWARE),
    "area model, block RAM": (BLOCK_RAMS, HARDWARE),
    "energy estimate": (ACCESSES, HARDWARE),
    "gateware, neurons": (accelerator.LAYERS, WEIGHTED),
    "gateware, others": (accelerator.FILTERS, HARDWARE - WEIGHTED),
    "NIR graphs, written": (writing.NODES, EVERY),
    "NIR graphs, played": (refiring.SUMS, EVERY),
    "manifest, neurons": (manifest.LAYER_FIELDS, WEIGHTED),
    "manifest, others": (manifest.FILTER_FIELDS, HARDWARE - WEIGHTED),
    "inputs, file": (INPUT_NAMES, set(INPUTS)),
    "inputs, reference": (inference.ENCODED, set(INPUTS)),
    "inputs, plain reference": (plain.INPUT_TIMES, set(INPUTS)),
    "inputs, gateware, packets": (accelerator.READERS, set(INPUTS)),
    "inputs, gateware": (accelerator.INPUTS, set(INPUTS)),
    "inputs, cycle model": (cycles.ENCODERS, set(INPUTS)),
    "inputs, cycle model, latency": (cycles.LATENCIES, set(INPUTS)),
    "inputs, area model, parts": (INPUT_PARTS, set(INPUTS)),
    "inputs, area model, block RAM": (INPUT_BLOCK_RAMS, set(INPUTS)),
    "inputs, energy estimate": (INPUT_ACCESSES, set(INPUTS)),
    "inputs, manifest": (manifest.PACKETS, set(INPUTS)),
    "inputs, golden testbench": (golden.PACKETS, set(INPUTS)),
    "inputs, simulation": (packets.PACKED, set(INPUTS)),
    "inputs, hostile packets": (contents.CONTENTS, set(INPUTS)),
    "inputs, random samples": (stimulus.EARLIEST, set(INPUTS)),
    "inputs, random samples from values": (stimulus.OF_VALUES, set(INPUTS)),
    "inputs, bridge": (bridge.RECEIVERS, set(INPUTS)),
    "inputs, bitstream": (bitstream.SIZES, set(INPUTS)),
    "stores, weights": (weight_memory.WEIGHTS, ON_CHIP),
    "stores, initial potentials": (weight_memory.INITIAL, ON_CHIP),
    "stores, weights of an engine": (memories.WEIGHTS, set(STORES)),
    "stores, initial potentials of an engine": (memories.INITIAL, set(STORES)),
    "stores, tables of the encoder": (encoder.TABLES, set(STORES)),
}


@pytest.mark.parametrize("name", TABLES)
def test_table_covers_its_kinds(name):
    table, kinds = TABLES[name]
    assert set(table) == kinds


def test_kinds_have_their_own_name():
    assert all(kind == layer.kind for kind, layer in KINDS.items())
    assert HARDWARE < EVERY and WEIGHTED < HARDWARE
    for kinds in (INPUTS, STORES):
        assert all(name == found.kind for name, found in kinds.items())
