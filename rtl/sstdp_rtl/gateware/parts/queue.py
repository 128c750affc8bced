"""A FIFO between two blocks: it registers ready and valid, so that no ready chain spans blocks."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import QUEUE_DEPTH, most_with_room


class Queue(wiring.Component):
    """First in, first out; every item appears at ``o`` two cycles after ``i`` at the earliest, in a
    queue of more than `QUEUE_DEPTH` items three.

    Such a queue may become block RAM, whose output is slow: it has a register behind it.

    Parameters
    ----------
    shape : ShapeLike
        Payload.
    depth : int
        Items it holds, beside that register; 16 fill the smallest LUT RAM of the common FPGAs.
    reserve : int
        ``has_room`` is high while more than ``reserve`` items fit, as of the cycle before.

    Members
    -------
    i, o : streams of ``shape``
    has_room : Out(1)
        For a producer that cannot stop at once: high while ``reserve`` items in flight would still
        fit.
    """

    def __init__(self, shape, depth=QUEUE_DEPTH, reserve=0):
        self.depth, self.reserve = depth, reserve
        super().__init__(
            {
                "i": In(stream.Signature(shape)),
                "o": Out(stream.Signature(shape)),
                "has_room": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        width = len(Value.cast(self.i.payload))
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=width, depth=self.depth)
        m.d.comb += [
            fifo.w_data.eq(self.i.payload),
            fifo.w_en.eq(self.i.valid),
            self.i.ready.eq(fifo.w_rdy),
        ]
        if self.depth > QUEUE_DEPTH:
            payload = Signal(width, reset_less=True)
            m.d.comb += [
                self.o.payload.eq(payload),
                fifo.r_en.eq(~self.o.valid | self.o.ready),
            ]
            with m.If(fifo.r_en):
                m.d.sync += [self.o.valid.eq(fifo.r_rdy), payload.eq(fifo.r_data)]
        else:
            m.d.comb += [
                self.o.payload.eq(fifo.r_data),
                self.o.valid.eq(fifo.r_rdy),
                fifo.r_en.eq(self.o.ready),
            ]
        # One more is kept free for the cycle that the register costs.
        m.d.sync += self.has_room.eq(fifo.level <= most_with_room(self.reserve, self.depth))
        return m
