"""Each block of the chain alone, with random stalls on both ends."""

import random

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator

from sstdp_hw.blocks.dense import DenseParameters
from sstdp_hw.blocks.pipeline import PIECE, reserve
from sstdp_hw.contract.fields import in_row
from sstdp_hw.network.layers import Dense
from sstdp_rtl.gateware.decision import Decision
from sstdp_rtl.gateware.encoder.bucket import BucketSorter
from sstdp_rtl.gateware.encoder.packet import PacketReader
from sstdp_rtl.gateware.parts.queue import Queue
from sstdp_rtl.gateware.parts.serializer import SpikeSerializer
from sstdp_rtl.gateware.parts.splitter import GroupSplitter
from sstdp_rtl.gateware.parts.streams import layout_of

QUIET = 60


def test_a_table_becomes_a_layout_with_the_same_places():
    fields = in_row((("low", 3, ""), ("high", 2, "")))
    layout = layout_of(fields, 8)
    assert [(name, field.offset, field.width) for name, field in layout] == [
        ("low", 0, 3), ("high", 3, 2), ("zero", 5, 3)
    ]  # fmt: skip
    assert layout_of(fields).size == 5
    with pytest.raises(AssertionError):  # a gap would move all that is behind it
        layout_of((fields[0], fields[1]._replace(offset=4)))


def transact(dut, items, *, stalls, seed=0, prepare=None, limit=20_000):
    """Feed payloads (dicts) to ``dut.i``, collect payloads from ``dut.o`` until it falls quiet."""
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    chance, out, fed = random.Random(seed), [], []

    async def feed(ctx):
        if prepare:
            prepare(ctx)
        for item in items:
            while chance.random() < stalls:
                await ctx.tick()
            ctx.set(dut.i.payload, item)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)
        fed.append(True)

    async def take(ctx):
        quiet, held = 0, None
        for _ in range(limit):
            ready = chance.random() >= stalls
            ctx.set(dut.o.ready, ready)
            _, _, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            assert held is None or (valid and payload == held), "changed while not taken"
            held = payload if valid and not ready else None
            if valid and ready:
                out.append(payload)
            quiet = 0 if valid or not fed else quiet + 1
            if quiet > QUIET:
                return
        raise AssertionError("never quiet")

    simulator.add_testbench(feed)
    simulator.add_testbench(take)
    simulator.run()
    return out


