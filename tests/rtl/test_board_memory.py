"""The memory of a board: filled by the host, read back, and only then read by the accelerator."""

import random
import zlib
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
from amaranth.lib import data
from amaranth.sim import Simulator
from support.sdram import SdramChip, attach

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.axi_read import AxiReadParameters
from sstdp_hw.contract.fields import unpack
from sstdp_hw.contract.memory_image import REFUSALS, STATUS
from sstdp_rtl.boards.packet_gate import PacketGate
from sstdp_rtl.boards.sdram.memory import BoardMemory
from sstdp_rtl.boards.sdram.parameters import MemoryParameters
from sstdp_rtl.boards.sdram.timing import SDRAM_BYTES, SdramTiming
from sstdp_rtl.synthesis.board_memory import board_memory

MHZ, BASE = 40.0, 0x3000
TIMING = replace(SdramTiming(), power_up=1_000.0)
BUS = AxiReadParameters(32, 16, 2)
IMAGE = random.Random(7).randbytes(64)


def parameters(**changes):
    values = {"bus": BUS, "base": BASE, "size": len(IMAGE), "crc": zlib.crc32(IMAGE),
              "cycles": TIMING.cycles(MHZ)} | changes  # fmt: skip
    return MemoryParameters(**values)


class Bench:
    """A memory with a chip, and a line that brings images."""

    def __init__(self, script):
        self.dut = dut = BoardMemory(parameters())
        self.chip = SdramChip(1000 / MHZ, **asdict(TIMING))
        simulator = Simulator(dut)
        simulator.add_clock(1e-6)
        attach(simulator, dut, self.chip)

        async def play(ctx):
            await script(self, ctx)

        simulator.add_testbench(play)
        simulator.run()
        assert self.chip.broken == []

    async def send(self, ctx, image, words=None):
        """An image, or its first ``words``, each some time after the one before."""
        count = len(image) // 4
        for number in range(words or count):
            word = int.from_bytes(image[4 * number : 4 * number + 4], "little")
            ctx.set(self.dut.i.payload, {"data": word, "last": number == count - 1})
            ctx.set(self.dut.i.valid, 1)
            await ctx.tick().until(self.dut.i.ready)
            ctx.set(self.dut.i.valid, 0)
            await ctx.tick().repeat(2)

    async def judged(self, ctx):
        """Wait for the end of an image; whether it is there, and why not."""
        while unpack(STATUS, ctx.get(self.dut.status))["loading"]:
            assert not ctx.get(self.dut.there), "before it was read back"
            await ctx.tick()
        told = unpack(STATUS, ctx.get(self.dut.status))
        assert told["loaded"] == ctx.get(self.dut.there)
        return told["loaded"], REFUSALS[told["refused"]]

    async def fetch(self, ctx, count):
        """The first beats of the image, as the accelerator reads them."""
        dut, beats = self.dut, []
        ctx.set(dut.araddr, BASE)
        ctx.set(dut.arlen, count - 1)
        ctx.set(dut.arvalid, 1)
        await ctx.tick().until(dut.arready)
        ctx.set(dut.arvalid, 0)
        while len(beats) < count:
            *_, valid, beat = await ctx.tick().sample(dut.rvalid, dut.rdata)
            beats += [beat] if valid else []
        return b"".join(beat.to_bytes(4, "little") for beat in beats)


def test_an_image_is_there_when_it_was_read_back_right():
    async def script(bench, ctx):
        assert not ctx.get(bench.dut.there)
        await bench.send(ctx, IMAGE)
        assert await bench.judged(ctx) == (1, "none")
        assert await bench.fetch(ctx, 16) == IMAGE

    bench = Bench(script)
    assert len(bench.chip.words) == len(IMAGE) // 2


def test_a_wrong_bit_anywhere_is_refused_and_the_next_image_heals():
    """On the line, and in a cell of the chip that does not keep its bit."""

    async def script(bench, ctx):
        for bit in (0, 8 * len(IMAGE) - 1):
            wrong = bytearray(IMAGE)
            wrong[bit // 8] ^= 1 << bit % 8
            await bench.send(ctx, bytes(wrong))
            assert await bench.judged(ctx) == (0, "crc")
        await bench.send(ctx, IMAGE)
        assert await bench.judged(ctx) == (1, "none")
        await bench.send(ctx, IMAGE)
        weak = list(bench.chip.words)[-1]
        bench.chip.words[weak] ^= 0x80
        assert await bench.judged(ctx) == (0, "crc")

    Bench(script)


def test_an_image_that_is_cut_off_is_given_up():
    """What was there before is not there any more, and the next image begins at the base."""

    async def script(bench, ctx):
        await bench.send(ctx, IMAGE)
        assert await bench.judged(ctx) == (1, "none")
        await bench.send(ctx, IMAGE, words=5)
        ctx.set(bench.dut.clear, 1)
        await ctx.tick().repeat(20)
        ctx.set(bench.dut.clear, 0)
        assert (await bench.judged(ctx))[0] == 0
        await bench.send(ctx, IMAGE)
        assert await bench.judged(ctx) == (1, "none")

    Bench(script)


@pytest.mark.parametrize("changes, message", [
    ({"base": SDRAM_BYTES - 32}, "must end below 0x2000000, and 64 bytes from 0x1ffffe0 on do not"),
    ({"bus": AxiReadParameters(128, 128, 2)}, "must be at most a row, 1024 bytes, not 2048"),
])  # fmt: skip
def test_what_does_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        parameters(**changes)


def test_an_image_that_no_request_holds_is_refused():
    """Sixteen MB, of the thirty-two that the chip has."""
    plan = SimpleNamespace(size=1 << 24, bus=BUS, base=0)
    large = SimpleNamespace(
        external=True, path="DIR",
        parameters=SimpleNamespace(tiled=SimpleNamespace(plan=plan)),
    )  # fmt: skip
    with pytest.raises(UserError, match=r"^DIR: weights must take at most 16,777,215 bytes"):
        board_memory(large, MHZ)


def test_a_packet_passes_whole_or_not_at_all():
    """One that began before the gate may open is thrown away to its end, unless the line lost its
    place meanwhile."""
    dut = PacketGate(data.StructLayout({"data": 8, "last": 1}))
    passed = []

    async def drive(ctx):
        async def offer(value, last):
            ctx.set(dut.i.payload, {"data": value, "last": last})
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)

        ctx.set(dut.o.ready, 1)
        await offer(1, 0)
        ctx.set(dut.opens, 1)
        for value, last in ((2, 0), (3, 1), (4, 0), (5, 1)):
            await offer(value, last)
        ctx.set(dut.opens, 0)
        await offer(6, 0)
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        ctx.set(dut.opens, 1)
        await offer(7, 1)
        await ctx.tick()

    async def listen(ctx):
        async for *_, valid, beat in ctx.tick().sample(dut.o.valid, dut.o.payload):
            if valid:
                passed.append(int(beat.data))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(listen, background=True)
    simulator.add_testbench(drive)
    simulator.run()
    assert passed == [4, 5, 7]
