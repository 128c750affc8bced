"""Tells the host what became of an image of the memories."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.contract.memory_image import STATUS, STATUS_WIDTH

from ..gateware.parts.streams import layout_of


class LoadReporter(wiring.Component):
    """One report when an image of the memories has ended, right or wrong.

    Members
    -------
    sent : In(1)
        The last word of an image of the memories goes to the accelerator.
    clear : In(1)
        The accelerator is reset: there will be no report.
    status : In
        ``weights_status`` of the accelerator.
    o : stream of 32 bit
        The status at the end.
    """

    def __init__(self):
        super().__init__(
            {
                "sent": In(1),
                "clear": In(1),
                "status": In(STATUS_WIDTH),
                "o": Out(stream.Signature(STATUS_WIDTH)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        loading = layout_of(STATUS)(self.status).loading
        waits = Signal()
        # The accelerator is loading from the first word on until it has judged the last one.
        with m.If(self.sent):
            m.d.sync += waits.eq(1)
        with m.Elif(waits & ~loading):
            m.d.sync += [waits.eq(0), self.o.valid.eq(1), self.o.payload.eq(self.status)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.clear):
            m.d.sync += [waits.eq(0), self.o.valid.eq(0)]
        return m
