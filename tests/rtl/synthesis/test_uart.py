"""UART: bytes arrive as they were sent, at the edges of the tolerance, and after noise."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator
from rtl.synthesis.serial_bits import put, receive_serial, send_serial

from sstdp_rtl.boards.uart_receiver import UartReceiver
from sstdp_rtl.boards.uart_transmitter import UartTransmitter


def receive(divisor, stimulus, seconds_of=None):
    """Run ``stimulus(ctx, line)`` into a receiver; return the bytes it gave."""
    dut = UartReceiver(divisor)
    received = []

    async def drive(ctx):
        await stimulus(ctx, dut.rx)
        await ctx.tick().repeat(12 * divisor)

    async def monitor(ctx):
        async for _clk, _rst, valid, payload in ctx.tick().sample(dut.o.valid, dut.o.payload):
            if valid:
                received.append(payload)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.add_testbench(monitor, background=True)
    simulator.run()
    return received


@pytest.mark.parametrize("divisor", [4, 5, 25])
def test_receiver_takes_bytes_back_to_back(divisor):
    data = [0x00, 0xFF, 0xA5, *random.Random(divisor).randbytes(20)]

    async def stimulus(ctx, line):
        await send_serial(ctx, line, data, divisor)

    assert receive(divisor, stimulus) == data


@pytest.mark.parametrize("host_divisor", [96, 104])
def test_receiver_bears_four_percent(host_divisor):
    data = list(random.Random(1).randbytes(8))

    async def stimulus(ctx, line):
        await send_serial(ctx, line, data, host_divisor)

    assert receive(100, stimulus) == data


def test_receiver_drops_noise_and_takes_what_follows():
    async def stimulus(ctx, line):
        ctx.set(line, 0)  # a glitch of less than half a bit
        await ctx.tick().repeat(4)
        ctx.set(line, 1)
        await ctx.tick().repeat(40)
        await send_serial(ctx, line, [0x11], 10)
        ctx.set(line, 0)  # a break: low for much longer than a byte
        await ctx.tick().repeat(500)
        ctx.set(line, 1)
        await ctx.tick().repeat(3)
        await send_serial(ctx, line, [0x22], 10)

    assert receive(10, stimulus) == [0x11, 0x22]


@pytest.mark.parametrize("divisor", [2, 3, 25])
def test_transmitter_sends_bytes_and_then_keeps_the_line_idle(divisor):
    dut = UartTransmitter(divisor)
    generator = random.Random(divisor)
    data = [0x00, 0xFF, 0x5A, *generator.randbytes(10)]
    received, levels = [], []

    async def drive(ctx):
        for byte in data:
            await put(ctx, dut.i, byte)
            await ctx.tick().repeat(generator.choice([0, 0, 1, 20]) + 1)
        await ctx.tick().repeat(11 * divisor)
        levels.append(ctx.get(dut.tx))

    async def monitor(ctx):
        await receive_serial(ctx, dut.tx, divisor, received)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.add_testbench(monitor, background=True)
    simulator.run()
    assert received == data
    assert levels == [1]


def test_transmitter_and_receiver_agree():
    m = Module()
    m.submodules.transmitter = transmitter = UartTransmitter(7)
    m.submodules.receiver = receiver = UartReceiver(7)
    m.d.comb += receiver.rx.eq(transmitter.tx)
    data = list(random.Random(3).randbytes(16))
    received = []

    async def drive(ctx):
        for byte in data:
            await put(ctx, transmitter.i, byte)
        await ctx.tick().repeat(100)

    async def monitor(ctx):
        async for _clk, _rst, valid, payload in ctx.tick().sample(
            receiver.o.valid, receiver.o.payload
        ):
            if valid:
                received.append(payload)

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(drive)
    simulator.add_testbench(monitor, background=True)
    simulator.run()
    assert received == data
