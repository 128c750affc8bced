"""The cocotb side of `test_serial_chain`: plays bytes on ``rx`` and writes down those on ``tx``.

Runs inside the simulator, with the job in the file that ``SERIAL_JOB`` names.
"""

import json
import os
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

CYCLE_NS = 10


@cocotb.test()
async def play(dut):
    job = json.loads(Path(os.environ["SERIAL_JOB"]).read_text())
    bit = job["divisor"] * CYCLE_NS
    received = []

    async def listen():
        while True:
            await FallingEdge(dut.tx)
            await Timer(bit + bit // 2, "ns")
            byte = 0
            for place in range(8):
                byte |= int(dut.tx.value) << place
                await Timer(bit, "ns")
            assert int(dut.tx.value) == 1, "stop bit"
            received.append(byte)

    dut.rx.value = 1
    dut.rst.value = 1
    Clock(dut.clk, CYCLE_NS, "ns").start()
    await Timer(20 * CYCLE_NS + 1, "ns")
    dut.rst.value = 0
    cocotb.start_soon(listen())
    for part in job["parts"]:
        for byte in bytes.fromhex(part["bytes"]):
            for level in (0, *(byte >> place & 1 for place in range(8)), 1):
                dut.rx.value = level
                await Timer(bit, "ns")
        # The host waits for the answers, and after an error for a quiet line.
        for _ in range(part["wait"]):
            if len(received) >= part["received"]:
                break
            await Timer(bit, "ns")
    await Timer(200 * bit, "ns")
    Path(job["answer"]).write_text(bytes(received).hex())
