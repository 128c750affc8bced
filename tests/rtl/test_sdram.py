"""The SDRAM controller against a chip that notices every broken rule."""

import functools
import random
from dataclasses import asdict, dataclass, field, replace
from unittest import mock

import pytest
from amaranth.sim import Simulator
from support.networks import small_network
from support.sdram import SdramChip, attach
from support.sdram_traces import verilog_rules

from sstdp_hw.blocks.axi_read import DATA_WIDTHS, AxiReadParameters
from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_rtl.boards.sdram import controller
from sstdp_rtl.boards.sdram.controller import SdramController
from sstdp_rtl.boards.sdram.timing import MOST_MHZ, SdramTiming

#: That of the data sheets, but for a short pause, and few rows that are refreshed often, so that
#: all of them are in a test.
TIMING = SdramTiming(power_up=1_000.0, rows=16, refresh=16 * 1_000.0)

#: Cycles in which nothing more may come.
AFTER = 60
BUS = AxiReadParameters(64, 64, 2)


@dataclass
class Bench:
    """A controller, a chip on its pins, a master of bursts and a host."""

    timing: SdramTiming = TIMING  # of the chip
    believed: SdramTiming | None = None  # by the controller; None: the chip's
    mhz: float = 100.0
    bus: AxiReadParameters = BUS
    beats: list = field(default_factory=list)
    read: list = field(default_factory=list)
    pins: list = field(default_factory=list)  # what went to the chip, edge by edge
    cycles: int = 0

    def run(self, *drivers):
        """Run what drives the controller, then on until nothing can come."""
        cycles = (self.believed or self.timing).cycles(self.mhz)
        self.dut = dut = SdramController(cycles, self.bus)
        self.chip = SdramChip(1000 / self.mhz, **asdict(self.timing))
        simulator = Simulator(dut)
        simulator.add_clock(1e-6)

        attach(simulator, dut, self.chip, self.pins)

        async def listen(ctx):
            async for *_, beat, last, valid, word, word_valid in ctx.tick().sample(
                dut.rdata, dut.rlast, dut.rvalid, dut.read, dut.read_valid
            ):
                self.cycles += 1
                if valid:
                    self.beats.append((beat, last))
                if word_valid:
                    self.read.append(word)

        async def drive(ctx):
            for driver in drivers:
                await driver(ctx)
            await ctx.tick().repeat(AFTER)

        simulator.add_testbench(listen, background=True)
        simulator.add_testbench(drive)
        simulator.run()
        return self

    def host(self, requests):
        """Writes, (address, word), and reads, (address, None), one after the other."""

        async def driver(ctx):
            host = self.dut.host
            for address, word in requests:
                ctx.set(host.payload, {"address": address, "writes": word is not None,
                                       "word": word or 0})  # fmt: skip
                ctx.set(host.valid, 1)
                await ctx.tick().until(host.ready)
                ctx.set(host.valid, 0)

        return driver

    def fetch(self, bursts, pause=0):
        """Bursts, (address, beats), as many under way as the master may have; each but the first
        ``pause`` cycles after the one before."""

        async def driver(ctx):
            asked, wanted = 0, len(self.beats)
            ends = []
            for address, count in bursts:
                while asked - sum(len(self.beats) >= end for end in ends) >= self.bus.outstanding:
                    await ctx.tick()
                ctx.set(self.dut.araddr, address)
                ctx.set(self.dut.arlen, count - 1)
                ctx.set(self.dut.arvalid, 1)
                await ctx.tick().until(self.dut.arready)
                ctx.set(self.dut.arvalid, 0)
                asked, wanted = asked + 1, wanted + count
                ends.append(wanted)
                for _ in range(pause):
                    await ctx.tick()
            while len(self.beats) < wanted:
                await ctx.tick()

        return driver


