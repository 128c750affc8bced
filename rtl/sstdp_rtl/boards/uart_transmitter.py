"""Bytes to serial line."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class UartTransmitter(wiring.Component):
    """Sends 8N1.

    Accepts a byte every 10 bit times. The line comes from a register, so it has no glitches.

    Parameters
    ----------
    divisor : int
        Clock cycles per bit, at least 2.

    Members
    -------
    i : stream of bytes
    tx : Out
        The line, idle high.
    """

    def __init__(self, divisor):
        self.divisor = divisor
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        timer = Signal(range(self.divisor))
        # Start bit, data and stop bit, lowest first; what follows them is the idle line.
        bits = Signal(10, init=0x3FF)
        left = Signal(range(11))
        m.d.comb += [self.tx.eq(bits[0]), self.i.ready.eq(left == 0)]
        with m.If(left == 0), m.If(self.i.valid):
            m.d.sync += [
                bits.eq(Cat(Const(0, 1), self.i.payload, Const(1, 1))),
                left.eq(10),
                timer.eq(self.divisor - 1),
            ]
        with m.Elif(timer == 0):
            m.d.sync += [
                bits.eq(Cat(bits[1:], Const(1, 1))),
                left.eq(left - 1),
                timer.eq(self.divisor - 1),
            ]
        with m.Else():
            m.d.sync += timer.eq(timer - 1)
        return m
