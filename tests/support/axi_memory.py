"""An external memory behind the read channels of AXI4, for Amaranth's simulator: slow, irregular or
broken as one likes."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

RESPONSES = {"slverr": 2, "decerr": 3}


@dataclass
class AxiMemory:
    """A memory and how it behaves.

    Parameters
    ----------
    contents : bytes
    base : int
        Address of the first byte.
    latency : (int, int)
        Cycles from an address to its first beat, from and to; one more than these.
    interval : int
        Cycles from a beat to the next one at least, also of another burst.
    stalls : float
        The chance that an address or a beat waits a cycle more.
    faults : dict of int to str
        By the number of the burst, what is wrong with it: ``slverr`` or ``decerr`` in its last
        beat, ``early`` or ``late`` for `rlast`, ``extra`` for one that has a beat more, ``never``
        for one that stops before its last beat.
    pause : int
        Cycles after which a burst that stopped goes on.

    Attributes
    ----------
    bursts : list of (int, int)
        Address and beats of all that were asked for.
    """

    contents: bytes
    base: int = 0
    latency: tuple[int, int] = (0, 0)
    interval: int = 1
    stalls: float = 0.0
    faults: dict[int, str] = field(default_factory=dict)
    pause: int = 0
    seed: int = 0
    bursts: list[tuple[int, int]] = field(default_factory=list)

    def _tells_base(self, dut):
        """Tell the accelerator in reset where the contents begin, and something else otherwise; the
        bits within a page are anything."""
        chance = random.Random(self.seed + 1)

        async def tell(ctx):
            async for (up,) in ctx.changed(dut.aresetn):
                page = chance.randrange(1 << 20) if up else self.base >> 12
                ctx.set(dut.m_axi_base, page << 12 | chance.randrange(1 << 12))

        return tell

    def attach(self, simulator, dut):
        """Connect it to the accelerator's ports, with two testbenches of its own."""
        chance, asked, resets = random.Random(self.seed), deque(), [0]
        if hasattr(dut, "m_axi_base"):
            simulator.add_testbench(self._tells_base(dut), background=True)

        async def addresses(ctx):
            cycle, held = 0, None
            while True:
                ready = chance.random() >= self.stalls
                ctx.set(dut.m_axi_arready, ready)
                _, _, up, valid, address, length, size = await ctx.tick().sample(
                    dut.aresetn, dut.m_axi_arvalid, dut.m_axi_araddr, dut.m_axi_arlen,
                    dut.m_axi_arsize,
                )  # fmt: skip
                cycle += 1
                if not up:
                    held = None
                    asked.clear()
                    resets[0] += 1
                    continue
                assert held is None or (valid and held == address), "withdrawn, or changed"
                held = address if valid and not ready else None
                if valid and ready:
                    count = length + 1
                    assert address // 4096 == (address + (count << size) - 1) // 4096
                    self.bursts.append((address, count))
                    asked.append((cycle + chance.randint(*self.latency), address, count, size,
                                  self.faults.get(len(self.bursts) - 1)))  # fmt: skip

        async def beats(ctx):
            cycle, free = 0, 0
            while True:
                if not asked or max(asked[0][0], free) > cycle:
                    await ctx.tick()
                    cycle += 1
                    continue
                _, address, count, size, fault = asked.popleft()
                up = resets[0]
                for beat in range(count + (fault == "extra")):
                    if up != resets[0]:  # the bus is reset, too
                        break
                    waits = self.pause if fault == "never" and beat == count - 1 else 0
                    while waits or cycle < free or chance.random() < self.stalls:
                        waits -= bool(waits)
                        await ctx.tick()
                        cycle += 1
                    last = beat == count - 1
                    place = address - self.base + (beat << size)
                    word = self.contents[place : place + (1 << size)]
                    ctx.set(dut.m_axi_rdata, int.from_bytes(word, "little"))
                    ctx.set(dut.m_axi_rresp, RESPONSES.get(fault, 0) if last else 0)
                    wrong = (fault == "early" and beat == 0 and count > 1) or (
                        fault in ("late", "extra") and last
                    )
                    ctx.set(dut.m_axi_rlast, last ^ wrong or beat == count)
                    ctx.set(dut.m_axi_rvalid, 1)
                    free = cycle + self.interval
                    await ctx.tick()
                    cycle += 1
                    ctx.set(dut.m_axi_rvalid, 0)

        simulator.add_testbench(addresses, background=True)
        simulator.add_testbench(beats, background=True)
