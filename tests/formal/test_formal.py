"""Rules that hold for every input, shown by SAT within a bound; each is seen to fail once.

`SSTDP_FORMAL_BOUND=4 pytest tests/formal` looks four times as many cycles ahead.
`SSTDP_FORMAL_SEQUENTIAL=1 pytest tests/formal -k sequential` proves sequential accelerators,
too, in a minute and a half of a core.
"""

import os
import re

import numpy as np
import pytest
from amaranth.hdl import Module, ResetInserter
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from support.formal import always_holds, emit_block, holds, holds_for

from sstdp_hw.blocks.axi_read import AxiReadParameters
from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.network.layers import Dense
from sstdp_hw.network.network import Network
from sstdp_rtl.gateware.bus.fresh_start import FreshStart
from sstdp_rtl.gateware.external.buffer import fill_layout
from sstdp_rtl.gateware.external.loader import TileLoader
from sstdp_rtl.gateware.external.reader import AxiReader
from sstdp_rtl.gateware.parts import queue, serializer, splitter
from sstdp_rtl.gateware.parts.queue import Queue
from sstdp_rtl.gateware.parts.serializer import SpikeSerializer
from sstdp_rtl.gateware.parts.splitter import GroupSplitter
from sstdp_rtl.generator.verilog import emit


def queue_holds(folder, depth):
    emit_block(Queue(3, depth=depth, reserve=1), folder / "dut.il")
    return holds(folder, "stream_queue", 12, design=folder / "dut.il",
                 parameters={"DEPTH": depth})  # fmt: skip


def serializer_holds(folder):
    emit_block(SpikeSerializer(3, 3, 2), folder / "dut.il")
    return holds(folder, "spikes_serialized", 12, design=folder / "dut.il")


def splitter_holds(folder):
    emit_block(GroupSplitter(20, 6, 1), folder / "dut.il")
    return holds(folder, "groups_split", 12, design=folder / "dut.il")


class ResetMaster(wiring.Component):
    """A read master of two bursts of two beats, and what resets it; ``hidden`` are signals of its
    bus that are kept from that."""

    def __init__(self, hidden=()):
        self.hidden = hidden
        super().__init__(
            {
                "begins": In(1), "fetches": In(1), "base": In(32), "arready": In(1),
                "rvalid": In(1), "arvalid": Out(1), "araddr": Out(32), "arlen": Out(8),
                "resets": Out(1), "holds": Out(1), "stopped": Out(1), "owed": Out(1),
                "told": Out(32),
            }
        )  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        bus = AxiReadParameters(16, 2, 2, timeout=4)
        m.submodules.start = start = FreshStart(bus)
        reader = AxiReader(bus)
        m.submodules.reader = ResetInserter(start.resets)(reader)
        m.d.comb += [reader.i.valid.eq(self.fetches), reader.i.payload.beats.eq(3)]
        for name in ("arready", "rvalid"):
            m.d.comb += getattr(reader, name).eq(getattr(self, name))
        m.d.comb += start.rready.eq(reader.rready)
        for name in ("arvalid", "araddr", "arlen"):
            m.d.comb += getattr(self, name).eq(getattr(reader, name))
        seen = {"arvalid", "arready", "arlen", "rvalid"} - set(self.hidden)
        for name in sorted(seen):
            m.d.comb += getattr(start, name).eq(getattr(self, name))
        for name in ("begins", "base"):
            m.d.comb += getattr(start, name).eq(getattr(self, name))
        for name in ("resets", "holds", "stopped", "owed", "told"):
            m.d.comb += getattr(self, name).eq(getattr(start, name))
        return m


def reset_holds(folder, hidden=(), never=0):
    emit_block(ResetMaster(hidden), folder / "dut.il")
    return holds(folder, "orderly_reset", 14, design=folder / "dut.il",
                 parameters={"NEVER": never})  # fmt: skip


def tiny_network():
    """Two pixels, two neurons, one step: one layer, whose weights tell the pixels apart."""
    weight = np.array([[1, -1], [-1, 1]], np.int8)
    encoder = np.repeat([1, 0], [128, 128]).astype(np.uint8)
    layer = Dense(weight, np.zeros(2, np.int32), 2)
    return Network("tiny", 1, (1, 1, 2), ("a", "b"), encoder, (layer,))


