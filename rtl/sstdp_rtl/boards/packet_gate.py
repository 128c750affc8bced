"""Lets packets pass, or none of them."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class PacketGate(wiring.Component):
    """Throws packets away until it may open, and opens between two of them.

    So a packet goes on whole or not at all, and what comes too early blocks nobody.

    Parameters
    ----------
    beat : amaranth.lib.data.Layout
        With a member ``last``.

    Members
    -------
    i, o : stream of ``beat``
    opens : In(1)
        Packets may pass; when it falls the gate is shut at once.
    clear : In(1)
        There is no packet, also if one had begun.
    """

    def __init__(self, beat):
        super().__init__(
            {
                "i": In(stream.Signature(beat)),
                "o": Out(stream.Signature(beat)),
                "opens": In(1),
                "clear": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        within, open = Signal(), Signal()  # a packet has begun that is thrown away; packets pass
        m.d.comb += [
            open.eq(self.opens & ~within),
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(self.i.valid & open),
            self.i.ready.eq(self.o.ready | ~open),
        ]
        with m.If(self.i.valid & ~open):
            m.d.sync += within.eq(~self.i.payload.last)
        with m.If(self.clear):
            m.d.sync += within.eq(0)
        return m
