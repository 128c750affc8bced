"""The cocotb side of a test: images to an accelerator with its weights in cocotbext-axi's RAM."""

from __future__ import annotations

import itertools
import json
import os
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge


@cocotb.test()
async def play(dut):
    """Send all images, one pixel a beat, and write down the answers."""
    from cocotbext.axi import AxiRamRead, AxiReadBus

    job = json.loads(Path(os.environ["SSTDP_JOB"]).read_text())
    dut.aresetn.value, dut.s_axis_tvalid.value, dut.m_axis_tready.value = 0, 0, 1
    Clock(dut.aclk, 10, unit="ns").start()
    ram = AxiRamRead(
        AxiReadBus.from_prefix(dut, "m_axi"), dut.aclk, dut.aresetn, reset_active_level=False,
        size=1 << 16,
    )  # fmt: skip
    ram.write(job["base"], bytes.fromhex(job["image"]))
    chance = random.Random(job["seed"])
    for channel in (ram.ar_channel, ram.r_channel):
        channel.set_pause_generator(chance.random() < 0.4 for _ in itertools.count())
    await ClockCycles(dut.aclk, 4)
    await FallingEdge(dut.aclk)
    dut.aresetn.value = 1
    answers = []

    async def listen():
        while True:
            await FallingEdge(dut.aclk)
            if int(dut.m_axis_tvalid.value):
                answers.append(int(dut.m_axis_tdata.value))

    cocotb.start_soon(listen())
    await RisingEdge(dut.aclk)
    for image in job["images"]:
        for place, pixel in enumerate(image):
            dut.s_axis_tdata.value, dut.s_axis_tlast.value = pixel, place == len(image) - 1
            dut.s_axis_tvalid.value = 1
            taken = 0
            while not taken:
                await FallingEdge(dut.aclk)  # what is set at the edge before is settled
                taken = int(dut.s_axis_tready.value)
                await RisingEdge(dut.aclk)
    dut.s_axis_tvalid.value = 0
    for _ in range(job["patience"]):
        if len(answers) >= len(job["images"]):
            break
        await RisingEdge(dut.aclk)
    await ClockCycles(dut.aclk, 64)
    Path(os.environ["SSTDP_ANSWER"]).write_text(json.dumps({"answers": answers}))
