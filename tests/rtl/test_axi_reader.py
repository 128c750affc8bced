"""The read master of AXI4 against a memory that is slow, irregular or broken."""

import random
from collections import deque
from dataclasses import dataclass

import pytest
from amaranth.sim import Simulator

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.axi_read import (
    BOUNDARY,
    DECODE_ERROR,
    OK,
    SLAVE_ERROR,
    TIMEOUT,
    WRONG_LENGTH,
    AxiReadParameters,
)
from sstdp_rtl.gateware.external.reader import AxiReader

RESPONSES = {SLAVE_ERROR: 2, DECODE_ERROR: 3}


@dataclass(frozen=True)
class Fault:
    """What is wrong with the ``number``-th beat of all: a response, `rlast` turned over, or a
    ``pause`` of many cycles before it."""

    number: int
    kind: int
    pause: int = 0


def word_at(address, parameters):
    """What the memory holds: every byte tells its address."""
    data = bytes((address + n) * 37 >> 2 & 255 for n in range(parameters.beat_bytes))
    return int.from_bytes(data, "little")


@dataclass
class Seen:
    """What came of it: beats and how it ended, of every fetch; and every burst."""

    fetches: list
    bursts: list
    cycles: list


def play(parameters, fetches, *, seed=0, latency=(0, 0), stalls=0.0, faults=(), limit=20_000,
         pause=0):  # fmt: skip
    """Fetch, one after the other, with ``pause`` cycles between; ``latency`` of each burst from and
    to, ``stalls`` the chance that an address or a beat waits a cycle more."""
    p, chance = parameters, random.Random(seed)
    dut = AxiReader(p)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    seen, asked = Seen([], [], []), deque()
    faults = {fault.number: fault for fault in faults}

    async def addresses(ctx):
        """Take addresses; one that was offered stays as it is until it is taken."""
        held, cycle = None, 0
        while True:
            ready = chance.random() >= stalls
            ctx.set(dut.arready, ready)
            _, _, valid, address, length, size, burst = await ctx.tick().sample(
                dut.arvalid, dut.araddr, dut.arlen, dut.arsize, dut.arburst
            )
            cycle += 1
            assert held is None or (valid and held == (address, length)), "withdrawn, or changed"
            held = (address, length) if valid and not ready else None
            if valid and ready:
                assert (1 << size, burst) == (p.beat_bytes, 1)
                seen.bursts.append((address, length + 1))
                asked.append((cycle + chance.randint(*latency), address, length + 1))
                assert len(asked) <= p.outstanding

    async def beats(ctx):
        """Give beats, burst by burst."""
        cycle = number = 0
        while True:
            if not asked or asked[0][0] > cycle:
                await ctx.tick()
                cycle += 1
                continue
            _, address, count = asked[0]
            for beat in range(count):
                fault = faults.get(number, Fault(number, OK))
                waits = fault.pause
                while waits or chance.random() < stalls:
                    waits -= bool(waits)
                    await ctx.tick()
                    cycle += 1
                ctx.set(dut.rdata, word_at(address + beat * p.beat_bytes, p))
                ctx.set(dut.rresp, RESPONSES.get(fault.kind, 0))
                ctx.set(dut.rlast, (beat == count - 1) ^ (fault.kind == WRONG_LENGTH))
                ctx.set(dut.rvalid, 1)
                if beat == count - 1:
                    asked.popleft()
                await ctx.tick()
                cycle += 1
                number += 1
                ctx.set(dut.rvalid, 0)

    async def ask(ctx):
        for address, count in fetches:
            ctx.set(dut.i.payload, {"address": address, "beats": count})
            ctx.set(dut.i.valid, 1)
            got, cycle, taken = [], 0, False
            for _ in range(limit):
                _, _, ready, valid, data, done, error = await ctx.tick().sample(
                    dut.i.ready, dut.valid, dut.data, dut.done, dut.error
                )
                cycle += 1
                assert taken or ready, "the fetch before has not ended"
                taken = True
                ctx.set(dut.i.valid, 0)
                if valid:
                    got.append(data)
                if done:
                    break
            else:
                raise AssertionError(f"a fetch did not end within {limit} cycles")
            seen.fetches.append((got, error))
            seen.cycles.append(cycle)
            for _ in range(pause):
                *_, valid, done = await ctx.tick().sample(dut.valid, dut.done)
                assert not valid and not done, "more came out"

    simulator.add_testbench(addresses, background=True)
    simulator.add_testbench(beats, background=True)
    simulator.add_testbench(ask)
    simulator.run()
    return seen


def contents(fetch, parameters):
    address, count = fetch
    step = parameters.beat_bytes
    return [word_at(address + n * step, parameters) for n in range(count)]


def random_fetches(seed, parameters, count=6):
    chance = random.Random(seed)
    step = parameters.beat_bytes
    return [
        (chance.randrange(0, 3 * BOUNDARY, step), chance.randint(1, 3 * parameters.longest))
        for _ in range(count)
    ]


