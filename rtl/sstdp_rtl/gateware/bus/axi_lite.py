"""AXI4-Lite, the side of the registers."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.bus_front import WORD_BYTES, WORD_WIDTH
from sstdp_hw.contract.registers import ADDRESS_WIDTH

from .access import NUMBER_WIDTH, AccessSignature

#: Answers of the bus (ARM IHI 0022): there is nothing beside these two in a row of registers.
OKAY, SLVERR = 0, 2


class AxiLite(wiring.Component):
    """Takes addresses and data in any order, and answers one access after another; a read and a
    write that come together take turns. No ready depends on a valid of the same cycle.

    Members
    -------
    aw*, w*, b*, ar*, r* : as in the standard
    access : `AccessSignature`
    """

    def __init__(self):
        super().__init__(
            {
                "awaddr": In(ADDRESS_WIDTH), "awvalid": In(1), "awready": Out(1),
                "wdata": In(WORD_WIDTH), "wstrb": In(WORD_BYTES), "wvalid": In(1),
                "wready": Out(1),
                "bresp": Out(2), "bvalid": Out(1), "bready": In(1),
                "araddr": In(ADDRESS_WIDTH), "arvalid": In(1), "arready": Out(1),
                "rdata": Out(WORD_WIDTH), "rresp": Out(2), "rvalid": Out(1), "rready": In(1),
                "access": Out(AccessSignature()),
            }
        )  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        access = self.access
        # Each channel has a register, so that none waits for another.
        to_write, to_read = Signal(NUMBER_WIDTH), Signal(NUMBER_WIDTH)
        data, strobes = Signal(WORD_WIDTH), Signal(WORD_BYTES)
        addressed, given, asked = Signal(), Signal(), Signal()
        m.d.comb += [
            self.awready.eq(~addressed),
            self.wready.eq(~given),
            self.arready.eq(~asked),
        ]
        low = ADDRESS_WIDTH - NUMBER_WIDTH  # bits within a register are of no meaning
        with m.If(self.awvalid & self.awready):
            m.d.sync += [addressed.eq(1), to_write.eq(self.awaddr[low:])]
        with m.If(self.wvalid & self.wready):
            m.d.sync += [given.eq(1), data.eq(self.wdata), strobes.eq(self.wstrb)]
        with m.If(self.arvalid & self.arready):
            m.d.sync += [asked.eq(1), to_read.eq(self.araddr[low:])]

        # One access at a time: its outcome stays where it is until the master has it.
        wrote = Signal()  # what the last access was
        writable, takes = Signal(), Signal()
        m.d.comb += [
            writable.eq(addressed & given),
            access.write.eq(writable & ~(asked & wrote)),
            access.valid.eq((writable | asked) & ~self.bvalid & ~self.rvalid),
            access.number.eq(Mux(access.write, to_write, to_read)),
            access.data.eq(data),
            access.bytes.eq(Mux(access.write, strobes, (1 << WORD_BYTES) - 1)),
            takes.eq(access.valid & access.ready),
        ]
        with m.If(self.bready):
            m.d.sync += self.bvalid.eq(0)
        with m.If(self.rready):
            m.d.sync += self.rvalid.eq(0)
        with m.If(takes):
            m.d.sync += wrote.eq(access.write)
            with m.If(access.write):
                m.d.sync += [addressed.eq(0), given.eq(0), self.bvalid.eq(1)]
            with m.Else():
                m.d.sync += [asked.eq(0), self.rvalid.eq(1)]
        response = Mux(access.error, SLVERR, OKAY)
        m.d.comb += [
            self.bresp.eq(response),
            self.rresp.eq(response),
            self.rdata.eq(access.word),
        ]
        return m