#: Cycles after which an answer is offered, and cycles looked at: all images that are complete in
#: the first seven cycles are followed to their end.
LATENCY, FRAMES = 28, 36


def accelerator_holds(folder, change=lambda text: text, latency=LATENCY):
    parameters = AcceleratorParameters(tiny_network(), Configuration((2,), 2, True))
    (folder / "dut.v").write_text(change(emit(parameters)))
    return holds_for(
        folder, "one_answer", FRAMES, design=folder / "dut.v",
        parameters={"WIDTH": 16, "BEATS": 1, "LATENCY": latency},
    )  # fmt: skip


#: By where the weights of a sequential accelerator stand: the cycles after which an answer is
#: offered, and cycles looked at.
SEQUENTIAL = {"rom": (31, 38), "external": (33, 39)}

#: Cycles for which a tile of that accelerator is missing at most, with a memory that never waits.
LATE = 4


def one_neuron(weights):
    """One pixel, one neuron, one step: what is left is the way of an image through encoder, engine
    and decision, which is longer than that through a streaming accelerator."""
    encoder = np.repeat([1, 0], [128, 128]).astype(np.uint8)
    layer = Dense(np.array([[1]], np.int8), np.zeros(1, np.int32), 2)
    network = Network("tiny", 1, (1, 1, 1), ("a",), encoder, (layer,))
    options = {"memory_width": 16} if weights == "external" else {}
    configuration = Configuration(
        (1,), 1, True, architecture="sequential", weights=weights, **options
    )
    return AcceleratorParameters(network, configuration)


def on_any_tiles(text):
    """The accelerator's Verilog with a loader that has the next tile, and whatever in it, when it
    pleases; its tiles alone are proven in time."""
    pattern = r"^module \\accelerator\.tiles \(.*?^endmodule$"
    loader = re.search(pattern, text, re.MULTILINE | re.DOTALL)
    lines = loader.group().splitlines()
    ports = [line for line in lines if line.startswith(("  input ", "  output "))]
    (width,) = re.findall(r"output \[(\d+):0\] fill;", "".join(ports))
    names = ("aclk", "rst", "ends", "there", "bad", "fill")
    wires = ", ".join(f".{name}({name})" for name in names)
    any_tiles = f"  any_tiles #(.FILL({int(width) + 1}), .LATE({LATE})) any ({wires});"
    silent = "  assign {arvalid, araddr, arlen} = 0;"
    module = "\n".join((lines[0], *ports, any_tiles, silent, "endmodule"))
    return text.replace(loader.group(), module)


def sequential_holds(folder, weights, change=lambda text: text, sooner=0):
    latency, frames = SEQUENTIAL[weights]
    text, more, zeros = emit(one_neuron(weights)), (), 18
    if weights == "external":
        text, more, zeros = on_any_tiles(text), ("any_tiles",), 20
    (folder / "dut.v").write_text(change(text))
    return holds_for(
        folder, "one_answer", frames, design=folder / "dut.v", more=more,
        parameters={"WIDTH": 8, "BEATS": 1, "LATENCY": latency - sooner, "ZEROS": zeros},
    )  # fmt: skip


def tiles_are_in_time(folder, patience, late):
    plan = one_neuron("external").tiled.plan
    emit_block(TileLoader(plan), folder / "dut.il")
    parameters = {"BUS": 16, "FILL": fill_layout(plan).size, "PATIENCE": patience, "LATE": late}
    return always_holds(folder, "tile_in_time", design=folder / "dut.il", parameters=parameters)


def offered_when(condition, state=""):
    """Changes the accelerator's Verilog: an answer is offered only if ``condition`` holds too."""

    def change(text):
        text = text.replace(".o__valid(m_axis_tvalid)", ".o__valid(answer)")
        logic = f"  wire answer;\n{state}  assign m_axis_tvalid = {condition};\n"
        return text.replace("endmodule", f"{logic}endmodule", 1)

    return change


