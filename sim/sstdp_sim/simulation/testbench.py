"""The cocotb side of the co-simulation: runs inside the simulator, one process per shard.

Gives clock, reset and traffic to the harness, which plays the packets, and sleeps until the next
burst of answers. What the answers should be is not known here. Settings come from the JSON file
that the environment variable ``SSTDP_JOB`` names; ``SSTDP_ANSWER`` is written at the end.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, ValueChange


@cocotb.test()
async def play(dut: Any) -> None:
    """Play every run, with a reset before it, and wait for the answers."""
    job = json.loads(Path(os.environ["SSTDP_JOB"]).read_text())
    for name, value in job["settings"].items():
        getattr(dut, name).value = value
    dut.rst_n.value = 0
    Clock(dut.clk, job["period_ns"], unit="ns").start()
    runs, before = [], 0
    for run in job["runs"]:
        for name, value in run.items():
            getattr(dut, name).value = value
        dut.rst_n.value = 0
        await ClockCycles(dut.clk, 4)
        dut.rst_n.value = 1
        found = await _answers(dut, before)
        runs.append(found)
        before += found["answered"]
    Path(os.environ["SSTDP_ANSWER"]).write_text(json.dumps({"runs": runs}))


async def _answers(dut: Any, before: int) -> dict[str, Any]:
    """Wait for the end of one run."""
    progress = Path(os.environ["SSTDP_ANSWER"] + ".progress")
    while True:
        await ValueChange(dut.wake)
        answered = int(dut.answered.value)
        if int(dut.done.value):
            return {"answered": answered, "violated": bool(int(dut.violated.value))}
        progress.write_text(str(before + answered))