def beats_of(words, bursts, bus):
    """What bursts must bring: every beat, and whether it is a burst's last."""
    size = bus.data_width // 16
    return [
        (sum(words[address // 2 + beat * size + n] << 16 * n for n in range(size)),
         beat == count - 1)
        for address, count in bursts for beat in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("data_width, longest, mhz", [
    (64, 64, 40.0), (16, 16, 66.0), (128, 64, 25.0), (32, 256, 100.0),
])  # fmt: skip
def test_words_come_back_whatever_the_order(data_width, longest, mhz):
    """Random writes and single reads, then random bursts, across rows, banks and refreshes."""
    chance = random.Random(data_width)
    bus = AxiReadParameters(data_width, longest, 2)
    bench = Bench(mhz=mhz, bus=bus)
    rows = [chance.randrange(1 << 15) << 9 for _ in range(3)]
    places = [row + column for row in rows for column in range(0, 512, 5)]
    words = {place: chance.randrange(1 << 16) for place in places}
    chance.shuffle(places)
    requests = [(place, words[place]) for place in places]
    again = chance.sample(places, 40)
    for place in again:
        requests.insert(chance.randrange(len(requests)), (place, None))
    wanted, known = [], {}
    for place, word in requests:
        if word is None:
            wanted.append(known.get(place, 0xDEAD))
        else:
            known[place] = word
    longest_bytes = longest * bus.beat_bytes
    bursts = []
    for _ in range(8):
        within = chance.randrange(longest)
        start = 2 * chance.choice(rows) + chance.randrange(0, 1024, longest_bytes)
        bursts.append((start + within * bus.beat_bytes, chance.randint(1, longest - within)))
    bench.run(bench.host(requests), bench.fetch(bursts))
    everything = {row + column: known.get(row + column, 0xDEAD) for row in rows
                  for column in range(512)}  # fmt: skip
    assert bench.chip.broken == []
    assert bench.read == wanted
    assert bench.beats == beats_of(everything, bursts, bus)
    assert bench.chip.commands[:11] == ["precharge", *["refresh"] * 8, "mode", "activate"]


def test_rate_and_refreshes_of_a_long_run():
    """Bursts one behind the other: nearly a word a cycle, refreshes in time, also when idle."""
    bench = Bench(replace(SdramTiming(), power_up=2_000.0), mhz=40.0)
    bursts, began = [(512 * number, 64) for number in range(10)], []

    async def idle(ctx):
        await ctx.tick().repeat(1000)
        began.append(bench.cycles)

    bench.run(idle, bench.fetch(bursts))
    took = bench.cycles - began[0] - AFTER
    assert bench.chip.broken == []
    assert bench.chip.commands.count("refresh") - 8 >= bench.cycles // 312
    assert 0.95 < len(bursts) * 256 / took < 1.0


@pytest.mark.parametrize("data_width", DATA_WIDTHS)
def test_a_beat_takes_no_more_cycles_than_a_host_waits_for(data_width):
    """At the fastest clock, every burst in a row of its own; the widest beats are the slowest."""
    bus = AxiReadParameters(data_width)
    bench = Bench(replace(SdramTiming(), power_up=2_000.0), mhz=MOST_MHZ, bus=bus)
    bursts, began = [(1024 * number, 64) for number in range(8)], []

    async def idle(ctx):
        await ctx.tick().repeat(1000)
        began.append(bench.cycles)

    bench.run(idle, bench.fetch(bursts))
    took = (bench.cycles - began[0] - AFTER) / (64 * len(bursts))
    assert bench.chip.broken == []
    assert data_width // 16 < took < bus.sdram_beat_cycles
    network, chosen = small_network(), {"architecture": "sequential", "weights": "external"}
    made = AcceleratorParameters(network, Configuration((4,), memory_width=data_width, **chosen))
    more = made.most_board_cycles - made.most_cycles
    assert more == (bus.sdram_beat_cycles - 4) * made.tiled.plan.fetched_beats
    assert (more > 0) == (data_width > 32)


#: What the controller is made to do wrong, and the rule that must be noticed. Where a rule never
#: binds by itself, because another one takes longer, the chip's is made longer.
BREAKS = {
    "tRCD": {"t_rcd": 0.0},
    "tRP": {"t_rp": 0.0},
    "tRAS": {"t_ras": 0.0, "t_rc": 0.0},
    "tRC": {"t_rc": 0.0},
    "tRRD": {"t_rrd": 0.0},
    "tRFC": {"t_rfc": 0.0},
    "tWR": {"t_wr": 0.0},
    "tMRD": {"t_mrd": 0.0},
    "power up": {"power_up": 0.0},
    "refresh": {"refresh": 2 * TIMING.refresh},
}
LONGER = {"tRC": {"t_rc": 150.0}, "tRRD": {"t_rrd": 170.0}, "tMRD": {"t_mrd": 50.0},
          "tWR": {"t_wr": 90.0}}  # fmt: skip
#: What is no time: a constant of the controller, another value, and the rule.
OTHERS = {
    "mode": ("MODE", 3 << 4),
    "8 refreshes": ("FIRST_REFRESHES", 2),
    "precharge first": ("ALL_BANKS", 0),
}


@functools.cache
def exercised(timing, believed):
    """Writes and reads in other rows of one bank, and in other banks; bursts, with refreshes in
    them, and between. The bench is shared, so look only."""
    bench = Bench(timing, believed)
    places = [row << 11 for row in range(4)] + [bank << 9 for bank in range(4)]
    bursts = [(512 * number, 32) for number in range(4)]
    return bench.run(
        bench.host((place, place >> 8) for place in places),
        bench.host((place, None) for place in places), bench.fetch(bursts, pause=150),
    )  # fmt: skip


def broken(rule):
    """A bench whose controller breaks a rule; with none, one that does not."""
    if rule in OTHERS:
        with mock.patch.object(controller, *OTHERS[rule]):
            return exercised.__wrapped__(TIMING, TIMING)
    timing = replace(TIMING, **LONGER.get(rule, {}))
    return exercised(timing, replace(timing, **BREAKS.get(rule, {})))


@pytest.mark.parametrize("rule", [*BREAKS, *OTHERS])
def test_every_rule_that_the_controller_breaks_is_noticed(rule):
    """And the same chip has no complaint of the controller as it is."""
    timing = replace(TIMING, **LONGER.get(rule, {}))
    assert exercised(timing, timing).chip.broken == []
    assert rule in {name for _, name in broken(rule).chip.broken}


def test_the_simulated_boards_chip_finds_the_same(tmp_path):
    """The model in Verilog, on what each of these controllers sent to the chip."""
    rules = ["none", *BREAKS, *OTHERS]
    benches = [broken(rule) for rule in rules]
    traces = [(1000 / each.mhz, each.timing, each.pins) for each in benches]
    found = verilog_rules(tmp_path, traces)
    assert found == [next((name for _, name in each.chip.broken), "") for each in benches]
    assert len(set(found)) >= len(rules) - 2


def test_a_master_that_was_reset_gets_nothing_of_before():
    """Bursts end at a clear, also the one that waits; then all is as it was."""
    bench = Bench(mhz=40.0)
    words = {place: place * 7 & 0xFFFF for place in range(512)}

    async def reset(ctx):
        for address in (0, 512):
            ctx.set(bench.dut.araddr, address)
            ctx.set(bench.dut.arlen, 63)
            ctx.set(bench.dut.arvalid, 1)
            await ctx.tick().until(bench.dut.arready)
            ctx.set(bench.dut.arvalid, 0)
        await ctx.tick().repeat(40)
        ctx.set(bench.dut.clear, 1)
        await ctx.tick().repeat(3)
        ctx.set(bench.dut.clear, 0)
        bench.beats.clear()

    bench.run(bench.host(words.items()), reset, bench.fetch([(64, 5)]))
    assert bench.beats == beats_of(words, [(64, 5)], bench.bus)
    assert bench.chip.broken == []
