"""The cocotb side: runs inside the simulator, one process per job.

What the answers should be is not known here. The job comes from the JSON file that the environment
variable ``SSTDP_JOB`` names; ``SSTDP_ANSWER`` is written at the end.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, with_timeout

from sstdp_hw.contract.bus_driver import BusDriver, marked
from sstdp_hw.contract.registers import flags

from .masters import MASTERS
from .memory import ReadMemory
from .outside import OutsideTraffic
from .traffic import Traffic

PERIOD_NS = 10
SETTLED = 300  # cycles after a reset in which memories are made ready
SOON = 100_000  # cycles after which an interrupt is overdue


@cocotb.test()
async def play(dut: Any) -> None:
    """Reset, play the job, write what came of it."""
    job = json.loads(Path(os.environ["SSTDP_JOB"]).read_text())
    rng = random.Random(job.get("seed", 1))
    dut.aresetn.value = 0
    Clock(dut.aclk, PERIOD_NS, unit="ns").start()
    master = MASTERS[job["bus"]](dut, rng, job.get("pause", 0))
    memory = None
    if "memory" in job:
        memory = ReadMemory(dut, job["memory"], random.Random(rng.random()))
    await ClockCycles(dut.aclk, 4)
    await FallingEdge(dut.aclk)
    dut.aresetn.value = 1
    found = await JOBS[job["kind"]](dut, job, rng, master, memory)
    if memory is not None:
        found["memory"] = {
            "bursts": memory.bursts, "failed": memory.failed, "broken": memory.broken
        }  # fmt: skip
    Path(os.environ["SSTDP_ANSWER"]).write_text(json.dumps(found))


async def _drive(
    dut: Any, job: dict[str, Any], rng: random.Random, master: Any, memory: ReadMemory | None
) -> dict[str, Any]:
    """The driver as a user calls it: samples, or packets in groups that are held until they are
    whole. With ``interrupt`` nobody asks for a group's answers before it says that one waits. With
    weights in an external memory ``weights`` tells for each group which of them it starts with."""

    def read(address: int) -> int:
        word, error = resume(master.read)(address)
        assert not error, f"read of 0x{address:02x} failed"
        return int(word)

    def write(address: int, word: int) -> None:
        assert not resume(master.write)(address, word), f"write to 0x{address:02x} failed"

    async def settle() -> None:
        await ClockCycles(dut.aclk, SETTLED)

    async def interrupted() -> None:
        if not int(dut.irq.value):
            await with_timeout(RisingEdge(dut.irq), SOON * PERIOD_NS, "ns")

    def use() -> dict[str, Any]:
        driver = BusDriver(
            read, write, digest=job["digest"], base=job.get("base", 0),
            patience=job.get("patience", 1000),
        )  # fmt: skip
        replies = []
        for number, group in enumerate(job["groups"]):
            if memory is not None:
                which = job["weights"][number]
                memory.allowed.add(which)
                driver.start(memory.files[which][0])
                memory.allowed = {which}
            if job.get("reset"):
                driver.reset()
                resume(settle)()
            if job.get("interrupt"):
                driver.write("ENABLE", flags(answer=1))
            driver.hold(job["hold"])
            if job["hold"]:
                words = marked(group)
                assert driver.send_blindly(words) == len(words), "a group must fit the queue"
                driver.hold(False)
                if job.get("interrupt"):
                    resume(interrupted)()
                replies += driver.collect(len(group))
            else:
                replies += driver.play(group)
        return {"replies": [[reply.word, reply.cycles] for reply in replies],
                "status": driver.read("STATUS")}  # fmt: skip

    found: dict[str, Any] = await bridge(use)()
    return found


async def _traffic(
    dut: Any, job: dict[str, Any], rng: random.Random, master: Any, memory: ReadMemory | None
) -> dict[str, Any]:
    if memory is not None:
        return await OutsideTraffic(dut, job, rng, master, memory).play()
    return await Traffic(dut, job, rng, master).play()


#: What can be played, by name.
JOBS = {"drive": _drive, "traffic": _traffic}
