"""Random traffic where weights stand in an external memory: other weights, and resets at any time,
also while the memory owes beats or is silent."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from cocotb.triggers import ClockCycles

from .memory import PAGE, ReadMemory
from .traffic import KINDS, Broken, Traffic

#: Cycles within which a memory that goes on has given all that it owes.
SOON = 20_000


class OutsideTraffic(Traffic):
    """Traffic with resets that choose among the files of weights in the memory.

    Parameters
    ----------
    dut, job, rng, master
        See `Traffic`.
    memory : ReadMemory
    """

    external = True

    def __init__(
        self, dut: Any, job: dict[str, Any], rng: random.Random, master: Any, memory: ReadMemory
    ) -> None:
        self.memory = memory
        self.base = memory.files[0][0]  # what BASE must hold
        self.owes = False  # the memory, when it became silent
        super().__init__(dut, job, rng, master)

    async def play(self) -> dict[str, Any]:
        try:
            await self._stopped()
        except Broken as broken:
            return {"counts": {}, "replies": [], "packets": 0, "findings": [str(broken)]}
        found = await super().play()
        found["findings"] += self.memory.broken
        return found

    def kinds(self) -> Sequence[tuple[Callable[[Any], Awaitable[None]], int]]:
        """More resets than elsewhere."""
        same = tuple(kind for kind in KINDS if kind[0] is not Traffic.reset)
        cls = type(self)
        return (*same, (cls.reset, 5), (cls.move, 10), (cls.silence, 6))

    async def _stopped(self) -> None:
        """Before the first reset nothing is fetched, and words wait."""
        found = await self._fields("STATUS")
        self._must(found["stopped"] == 1 and not found["owed"], f"at first: {found}")
        self._must(await self._read("BASE") == self.base, "BASE is not as generated")
        await self._send(self.rng.randint(0, len(self._packet(0))))
        await ClockCycles(self.dut.aclk, self.rng.randint(1, 200))
        await self.agree()
        self._must(not any(self.memory.bursts) and not self.memory.owes, "fetched before a start")
        await self.reset()

    # What a driver does.

    async def reset(self) -> None:
        """With these weights or others."""
        if self.rng.random() < 0.6:
            await self.move()
        await self._reset()

    async def _reset(self) -> None:
        self.which = [place for place, _ in self.memory.files].index(self.base)
        self.memory.allowed.add(self.which)
        await super().reset()

    async def _begun(self, status: dict[str, int]) -> None:
        """While the memory owes something words wait, and what is written to BASE comes too
        late."""
        owed = status.pop("owed")
        await super()._begun(status)
        if self.rng.random() < 0.5:
            await self._send(self.rng.randint(1, 8))
        if self.rng.random() < 0.5:
            await self.move()
        if self.memory.silent:
            await self._while_silent()
            owed = 1
        for _ in range(SOON):
            if not owed:
                break
            self.counts["owed"] += 1
            owed = (await self._fields("STATUS"))["owed"]
        self._must(not owed, "the memory goes on, and owes beats for ever")
        self.memory.allowed = {self.which}

    async def move(self) -> None:
        """BASE is written, by bytes or whole; nothing comes of it before the next reset."""
        place, _ = self.rng.choice(self.memory.files)
        word = place | self.rng.randrange(PAGE)
        if self.rng.random() < 0.5:
            for number in self.rng.sample(range(4), 4):
                mask = 255 << 8 * number
                mixed = word & mask | self.rng.getrandbits(32) & ~mask
                await self._write("BASE", mixed, number, 1)
        else:
            await self._write("BASE", word)
        self.base = place
        found = await self._read("BASE")
        self._must(found == place, f"BASE must be {place:#x}, not {found:#x}")

    async def silence(self) -> None:
        """The memory stops, and a reset comes meanwhile: the registers tell of it."""
        self.memory.silent = True
        await ClockCycles(self.dut.aclk, self.rng.randint(1, 300))
        self.owes = self.memory.owes  # and so it stays; if not, it may still become so
        await self._reset()

    async def _while_silent(self) -> None:
        for _ in range(self.rng.randint(1, 20)):
            found = await self._fields("STATUS")
            self._must(found["owed"] == 1 or not self.owes, f"the memory owes beats, but {found}")
            await self.keep()
        self.counts["silent"] += self.owes
        self.memory.silent = False