@pytest.mark.parametrize("seed, data_width, longest, outstanding", [
    (0, 16, 16, 1), (1, 32, 8, 2), (2, 64, 4, 3), (3, 128, 1, 4), (4, 32, 64, 2),
])  # fmt: skip
def test_every_beat_in_order_from_legal_bursts(seed, data_width, longest, outstanding):
    parameters = AxiReadParameters(data_width, longest, outstanding)
    fetches = random_fetches(seed, parameters)
    seen = play(parameters, fetches, seed=seed, latency=(0, 12), stalls=0.3, pause=3)
    assert seen.fetches == [(contents(fetch, parameters), OK) for fetch in fetches]
    wanted = [burst for fetch in fetches for burst in parameters.bursts(*fetch)]
    assert seen.bursts == wanted
    for address, count in wanted:
        last = address + count * parameters.beat_bytes - 1
        assert address // BOUNDARY == last // BOUNDARY and 1 <= count <= longest


@pytest.mark.parametrize("longest, outstanding", [(16, 2), (8, 2), (16, 1), (4, 3), (1, 4)])
def test_cycles_are_those_of_the_model(longest, outstanding):
    """If a burst takes longer than the latency, that is paid once; else also between bursts."""
    parameters = AxiReadParameters(32, longest, outstanding)
    for latency in (0, 3, 15, 40):
        for fetch in ((0, 1), (20, 70)):
            seen = play(parameters, [fetch], latency=(latency, latency))
            assert seen.cycles == [parameters.cycles(*fetch, latency)], (fetch, latency)
    assert AxiReadParameters(32, 16).cycles(0, 160, 14) == 160 + 14 + 3


@pytest.mark.parametrize("kind", [SLAVE_ERROR, DECODE_ERROR])
@pytest.mark.parametrize("number", [0, 7, 19])
def test_an_error_is_told_once_and_of_the_right_fetch(kind, number):
    """In the first, a middle and the last beat of the first of three fetches."""
    parameters = AxiReadParameters(32, 8)
    fetches = [(0x40, 20), (0x100, 9), (0x40, 20)]
    seen = play(parameters, fetches, faults=[Fault(number, kind)], latency=(3, 3))
    assert [error for _, error in seen.fetches] == [kind, OK, OK]
    assert [len(got) for got, _ in seen.fetches] == [20, 9, 20]


@pytest.mark.parametrize("number", [0, 7, 19])
def test_after_a_burst_of_the_wrong_length_all_fetches_fail(number):
    seen = play(
        AxiReadParameters(32, 8), [(0x40, 20), (0x100, 9), (0x40, 20)],
        faults=[Fault(number, WRONG_LENGTH)], latency=(3, 3),
    )  # fmt: skip
    assert [error for _, error in seen.fetches] == [WRONG_LENGTH] * 3
    assert [len(got) for got, _ in seen.fetches] == [20, 0, 0]
    assert seen.bursts == AxiReadParameters(32, 8).bursts(0x40, 20)


def test_the_first_of_several_errors_is_told():
    faults = [Fault(4, DECODE_ERROR), Fault(6, SLAVE_ERROR)]
    seen = play(AxiReadParameters(32, 8), [(0, 16)], faults=faults)
    assert seen.fetches[0][1] == DECODE_ERROR


@pytest.mark.parametrize("number", [0, 5, 8, 23])
def test_a_burst_that_stops_ends_the_fetch_and_later_ones_find_the_way_back(number):
    """Fetches fail at once as long as beats are owed; then all is as it was."""
    parameters = AxiReadParameters(32, 8, 2, timeout=50)
    fetches = [(0, 24), *[(0x200, 5)] * 30, (0x80, 24)]
    faults = [Fault(number, OK, pause=200)]
    seen = play(parameters, fetches, faults=faults, latency=(2, 2), pause=10)
    errors = [error for _, error in seen.fetches]
    assert errors[0] == TIMEOUT and errors[-1] == OK
    back = errors.index(OK)
    assert set(errors[:back]) == {TIMEOUT} and set(errors[back:]) == {OK} and back > 1
    assert max(seen.cycles[1:back]) == 1, "refused at once"
    assert len(seen.fetches[0][0]) == number
    assert [got for got, _ in seen.fetches[back:]] == [
        contents(fetch, parameters) for fetch in fetches[back:]
    ]


def test_a_slow_memory_is_no_broken_one():
    """Beats and the taking of an address are progress, however long all of it takes."""
    for parameters, options in (
        (AxiReadParameters(32, 64, timeout=20), {"stalls": 0.5}),
        (AxiReadParameters(32, 8, timeout=17), {"latency": (16, 16)}),
    ):
        seen = play(parameters, [(0, 100), (4, 9)], **options)
        assert [error for _, error in seen.fetches] == [OK, OK]
        assert seen.cycles[0] > 5 * parameters.timeout


def test_an_address_that_is_never_taken_ends_in_a_timeout():
    parameters = AxiReadParameters(32, 8, 2, timeout=20)
    seen = play(parameters, [(0, 24), (0, 24)], stalls=1.0)
    assert [error for _, error in seen.fetches] == [TIMEOUT, TIMEOUT]
    assert seen.cycles[0] <= 30


@pytest.mark.parametrize("changes, message", [
    ({"data_width": 24}, "must be 16, 32, 64 or 128 bits, not 24"),
    ({"data_width": 128, "longest": 512}, "power of two of at most 256 beats, not 512"),
    ({"longest": 12}, "power of two of at most 256 beats, not 12"),
    ({"timeout": 0}, "Timeout of the memory's bus must be at least 1, not 0"),
])  # fmt: skip
def test_what_makes_no_sense(changes, message):
    with pytest.raises(UserError, match=message):
        AxiReadParameters(**changes)
