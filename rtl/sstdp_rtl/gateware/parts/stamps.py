"""Which rows of a memory were touched in the present image, without clearing it for each."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.widths import index_width

from .rom import NO_COLLISION


class Stamps(wiring.Component):
    """Tells of every row that is touched whether it is new in the present image.

    A row holds the number of the image it was last touched in. Numbers wrap; before one comes
    round again, and after a reset, all rows are cleared, one a cycle. A row may be touched in every
    cycle, also the same one twice.

    Parameters
    ----------
    rows : int
    width : int
        Bits of a number; 0 stands for no image.

    Members
    -------
    advance : In(1)
        The next image begins; only while ``ready``, and not in a cycle with ``valid``.
    wraps : Out(1)
        Before the next image the rows are cleared.
    ready : Out(1)
        Low while the rows are cleared: nothing may be touched.
    addr, valid : In
        A row is touched.
    fresh : Out(1)
        `STAMP_LATENCY` cycles later: it was not touched before in this image.
    """

    def __init__(self, rows, width):
        self.rows, self.width = rows, width
        super().__init__(
            {
                "advance": In(1),
                "wraps": Out(1),
                "ready": Out(1),
                "addr": In(index_width(rows)),
                "valid": In(1),
                "fresh": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.numbers = numbers = memory.Memory(
            shape=unsigned(self.width), depth=self.rows, init=[], attrs=NO_COLLISION
        )
        read, write = numbers.read_port(), numbers.write_port()

        image = Signal(self.width)
        clearing = Signal(init=1)
        row = Signal.like(self.addr)
        m.d.comb += [self.ready.eq(~clearing), self.wraps.eq(image.all())]
        with m.If(clearing):
            m.d.sync += row.eq(row + 1)
            with m.If(row == self.rows - 1):
                m.d.sync += [clearing.eq(0), row.eq(0)]
        with m.Elif(self.advance):
            m.d.sync += [image.eq(Mux(self.wraps, 1, image + 1)), clearing.eq(self.wraps)]

        # Stage 1: the row is read; it gets the present number. A row that is read while it is
        # written holds the right number already, whatever comes out.
        addr1 = Signal.like(self.addr)
        valid1, again1 = Signal(), Signal()
        m.d.sync += [
            addr1.eq(self.addr),
            valid1.eq(self.valid),
            again1.eq(valid1 & (addr1 == self.addr)),
        ]
        m.d.comb += [
            read.addr.eq(self.addr),
            write.addr.eq(Mux(clearing, row, addr1)),
            write.en.eq(clearing | valid1),
            write.data.eq(Mux(clearing, 0, image)),
        ]
        # Stage 2: a register behind the memory. Stage 3: the comparison.
        found2, image2 = Signal(self.width, reset_less=True), Signal(self.width, reset_less=True)
        again2 = Signal()
        m.d.sync += [
            found2.eq(read.data),
            image2.eq(image),
            again2.eq(again1),
            self.fresh.eq(~again2 & (found2 != image2)),
        ]
        return m