class SorterAndQueue(wiring.Component):
    """A sorter with the queue that gives it room, as the encoder connects them."""

    def __init__(self, lanes, beats, t_max):
        self.sorter = BucketSorter(lanes, beats, t_max)
        self.queue = Queue(self.sorter.o.shape(), reserve=reserve(1))
        super().__init__(
            {"i": self.sorter.signature.members["i"], "o": self.queue.signature.members["o"]}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules += self.sorter, self.queue
        wiring.connect(m, wiring.flipped(self.i), self.sorter.i)
        wiring.connect(m, self.queue.o, wiring.flipped(self.o))
        m.d.comb += [
            self.queue.i.payload.eq(self.sorter.o),
            self.queue.i.valid.eq(self.sorter.valid),
            self.sorter.room.eq(self.queue.has_room),
            self.sorter.go.eq(1),
        ]
        return m


STALLS = pytest.mark.parametrize("stalls", [0.0, 0.4, 0.9])


@STALLS
def test_packet_reader_makes_one_image_of_every_packet(stalls):
    beats, rng = 5, random.Random(3)
    lengths = [5, 3, 5, 9, 1, 5, 6, 4, 11, 5]
    packets = [[rng.randrange(256) for _ in range(length)] for length in lengths]
    items = [
        {"data": beat, "last": number == len(packet) - 1}
        for packet in packets for number, beat in enumerate(packet)
    ]  # fmt: skip
    out = transact(PacketReader(8, beats), items, stalls=stalls)
    wanted = []
    for packet in packets:
        kept = packet[:beats]
        for number, beat in enumerate(kept):
            final = number == len(kept) - 1
            wanted.append((beat, number, final, final and len(packet) != beats))
    found = [(o.data, o.number, bool(o.final), bool(o.final and o.error)) for o in out]
    assert found == wanted


@STALLS
@pytest.mark.parametrize("lanes", [1, 2, 8])
@pytest.mark.parametrize("t_max", [1, 4, 19])
def test_bucket_sorter_emits_every_spike_once_in_order_of_time(lanes, t_max, stalls):
    beats, rng = 6, random.Random(lanes * 100 + t_max)
    images = [
        [[rng.randrange(t_max + 1) for _ in range(lanes)] for _ in range(beats)] for _ in range(4)
    ]
    images[1] = [[t_max] * lanes] * beats  # dark
    images[2] = [[t_max - 1] * lanes] * beats  # all at once
    items = [
        {
            "times": [min(time, t_max - 1) for time in times],
            "fires": sum((time < t_max) << lane for lane, time in enumerate(times)),
            "number": number,
            "final": number == beats - 1,
        }
        for image in images
        for number, times in enumerate(image)
    ]
    out = transact(SorterAndQueue(lanes, beats, t_max), items, stalls=stalls)
    ends = [position for position, item in enumerate(out) if item.end]
    assert len(ends) == len(images)
    start = 0
    for image, end in zip(images, ends, strict=True):
        spikes = out[start:end]
        start = end + 1
        assert {(s.step, s.index) for s in spikes} == {
            (time, number * lanes + lane)
            for number, times in enumerate(image)
            for lane, time in enumerate(times)
            if time < t_max
        }
        steps = [s.step for s in spikes]
        assert steps == sorted(steps)
        last = [
            s.step != following.step or following.end
            for s, following in zip(spikes, out[start - len(spikes) : start], strict=True)
        ]
        assert [bool(s.last) for s in spikes] == [bool(flag) for flag in last]


@pytest.mark.parametrize("after", [1, 3, 10])
def test_a_dropped_image_leaves_nothing_behind(after):
    """After `drop` in the middle of an image the next one comes out as if it were the first."""
    lanes, beats, t_max = 2, 4, 5
    dut = BucketSorter(lanes, beats, t_max)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    out = []

    def beat(number, times):
        return {"times": times, "fires": 3, "number": number, "final": number == beats - 1}

    async def bench(ctx):
        ctx.set(dut.go, 1)
        ctx.set(dut.room, 1)
        for number in range(beats):
            ctx.set(dut.i.payload, beat(number, [number % t_max, 4]))
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        for _ in range(after + 1):
            await ctx.tick()
        ctx.set(dut.drop, 1)
        await ctx.tick()
        ctx.set(dut.drop, 0)
        for number in range(beats):
            ctx.set(dut.i.payload, beat(number, [2, 3]) | {"fires": 1})
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        for _ in range(60):
            _, _, valid, item = await ctx.tick().sample(dut.valid, dut.o)
            if valid:
                out.append(item)

    simulator.add_testbench(bench)
    simulator.run()
    assert [(s.step, s.index) for s in out[:-1]] == [(2, n * lanes) for n in (3, 2, 1, 0)]
    assert out[-1].end


class SplitThenSerialize(wiring.Component):
    """As the top connects them for wide groups."""

    def __init__(self, lanes, neurons_width, step_width):
        self.splitter = GroupSplitter(lanes, neurons_width, step_width)
        self.serializer = SpikeSerializer(PIECE, neurons_width, step_width)
        super().__init__(
            {
                "i": wiring.In(self.splitter.i.signature.flip()),
                "o": wiring.Out(self.serializer.o.signature),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules += [self.splitter, self.serializer]
        wiring.connect(m, wiring.flipped(self.i), self.splitter.i)
        wiring.connect(m, self.splitter.o, self.serializer.i)
        wiring.connect(m, self.serializer.o, wiring.flipped(self.o))
        return m


@STALLS
@pytest.mark.parametrize("lanes", [1, 5, 16, 17, 50])
def test_serializer_emits_each_fired_neuron_and_marks_the_last(lanes, stalls):
    rng = random.Random(lanes)
    items, wanted = [], []
    for tag in range(3):
        for step in sorted(rng.sample(range(16), 4)):
            groups = [rng.getrandbits(lanes) & rng.getrandbits(lanes) for _ in range(3)]
            if not any(groups):
                continue
            neurons = [
                number * lanes + lane
                for number, fired in enumerate(groups) for lane in range(lanes) if fired >> lane & 1
            ]  # fmt: skip
            for number, fired in enumerate(groups):
                if fired or number == 2:  # the layer sends no group in which nothing fired
                    items.append(
                        {"tag": tag, "final": 0, "close": number == 2, "step": step,
                         "base": number * lanes, "fired": fired}
                    )  # fmt: skip
            wanted += [(tag, 0, step, n, n == neurons[-1]) for n in neurons]
        items.append({"tag": tag, "final": 1, "close": 0, "step": 0, "base": 0, "fired": 0})
        wanted.append((tag, 1, 0, 0, False))
    dut = (SplitThenSerialize if lanes > PIECE else SpikeSerializer)(lanes, 8, 4)
    out = transact(dut, items, stalls=stalls)
    found = [
        (o.tag, o.end, 0 if o.end else o.step, 0 if o.end else o.index, bool(o.last)) for o in out
    ]
    assert found == wanted


def decide(groups, *, neurons, lanes, early_exit=True, t_max=9, stalls=0.0):
    """Answers to groups given as (tag, step, base, fired, final, close, potentials)."""
    weight = np.full((neurons, 4), 7, np.int8)
    parameters = DenseParameters(
        "layers.0", Dense(weight, np.zeros(neurons, np.int32), 4), lanes, output=True,
        sources=np.arange(4),
    )  # fmt: skip
    width = parameters.membrane_width
    items = [
        {"tag": tag, "step": step, "base": base, "fired": fired, "final": final, "close": close,
         "v": sum((v & (1 << width) - 1) << lane * width for lane, v in enumerate(potentials))}
        for tag, step, base, fired, final, close, potentials in groups
    ]  # fmt: skip
    out = transact(Decision(parameters, t_max, early_exit), items, stalls=stalls)
    return [(o["class"], o.decision_time, o.silent) for o in out]


@STALLS
def test_decision_takes_the_largest_margin_and_of_equals_the_lowest_index(stalls):
    groups = [
        (0, 3, 0, 0b1011, 0, 1, [5, 9, 20, 9]),  # lane 2 did not fire, 1 and 3 are equal
        (1, 2, 0, 0b1000, 0, 1, [5, 5, 5, 1]),
        (1, 4, 0, 0b0001, 0, 1, [25, 5, 5, 1]),  # stale: the image is decided
        (2, 0, 0, 0b0000, 1, 0, [-9, -3, -3, -7]),  # silent
    ]
    answers = decide(groups, neurons=4, lanes=4, stalls=stalls)
    assert answers == [(1, 3, 0), (3, 2, 0), (1, 9, 1)]


@STALLS
def test_decision_over_several_groups_and_unused_lanes(stalls):
    groups = [
        (0, 1, 0, 0b01, 0, 0, [3, 9]),
        (0, 1, 4, 0b01, 0, 1, [4, 27]),  # the second lane has no neuron
        (1, 0, 0, 0b00, 1, 0, [-5, -6]),
        (1, 0, 2, 0b00, 1, 0, [-5, -4]),
        (1, 0, 4, 0b00, 1, 0, [-4, 27]),
        (2, 7, 2, 0b10, 0, 0, [0, 1]),
        (2, 7, 4, 0b00, 0, 1, [5, 5]),  # only closes the step
    ]
    answers = decide(groups, neurons=5, lanes=2, stalls=stalls)
    assert answers == [(4, 1, 0), (3, 9, 1), (3, 7, 0)]


def test_decision_without_early_exit_answers_at_the_end():
    groups = [
        (0, 3, 0, 0b10, 0, 1, [1, 2]),
        (0, 5, 0, 0b01, 0, 1, [20, 2]),
        (0, 0, 0, 0b00, 1, 0, [20, 2]),
        (1, 0, 0, 0b00, 1, 0, [-1, -2]),
    ]
    answers = decide(groups, neurons=2, lanes=2, early_exit=False)
    assert answers == [(1, 3, 0), (0, 9, 1)]


def test_stale_groups_never_reach_the_serializer_output():
    dut = SpikeSerializer(4, 4, 4)
    items = [
        {"tag": tag, "final": 0, "close": 1, "step": 1, "base": 0, "fired": 0b11} for tag in (0, 1)
    ]
    out = transact(dut, items, stalls=0.0, prepare=lambda ctx: ctx.set(dut.oldest, 1))
    assert [o.tag for o in out] == [1, 1]
