"""Answers that come before their packet is complete."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import TAG_WIDTH

from ..decision import RESULT


class AnswerGate(wiring.Component):
    """Holds an answer until its packet is complete, and tells of a frame error then.

    Events are worked on as they come, so that an answer is often known before the packet's last
    beat: whether that is a good one is part of the answer. The decision goes on meanwhile.

    Members
    -------
    i, o : streams of `RESULT`
        An answer leaves a cycle after it came, at the earliest.
    reading, errors : In
        Of `port.EventPort`.
    """

    i: In(stream.Signature(RESULT))
    o: Out(stream.Signature(RESULT))
    reading: In(TAG_WIDTH)
    errors: In(1 << TAG_WIDTH)

    def elaborate(self, platform):
        m = Module()
        answer = Signal(RESULT, reset_less=True)
        full, tag = Signal(), Signal(TAG_WIDTH)
        m.d.comb += [
            self.i.ready.eq(~full),
            # The packets in flight are fewer than there are tags: any other is a later one.
            self.o.valid.eq(full & (self.reading != tag)),
            self.o.payload.eq(answer),
            self.o.payload.frame_error.eq(self.errors.bit_select(tag, 1)),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [full.eq(1), answer.eq(self.i.payload)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [full.eq(0), tag.eq(tag + 1)]
        return m
