"""An external memory on the ports ``m_axi_*``, inside the simulator: it gives what it is asked for,
late and with pauses, or fails, and finds what AXI forbids its master."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge

PAGE = 4096
INCR = 1
OKAY, SLVERR, DECERR = 0, 2, 3
#: How a burst fails: by what a beat of it says, or so late that nobody waits for it any more.
ERRORS = {"slverr": SLVERR, "decerr": DECERR}
LATE = "late"
#: Cycles that a late one takes more than `AxiReadParameters.timeout`, at most.
LATER = 1000


@dataclass
class Burst:
    """A burst that was asked for: the cycle of its first beat at the earliest, and its beats, each
    with what the memory says of it."""

    due: int
    beats: list[tuple[int, int]]


class ReadMemory:
    """Files of weights at their addresses, behind the read channels.

    All happens at falling edges, where nothing of the design changes.

    Parameters
    ----------
    dut : handle
    job : dict
        ``places``: address of each file, ``files``: its bytes in hexadecimal; ``latency``: cycles
        from an address to its first beat, from and to; ``stalls``: the chance that an address or a
        beat waits a cycle more; ``outstanding``: bursts at most. ``fails``: the chance that a burst
        does; ``faults``: pairs of the number of a burst that does and how; ``timeout``: cycles
        after which it is late.
    rng : random.Random

    Attributes
    ----------
    allowed : set of int
        Numbers of the files that may be read now.
    silent : bool
        It takes and gives nothing.
    bursts : list of int
        Of each file, how many were asked for.
    failed : int
        Bursts that failed.
    broken : list of str
        What a master must not do and was done, the first of each kind.
    """

    def __init__(self, dut: Any, job: dict[str, Any], rng: random.Random) -> None:
        self.dut, self.rng, self.stalls = dut, rng, job["stalls"]
        self.first, self.last = job["latency"]
        self.outstanding = job["outstanding"]
        self.fails, self.timeout = job["fails"], job["timeout"]
        self.faults: dict[int, str] = dict(job["faults"])
        self.failed = self._numbered = 0
        files = zip(job["places"], map(bytes.fromhex, job["files"]), strict=True)
        self.files: list[tuple[int, bytes]] = list(files)
        self.bytes = len(dut.m_axi_rdata) // 8
        self.allowed: set[int] = set()
        self.silent = False
        self.bursts = [0] * len(self.files)
        self.broken: list[str] = []
        self._asked: deque[Burst] = deque()
        self._held: tuple[int, ...] | None = None  # an address that was offered and not taken
        self._gives = False  # a beat is offered and was not taken
        dut.m_axi_arready.value = dut.m_axi_rvalid.value = 0
        cocotb.start_soon(self._run())

    @property
    def owes(self) -> bool:
        """Whether a burst has not ended, or an address waits."""
        return bool(self._asked) or self._held is not None

    async def _run(self) -> None:
        cycle = 0
        while True:
            await FallingEdge(self.dut.aclk)
            self._addresses(cycle)
            self._beats(cycle)
            cycle += 1

    def _waits(self) -> bool:
        return self.silent or self.rng.random() < self.stalls

    def _addresses(self, cycle: int) -> None:
        dut = self.dut
        ready = not self._waits()
        dut.m_axi_arready.value = int(ready)
        offered = None
        if int(dut.m_axi_arvalid.value):
            channel = (dut.m_axi_araddr, dut.m_axi_arlen, dut.m_axi_arsize, dut.m_axi_arburst)
            offered = tuple(int(signal.value) for signal in channel)
        if self._held is not None and offered != self._held:
            self._must(False, f"an address was withdrawn: {self._held}, then {offered}")
        self._held = offered if not ready else None
        if offered is not None and ready:
            self._take(cycle, *offered)

    def _take(self, cycle: int, address: int, length: int, size: int, kind: int) -> None:
        beats = length + 1
        end = address + (beats << size)
        self._must(1 << size == self.bytes and kind == INCR, f"size {size}, burst {kind}")
        self._must(address // PAGE == (end - 1) // PAGE, f"a burst at {address:#x} crosses a page")
        which = next((number for number, (place, data) in enumerate(self.files)
                      if place <= address and end <= place + len(data)), None)  # fmt: skip
        if which is None or which not in self.allowed:
            self._must(False, f"{beats} beats at {address:#x}, where nothing may be read")
            words = [0] * beats
        else:
            self.bursts[which] += 1
            place, data = self.files[which]
            words = [
                int.from_bytes(data[at - place : at - place + self.bytes], "little")
                for at in range(address, end, self.bytes)
            ]
        due = cycle + 1 + self.rng.randint(self.first, self.last)
        self._asked.append(self._failing(Burst(due, [(word, OKAY) for word in words])))
        self._must(len(self._asked) <= self.outstanding, f"{len(self._asked)} bursts at once")

    def _failing(self, burst: Burst) -> Burst:
        """What comes of the next burst. A beat with an error has anything in it."""
        kind = self.faults.get(self._numbered)
        self._numbered += 1
        if self.fails and self.rng.random() < self.fails:
            kind = self.rng.choice([*list(ERRORS) * 4, LATE])
        if kind is None:
            return burst
        self.failed += 1
        if kind == LATE:
            burst.due += self.timeout + self.rng.randint(1, LATER)
            return burst
        place = self.rng.randrange(len(burst.beats))
        burst.beats[place] = self.rng.getrandbits(8 * self.bytes), ERRORS[kind]
        return burst

    def _beats(self, cycle: int) -> None:
        dut = self.dut
        if not self._gives:
            there = bool(self._asked) and self._asked[0].due <= cycle
            self._gives = there and not self._waits()
        dut.m_axi_rvalid.value = int(self._gives)
        if not self._gives:
            return
        burst = self._asked[0]
        dut.m_axi_rdata.value, dut.m_axi_rresp.value = burst.beats[0]
        dut.m_axi_rlast.value = int(len(burst.beats) == 1)
        if int(dut.m_axi_rready.value):
            self._gives = False
            del burst.beats[0]
            if not burst.beats:
                self._asked.popleft()

    def _must(self, true: bool, otherwise: str) -> None:
        if not true and len(self.broken) < 5:
            self.broken.append(otherwise)
