"""Random traffic on a bus, inside the simulator, with what must be true after each access.

Everything a driver may do comes, and everything it should not: words when the queue is full, reads
of an empty one, parts of registers, addresses of none, resets in the middle of a packet. Which
words were taken is known from REFUSED alone, as a driver knows it; the others are written again.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from sstdp_hw.blocks.hardware import AXI_LITE
from sstdp_hw.contract.registers import (
    ADDRESS_WIDTH,
    OFFSETS,
    REGISTER_BYTES,
    by_name,
    field_values,
    flags,
)

QUIET_CYCLES = 2000
LONGEST_BURST = 24
_ALL = (1 << 32) - 1


class Broken(Exception):
    """Something that must be true is not."""


class Traffic:
    """One run.

    Parameters
    ----------
    dut, rng, master
        See `masters`.
    job : dict
        ``packets``: words of each, played in turn; ``transactions``: how many accesses, at least;
        ``constants``: what registers must hold, by name; ``depth``: words of the input queue.

    Attributes
    ----------
    replies : list of (int, int, int)
        Of each answer: the word, its cycles, and with weights in an external memory which of them
        it comes from.
    """

    #: Whether weights stand in an external memory.
    external = False

    def __init__(self, dut: Any, job: dict[str, Any], rng: random.Random, master: Any) -> None:
        self.dut, self.job, self.rng, self.master = dut, job, rng, master
        self.axi = job["bus"] == AXI_LITE
        self.packets: list[list[int]] = job["packets"]
        self.counts: Counter[str] = Counter()
        self.replies: list[tuple[int, int, int]] = []
        self.which = 0
        self.registers = by_name(self.external)
        mapped = {OFFSETS[name] for name in self.registers}
        self.unmapped = sorted(set(range(0, 1 << ADDRESS_WIDTH, REGISTER_BYTES)) - mapped)
        self._begin_at(0)

    def _begin_at(self, packet: int) -> None:
        """All is as after a reset, and this packet is the next one."""
        self.packet, self.word = packet, 0  # what is written next
        self.window: list[tuple[int, int]] = []  # written, and not known whether taken
        self.taken_to = (packet, 0)  # what is taken next
        self.scratch = self.enabled = 0
        self.fault = self.held = False

    async def play(self) -> dict[str, Any]:
        """Play so many transactions, then until every packet taken is answered."""
        kinds, weights = zip(*self.kinds(), strict=True)
        findings = []
        try:
            while self.counts["transactions"] < self.job["transactions"]:
                (kind,) = self.rng.choices(kinds, weights)
                await kind(self)
            await self._end()
        except Broken as broken:
            findings.append(f"after {self.counts['transactions']} transactions: {broken}")
        return {
            "counts": dict(self.counts), "replies": self.replies, "findings": findings,
            "packets": self.taken_to[0],
        }  # fmt: skip

    def kinds(self) -> Sequence[tuple[Callable[[Any], Awaitable[None]], int]]:
        """What comes, and how often of each thousand or so."""
        return KINDS

    async def _end(self) -> None:
        await self._write("CONTROL", 0)
        self.held = False
        await self.agree()
        while self.taken_to[1] or self.taken_to[0] == 0:  # the packet that has begun
            await self._send(1)
            await self.agree()
        for _ in range(1000 * (self.taken_to[0] + 1)):
            if len(self.replies) == self.taken_to[0]:
                break
            await self.take()
        self._must(
            len(self.replies) == self.taken_to[0],
            f"{self.taken_to[0]} packets were taken, {len(self.replies)} answered",
        )
        await ClockCycles(self.dut.aclk, QUIET_CYCLES)
        self._must(not await self._read("ANSWER"), "an answer too many")
        levels, status = await self._fields("LEVELS"), await self._fields("STATUS")
        self._must(levels == {"free": self.job["depth"], "answers": 0}, f"at rest: {levels}")
        self._must(not any(status.values()), f"at rest: {status}")

    # What a driver does.

    async def send(self) -> None:
        """Words without a look at the room, one by one or back to back."""
        await self._send(self.rng.randint(1, LONGEST_BURST))

    async def agree(self) -> None:
        """What of the words written was taken?"""
        status = await self._fields("STATUS")
        refused = await self._read("REFUSED")
        self._must(refused <= len(self.window), f"{refused} refused of {len(self.window)} words")
        self._must(status["refusing"] == (refused > 0), f"{refused} refused, but {status}")
        taken = self.window[: len(self.window) - refused]
        if taken:
            packet, word = taken[-1]
            ends = word == len(self._packet(packet)) - 1
            self.taken_to = (packet + 1, 0) if ends else (packet, word + 1)
        self._must(status["open"] == (self.taken_to[1] > 0), f"next {self.taken_to}, but {status}")
        self.window = []
        self.packet, self.word = self.taken_to
        if refused:
            self.counts["refused"] += refused
            pending = await self._fields("PENDING")
            self._must(pending["refused"] == 1, f"words were refused, but {pending}")
            await self._write("PENDING", flags(refused=1))
            self._must(await self._read("REFUSED") == 0, "REFUSED was not cleared")

    async def take(self) -> None:
        """Answers, also where there is none."""
        for _ in range(self.rng.randint(1, 4)):
            await self._take()

    async def levels(self) -> None:
        """What LEVELS promises is kept: so many words, so many answers."""
        await self.agree()
        levels = await self._fields("LEVELS")
        self._must(levels["free"] <= self.job["depth"], f"more room than there is: {levels}")
        for _ in range(levels["answers"] if self.rng.random() < 0.5 else 0):
            self._must(await self._take(), f"no answer at {levels}")
        if self.rng.random() < 0.5:
            await self._send(min(levels["free"], 2 * LONGEST_BURST))
            self._must(await self._read("REFUSED") == 0, f"a word was refused at {levels}")

    async def hold(self) -> None:
        """The accelerator waits, or goes on."""
        self.held = not self.held
        await self._write("CONTROL", self.held << 1)
        found = await self._fields("CONTROL")
        self._must(found == {"reset": 0, "hold": int(self.held)}, f"CONTROL is {found}")

    async def interrupt(self) -> None:
        """The line follows causes and ENABLE."""
        self.enabled = self.rng.randrange(16)
        await self._write("ENABLE", self.enabled)
        self._must(await self._read("ENABLE") == self.enabled, "ENABLE")
        before = await self._read("PENDING")
        line = int(self.dut.irq.value)
        if before == await self._read("PENDING"):  # nothing changed meanwhile
            self._must(line == ((before & self.enabled) != 0),
                       f"irq is {line} at {before:04b}, enabled {self.enabled:04b}")  # fmt: skip
        found = field_values("PENDING", before)
        self._must(found["fault"] == self.fault, f"fault must be {self.fault}, in {found}")
        if found["answer"]:
            self._must(await self._take(), "no answer, though one is pending")
        cleared = self.rng.randrange(2)
        await self._write("PENDING", flags(fault=cleared, answer=1, room=1))
        self.fault = self.fault and not cleared
        found = await self._fields("PENDING")
        self._must(found["fault"] == self.fault, f"fault must be {self.fault}, in {found}")

    async def pause(self) -> None:
        """Nothing."""
        await ClockCycles(self.dut.aclk, self.rng.choice((1, 2, 3, 10, 100)))

    async def reset(self) -> None:
        """What was taken and not answered is forgotten, and played again."""
        self.counts["resets"] += 1
        await self._write("CONTROL", 1)
        self._begin_at(len(self.replies))
        for name in ("REFUSED", "ENABLE", "SCRATCH", "CONTROL", "CYCLES"):
            self._must(await self._read(name) == 0, f"{name} is not 0 after a reset")
        levels = await self._fields("LEVELS")
        self._must(levels == {"free": self.job["depth"], "answers": 0}, f"after reset: {levels}")
        await self._begun(await self._fields("STATUS"))

    async def _begun(self, status: dict[str, int]) -> None:
        """What STATUS must be after a reset."""
        self._must(not any(status.values()), f"after a reset: {status}")

    # What is kept, and what must be refused.

    async def keep(self) -> None:
        """SCRATCH, by bytes."""
        word, first = self.rng.getrandbits(32), self.rng.randrange(4)
        count = self.rng.randint(1, 4 - first)
        mask = ((1 << 8 * count) - 1) << 8 * first
        await self._write("SCRATCH", word, first, count)
        self.scratch = self.scratch & ~mask & _ALL | word & mask
        self._must(await self._read("SCRATCH") == self.scratch, "SCRATCH lost a byte")

    async def constant(self) -> None:
        """What tells the accelerator from others."""
        name = self.rng.choice(list(self.job["constants"]))
        expected, found = self.job["constants"][name], await self._read(name)
        self._must(found == expected, f"{name} must be 0x{expected:08x}, not 0x{found:08x}")

    async def nowhere(self) -> None:
        """An address of no register."""
        address = self.rng.choice(self.unmapped)
        if self.rng.random() < 0.5:
            word, error = await self._access(self.master.read(address))
            self._must(error and not word, f"read of 0x{address:02x}: {word}, error {error}")
        else:
            error = await self._access(self.master.write(address, self.rng.getrandbits(32)))
            self._must(error, f"write to 0x{address:02x} was no error")
        self.fault = True
        self.counts["errors"] += 1

    async def misuse(self) -> None:
        """A write to what is only read, or a part of what is whole."""
        name = self.rng.choice([name for name, found in self.registers.items()
                                if found.whole or not found.writes])  # fmt: skip
        word, first = self.rng.getrandbits(32), self.rng.randrange(4)
        count = self.rng.randint(1, min(3, 4 - first))
        error = await self._access(self.master.write(OFFSETS[name], word, first, count))
        self._must(error, f"a write of {count} bytes to {name} was no error")
        self.fault = True
        self.counts["errors"] += 1

    async def glimpse(self) -> None:
        """A part of an answer, which takes none. AXI has no such reads."""
        if self.axi:
            return
        found = self.master.read_part(OFFSETS["ANSWER"], self.rng.randrange(15))
        word, error = await self._access(found)
        self._must(error and not word, f"a part of ANSWER was 0x{word:08x}, error {error}")
        self.fault = True
        self.counts["errors"] += 1

    # One access.

    async def _send(self, count: int) -> None:
        together = self.axi and self.rng.random() < 0.5
        tasks = []
        for _ in range(count):
            packet = self._packet(self.packet)
            last = self.word == len(packet) - 1
            name = "INPUT_LAST" if last else "INPUT"
            write = self._write(name, packet[self.word])
            if together:
                tasks.append(cocotb.start_soon(write))
            else:
                await write
            self.window.append((self.packet, self.word))
            self.packet, self.word = (self.packet + 1, 0) if last else (self.packet, self.word + 1)
            self.counts["words"] += 1
        if together and self.rng.random() < 0.5:  # a read at the same time
            await self._take()
        for task in tasks:
            await task

    async def _take(self) -> bool:
        word = await self._read("ANSWER")
        if not word >> 31:
            self._must(word == 0, f"no answer, but 0x{word:08x}")
            self.counts["empty"] += 1
            return False
        self.replies.append((word & _ALL >> 1, await self._read("CYCLES"), self.which))
        return True

    async def _read(self, name: str) -> int:
        word, error = await self._access(self.master.read(OFFSETS[name]))
        self._must(not error, f"read of {name} was an error")
        return int(word)

    async def _fields(self, name: str) -> dict[str, int]:
        return field_values(name, await self._read(name))

    async def _write(self, name: str, word: int, first: int = 0, count: int = 4) -> None:
        error = await self._access(self.master.write(OFFSETS[name], word, first, count))
        self._must(not error, f"write to {name} was an error")

    async def _access(self, access: Awaitable[Any]) -> Any:
        self.counts["transactions"] += 1
        return await access

    def _packet(self, number: int) -> list[int]:
        return self.packets[number % len(self.packets)]

    def _must(self, true: bool, otherwise: str) -> None:
        if not true:
            raise Broken(otherwise)


#: What comes, whatever the accelerator is.
KINDS: tuple[tuple[Callable[[Traffic], Awaitable[None]], int], ...] = (
    (Traffic.send, 250), (Traffic.agree, 80), (Traffic.take, 250), (Traffic.levels, 80),
    (Traffic.hold, 20), (Traffic.interrupt, 50), (Traffic.pause, 90), (Traffic.reset, 2),
    (Traffic.keep, 50), (Traffic.constant, 50), (Traffic.nowhere, 40), (Traffic.misuse, 40),
    (Traffic.glimpse, 40),
)  # fmt: skip
