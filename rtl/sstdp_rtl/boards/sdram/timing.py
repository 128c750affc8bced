"""Times of a single data rate SDRAM, as its data sheet has them and as cycles of a clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sstdp_hw.blocks.axi_read import SDRAM_WORD_BITS

#: Address bits of a 16-bit word: column, bank, row. 4 banks of 8192 rows of 512 words are 32 MB;
#: a chip with longer rows is used by half.
COLUMN_BITS, BANK_BITS, ROW_BITS = 9, 2, 13
ADDRESS_BITS = COLUMN_BITS + BANK_BITS + ROW_BITS
SDRAM_BYTES, ROW_BYTES = 2 << ADDRESS_BITS, 2 << COLUMN_BITS

WORD_BITS = SDRAM_WORD_BITS

#: Cycles from a read command to its word at the chip's pins.
CAS_LATENCY = 2

#: What a clock may be at most, in MHz. A word is there 6.5 ns after the edge that the chip gave it
#: at (tAC for a CAS latency of 2), pads and wires of the FPGA take up to 8 ns more, and the word is
#: taken at the chip's next edge.
MOST_MHZ = 66.0


@dataclass(frozen=True)
class SdramTiming:
    """Times that must pass at least, in ns.

    By default no faster than the chips that ULX3S boards carry need it: the AC characteristics of
    the Winbond W9825G6 (grade -75) by its data sheet; and tRCD, tRP and tRC as long as public
    configurations of other controllers have them for Alliance AS4C16M16SA and AS4C32M16 (-7), ISSI
    IS42S16160 (-7) and Micron MT48LC16M16 (-75), whose own data sheets were not at hand.

    Parameters
    ----------
    t_rcd : float
        From opening a row to reading or writing it.
    t_rp : float
        From closing a row to the next command of its bank.
    t_ras : float
        From opening a row to closing it.
    t_rc : float
        From opening a row to opening another one of the same bank.
    t_rfc : float
        From a refresh to the next command.
    t_rrd : float
        From opening a row to opening one of another bank; 2 cycles at least.
    t_wr : float
        From writing a word to closing its row; 2 cycles at least.
    t_mrd : float
        From setting the mode to the next command; 2 cycles at least.
    power_up : float
        From stable power and clock to the first command.
    refresh : float
        In which each of ``rows`` rows is refreshed once; here at most and not at least.
    rows : int
    """

    t_rcd: float = 21.0
    t_rp: float = 21.0
    t_ras: float = 45.0
    t_rc: float = 67.5
    t_rfc: float = 70.0
    t_rrd: float = 15.0
    t_wr: float = 15.0
    t_mrd: float = 15.0
    power_up: float = 200_000.0
    refresh: float = 64e6
    rows: int = 1 << ROW_BITS

    def cycles(self, mhz: float) -> SdramCycles:
        """The same at a clock, rounded to the safe side."""

        def least(ns: float, cycles: int = 1) -> int:
            return max(cycles, math.ceil(ns * mhz / 1000 - 1e-9))

        t_rp = least(self.t_rp)
        return SdramCycles(
            t_rcd=least(self.t_rcd),
            t_rp=t_rp,
            # One row is open at a time, so rows open no sooner than the one before was closed.
            row_open=max(least(self.t_ras), least(self.t_rc) - t_rp, least(self.t_rrd, 2) - t_rp),
            t_rfc=least(self.t_rfc),
            t_wr=least(self.t_wr, 2),
            t_mrd=least(self.t_mrd, 2),
            power_up=least(self.power_up),
            # A refresh waits until the row that is open may be closed: a cycle a row is for that.
            refresh=math.floor(self.refresh / self.rows * mhz / 1000 + 1e-9) - 1,
        )


@dataclass(frozen=True)
class SdramCycles:
    """Cycles from a command to the next one that has to wait; see `SdramTiming`.

    Parameters
    ----------
    row_open : int
        From opening a row to closing it, by all the rules there are.
    refresh : int
        From one refresh to the next.
    """

    t_rcd: int
    t_rp: int
    row_open: int
    t_rfc: int
    t_wr: int
    t_mrd: int
    power_up: int
    refresh: int
