"""Holds samples back while the memories are written."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class ImageGate(wiring.Component):
    """Lets samples pass, and counts those that have not been answered.

    One that has begun to pass goes on to its end; the next one waits while ``hold`` is high. Adds
    no cycle.

    Parameters
    ----------
    layout : amaranth.lib.data.Layout
        Of a beat; it has a member ``final``.
    most : int
        Samples at most that can have passed and not been answered.

    Members
    -------
    i, o : streams of ``layout``
    hold : In(1)
    answered : In(1)
        An answer leaves in this cycle.
    empty : Out(1)
        Every sample that began to pass has been answered, as of the cycle before.
    """

    def __init__(self, layout, most):
        self.most = most
        super().__init__(
            {
                "i": In(stream.Signature(layout)),
                "o": Out(stream.Signature(layout)),
                "hold": In(1),
                "answered": In(1),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        inside = Signal()  # in the middle of a sample
        passes, begins = Signal(), Signal()
        m.d.comb += [
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(self.i.valid & (inside | ~self.hold)),
            self.i.ready.eq(self.o.ready & (inside | ~self.hold)),
            passes.eq(self.o.valid & self.o.ready),
            begins.eq(passes & ~inside),
        ]
        with m.If(passes):
            m.d.sync += inside.eq(~self.i.payload.final)

        unanswered = Signal(range(self.most + 1))
        m.d.comb += self.empty.eq(unanswered == 0)
        with m.If(begins ^ self.answered):
            m.d.sync += unanswered.eq(Mux(begins, unanswered + 1, unanswered - 1))
        return m
