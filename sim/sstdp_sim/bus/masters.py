"""Masters of the buses, inside the simulator: reads and writes of a word, with random pauses.

A write names the first of its bytes and how many there are, as AXI masters do. AXI-Lite's is
cocotbext-axi's, so that ours meets somebody else's reading of the standard.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from cocotb.triggers import FallingEdge

from sstdp_hw.blocks.hardware import AXI_LITE, WISHBONE

WORD_BYTES = 4


class AxiLiteBusMaster:
    """cocotbext-axi's AXI-Lite master on the ports ``s_axi_*``.

    Parameters
    ----------
    dut : handle
    rng : random.Random
        Of the pauses.
    pause : float
        Chance that a channel pauses for a cycle.
    """

    def __init__(self, dut: Any, rng: random.Random, pause: float) -> None:
        from cocotbext.axi import AxiLiteBus, AxiLiteMaster

        bus = AxiLiteBus.from_prefix(dut, "s_axi")
        self.master = AxiLiteMaster(bus, dut.aclk, dut.aresetn, reset_active_level=False)
        if pause:
            write, read = self.master.write_if, self.master.read_if
            for channel in (write.aw_channel, write.w_channel, write.b_channel,
                            read.ar_channel, read.r_channel):  # fmt: skip
                channel.set_pause_generator(_pauses(random.Random(rng.random()), pause))

    async def read(self, address: int) -> tuple[int, bool]:
        """The word, and whether the answer was an error."""
        found = await self.master.read(address, WORD_BYTES)
        return int.from_bytes(found.data, "little"), bool(found.resp)

    async def write(self, address: int, word: int, first: int = 0, count: int = WORD_BYTES) -> bool:
        """Write so many bytes of the word from ``first`` on; whether the answer was an error."""
        data = word.to_bytes(WORD_BYTES, "little")[first : first + count]
        return bool((await self.master.write(address + first, data)).resp)


class WishboneBusMaster:
    """Classic cycles on the ports ``wb_*``; parameters as of `AxiLiteBusMaster`.

    All happens at falling edges, where nothing of the design changes.
    """

    def __init__(self, dut: Any, rng: random.Random, pause: float) -> None:
        self.dut, self.rng, self.pause = dut, rng, pause
        for name in ("cyc", "stb", "we", "adr", "sel", "dat_w"):
            getattr(dut, f"wb_{name}").value = 0

    async def read(self, address: int) -> tuple[int, bool]:
        """The word, and whether the answer was an error."""
        return await self._cycle(address, 0, (1 << WORD_BYTES) - 1, write=0)

    async def write(self, address: int, word: int, first: int = 0, count: int = WORD_BYTES) -> bool:
        """Write so many bytes of the word from ``first`` on; whether the answer was an error."""
        selected = ((1 << count) - 1) << first
        return (await self._cycle(address, word, selected, write=1))[1]

    async def read_part(self, address: int, selected: int) -> tuple[int, bool]:
        """A read of which some bytes are wanted: word and whether the answer was an error."""
        return await self._cycle(address, 0, selected, write=0)

    async def _cycle(
        self, address: int, word: int, selected: int, *, write: int
    ) -> tuple[int, bool]:
        dut = self.dut
        while self.rng.random() < self.pause:
            await FallingEdge(dut.aclk)
        dut.wb_adr.value, dut.wb_dat_w.value = address // WORD_BYTES, word
        dut.wb_sel.value, dut.wb_we.value = selected, write
        dut.wb_cyc.value = dut.wb_stb.value = 1
        while True:
            await FallingEdge(dut.aclk)
            ack, err = int(dut.wb_ack.value), int(dut.wb_err.value)
            if ack or err:
                break
        assert not (ack and err), "two answers to one strobe"
        found = int(dut.wb_dat_r.value)
        await FallingEdge(dut.aclk)  # the edge between takes the answer
        dut.wb_cyc.value = dut.wb_stb.value = 0
        assert not int(dut.wb_ack.value) and not int(dut.wb_err.value), "answered twice"
        return found, bool(err)


def _pauses(rng: random.Random, chance: float) -> Iterator[bool]:
    while True:
        yield rng.random() < chance


#: By the bus.
MASTERS: dict[str, Any] = {AXI_LITE: AxiLiteBusMaster, WISHBONE: WishboneBusMaster}
