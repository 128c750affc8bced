"""Serial line to bytes."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out


class UartReceiver(wiring.Component):
    """Receives 8N1.

    Each bit is sampled once, in its middle, counted from the falling edge of the start bit. A byte
    whose stop bit is low is thrown away, and so is all that follows until the line is high again.

    Parameters
    ----------
    divisor : int
        Clock cycles per bit, at least 4.

    Members
    -------
    rx : In
        The line, idle high, asynchronous.
    o : stream of bytes, always ready
        Valid for one cycle per byte, in the middle of its stop bit.
    """

    def __init__(self, divisor):
        self.divisor = divisor
        super().__init__({"rx": In(1, init=1), "o": Out(stream.Signature(8, always_ready=True))})

    def elaborate(self, platform):
        m = Module()
        line = Signal(init=1)
        m.submodules.line = FFSynchronizer(self.rx, line, init=1)

        timer = Signal(range(self.divisor))
        sample = Signal()
        m.d.comb += sample.eq(timer == 0)
        m.d.sync += timer.eq(timer - 1)
        with m.If(sample):
            m.d.sync += timer.eq(self.divisor - 1)

        bits = Signal(range(8))
        byte = Signal(8)
        m.d.comb += self.o.payload.eq(byte)
        with m.FSM():
            with m.State("IDLE"):
                # The first sample falls into the middle of the start bit.
                m.d.sync += [timer.eq(self.divisor // 2 - 1), bits.eq(7)]
                with m.If(~line):
                    m.next = "START"
            with m.State("START"), m.If(sample):
                m.next = "DATA"
                with m.If(line):  # a glitch shorter than half a bit
                    m.next = "IDLE"
            with m.State("DATA"), m.If(sample):
                m.d.sync += [byte.eq(byte[1:] | line << 7), bits.eq(bits - 1)]
                with m.If(bits == 0):
                    m.next = "STOP"
            with m.State("STOP"), m.If(sample):
                m.d.comb += self.o.valid.eq(line)
                m.next = "RECOVER"
            with m.State("RECOVER"), m.If(line):
                m.next = "IDLE"
        return m