@pytest.mark.parametrize("depth", [4])
def test_a_queue_loses_nothing_and_doubles_nothing(tmp_path, depth):
    assert queue_holds(tmp_path, depth)


def test_a_serializer_emits_every_spike_once_in_order(tmp_path):
    assert serializer_holds(tmp_path)


def test_a_splitter_keeps_every_spike_at_its_place(tmp_path):
    assert splitter_holds(tmp_path)


def test_a_reset_withdraws_no_address_and_waits_for_every_beat(tmp_path):
    """Whenever it is asked for, also again, and however the memory stalls; and within the cycles
    looked at one ends that has found an address and beats."""
    assert reset_holds(tmp_path)
    assert not reset_holds(tmp_path, never=1)


@pytest.mark.parametrize("hidden", ["arvalid", "arlen"])
def test_a_reset_that_does_not_see_the_bus_is_found(tmp_path, hidden):
    assert not reset_holds(tmp_path, (hidden,))


def test_every_packet_gets_one_answer_in_time(tmp_path):
    """Whatever comes, however it stalls; and the bound is not a generous one."""
    assert accelerator_holds(tmp_path)
    assert not accelerator_holds(tmp_path, latency=LATENCY - 2)


def test_an_accelerator_that_answers_too_much_is_found(tmp_path):
    assert not accelerator_holds(tmp_path, offered_when("aresetn"))


def test_an_accelerator_that_swallows_an_answer_is_found(tmp_path):
    """The first one, if its receiver happens to be ready."""
    state = "  reg gone = 0;\n  always @(posedge aclk) if (answer) gone <= 1;\n"
    assert not accelerator_holds(tmp_path, offered_when("answer & gone", state))


@pytest.mark.skipif(
    "SSTDP_FORMAL_SEQUENTIAL" not in os.environ, reason="SSTDP_FORMAL_SEQUENTIAL is not set"
)
@pytest.mark.parametrize("weights", SEQUENTIAL)
def test_every_packet_gets_one_answer_in_time_of_a_sequential_accelerator(tmp_path, weights):
    """Whatever comes, however it stalls, and whatever the memory says."""
    assert sequential_holds(tmp_path, weights)


@pytest.mark.parametrize("weights", SEQUENTIAL)
def test_a_sooner_answer_of_a_sequential_accelerator_is_refuted(tmp_path, weights):
    """By a cycle: the bound is not a generous one."""
    assert not sequential_holds(tmp_path, weights, sooner=1)


@pytest.mark.parametrize("patience, late", [(0, LATE), (1, LATE + 2)])
def test_the_next_tile_is_always_in_time(tmp_path, patience, late):
    """Not within a bound: for ever. And with that memory it may not be there sooner."""
    assert tiles_are_in_time(tmp_path, patience, late)
    assert not tiles_are_in_time(tmp_path, patience, late - 1)


def test_a_sequential_accelerator_that_answers_too_much_is_found(tmp_path):
    assert not sequential_holds(tmp_path, "rom", offered_when("aresetn"))


def test_a_queue_that_promises_too_much_room_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(queue, "most_with_room", lambda reserve, depth: depth - reserve + 1)
    assert not queue_holds(tmp_path, 4)


def test_a_queue_that_is_too_shallow_is_found(tmp_path, monkeypatch):
    fifo = queue.SyncFIFOBuffered
    monkeypatch.setattr(
        queue, "SyncFIFOBuffered", lambda width, depth: fifo(width=width, depth=depth - 1)
    )
    assert not queue_holds(tmp_path, 4)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("all_but_lowest", lambda mask: mask & (mask << 1)),
        ("several", lambda mask: mask[0] & mask[1]),
        ("lowest_set", lambda mask: mask[0]),
    ],
)
def test_a_broken_serializer_is_found(tmp_path, monkeypatch, name, wrong):
    monkeypatch.setattr(serializer, name, wrong)
    assert not serializer_holds(tmp_path)


def test_a_broken_splitter_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(splitter, "several", lambda mask: mask[0] & ~mask[0])
    assert not splitter_holds(tmp_path)
