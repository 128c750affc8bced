"""The cocotb side of the co-simulation: runs inside the simulator, one process per shard.

Reads its job from the ``.npz`` file that the environment variable ``SSTDP_JOB`` names and writes
``SSTDP_ANSWER``. What the answers should be is not known here.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, Timer, ValueChange, with_timeout

PERIOD_NS = 10
PROGRESS_EVERY = 20
NOBODY = 1 << 30  # stands for an index that no pixel has


@cocotb.test()
async def play(dut: Any) -> None:
    """Play all packets back to back and write down every answer with the cycle it came in."""
    with np.load(os.environ["SSTDP_JOB"], allow_pickle=False) as opened:
        job = {name: opened[name] for name in opened.files}
    settings = json.loads(str(job["settings"]))
    for name in ("gap_chance", "stall_chance", "random_seed"):
        getattr(dut, name).value = settings[name]
    dut.next_flag.value = 0
    dut.next_packet.value = 0
    dut.next_beats.value = 0
    dut.next_last.value = 1
    dut.rst_n.value = 0
    Clock(dut.clk, PERIOD_NS, unit="ns").start()
    await ClockCycles(dut.clk, 4)
    dut.rst_n.value = 1
    await RisingEdge(dut.clk)
    await Timer(1, unit="ns")

    cocotb.start_soon(_feed(dut, job["packets"], job["beats"], job["last"]))
    spikes: list[list[int]] = []
    if settings["probes"]:
        cocotb.start_soon(_watch(dut, settings["probes"], spikes))
    answers: list[int] = []
    cycles: list[int] = []
    count = settings["answers"]
    progress = Path(os.environ["SSTDP_ANSWER"] + ".progress")
    stop = Path(os.environ["SSTDP_STOP"])
    timeout = settings["timeout_cycles"] * PERIOD_NS
    while len(answers) < count:
        try:
            await with_timeout(ValueChange(dut.result_flag), timeout, "ns")
        except cocotb.triggers.SimTimeoutError:
            break  # the answers that are missing are the finding
        answers.append(int(dut.result.value))
        cycles.append(int(dut.result_cycle.value))
        if stop.exists():
            return
        if len(answers) % PROGRESS_EVERY == 0:
            progress.write_text(str(len(answers)))
    if len(answers) == count:  # and nothing more comes out
        await ClockCycles(dut.clk, settings["quiet_cycles"])
    extra = int(dut.result_flag.value) != len(answers) % 2
    with open(os.environ["SSTDP_ANSWER"], "wb") as file:
        np.savez(
            file,
            answers=np.array(answers, np.uint32),
            cycles=np.array(cycles, np.int64),
            first_cycle=np.int64(int(dut.first_cycle.value)),
            extra=np.bool_(extra),
            violated=np.bool_(int(dut.violated.value)),
            spikes=np.array(spikes, np.int64).reshape(-1, 4),
        )


async def _feed(dut: Any, packets: Any, beats: Any, last: Any) -> None:
    """Hand over one packet after another, each as soon as the one before is being played."""
    for number, (packet, length, wanted) in enumerate(zip(packets, beats, last, strict=True)):
        dut.next_packet.value = int.from_bytes(packet.tobytes(), "little")
        dut.next_beats.value = int(length)
        dut.next_last.value = int(wanted)
        dut.next_flag.value = 1 - number % 2
        await ValueChange(dut.taken_flag)


async def _watch(dut: Any, probes: list[dict[str, Any]], spikes: list[list[int]]) -> None:
    """Note every spike at every probe as (probe, tag, step, neuron), cycle by cycle.

    The end of an image is noted with neuron -1.
    """
    watched = []
    for number, probe in enumerate(probes):
        scope = dut.dut
        for name in probe["scope"]:
            scope = scope[name]
        fields = {field["name"]: (field["lsb"], field["width"]) for field in probe["fields"]}
        signals = scope[probe["valid"]], scope[probe["payload"]]
        watched.append((number, *signals, fields, probe.get("indices")))
    while True:
        await RisingEdge(dut.clk)
        for number, valid, payload, fields, indices in watched:
            if valid.value.is_resolvable and int(valid.value):
                item = _unpack(int(payload.value), fields)
                head = [number, item["tag"], item["step"]]
                spikes.extend([*head, neuron] for neuron in _neurons(item, indices))


def _unpack(word: int, fields: dict[str, tuple[int, int]]) -> dict[str, int]:
    return {name: word >> lsb & ((1 << width) - 1) for name, (lsb, width) in fields.items()}


def _neurons(item: dict[str, int], indices: list[int] | None) -> list[int]:
    """The neurons that an event or a group stands for; -1 for the end of the image.

    ``indices`` names what the event's indices stand for, where it is not the index itself.
    """
    if item.get("end") or item.get("final"):
        return [-1]
    if "index" in item:
        if indices is None:
            return [item["index"]]
        neuron = indices[item["index"]] if item["index"] < len(indices) else -1
        return [NOBODY if neuron < 0 else neuron]
    fired = item["fired"]
    return [item["base"] + lane for lane in range(fired.bit_length()) if fired >> lane & 1]
