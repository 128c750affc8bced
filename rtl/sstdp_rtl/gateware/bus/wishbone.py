"""Wishbone B4, classic cycles, the side of the registers."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.bus_front import WORD_BYTES, WORD_WIDTH

from .access import NUMBER_WIDTH, AccessSignature


class Wishbone(wiring.Component):
    """Answers every strobe in the next cycle, or one later while the accelerator is being reset.

    Members
    -------
    cyc, stb, we, adr, sel, dat_w : In
        ``adr`` counts registers, not bytes.
    dat_r, ack, err : Out
    access : `AccessSignature`
    """

    def __init__(self):
        super().__init__(
            {
                "cyc": In(1), "stb": In(1), "we": In(1), "adr": In(NUMBER_WIDTH),
                "sel": In(WORD_BYTES), "dat_w": In(WORD_WIDTH),
                "dat_r": Out(WORD_WIDTH), "ack": Out(1), "err": Out(1),
                "access": Out(AccessSignature()),
            }
        )  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        access = self.access
        done = Signal()  # the access happened in the cycle before
        m.d.comb += [
            access.valid.eq(self.cyc & self.stb & ~done),
            access.write.eq(self.we),
            access.number.eq(self.adr),
            access.data.eq(self.dat_w),
            access.bytes.eq(self.sel),
            self.dat_r.eq(access.word),
            self.ack.eq(done & ~access.error),
            self.err.eq(done & access.error),
        ]
        m.d.sync += done.eq(access.valid & access.ready)
        return m
