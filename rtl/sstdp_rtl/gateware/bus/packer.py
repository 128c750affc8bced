"""From words of the bus to beats of the accelerator's input."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.bus_front import WORD_WIDTH
from sstdp_hw.blocks.widths import index_width

from ..encoder.packet import axis_layout


class WordsToBeats(wiring.Component):
    """Cuts words into beats, or joins two to one, lowest bits first.

    The last word of a packet ends it with the beat that completes the sample, bytes behind it are
    ignored; in a packet of another length with the word's last beat. If a packet ends in the middle
    of a beat, the rest of it is zero. Where two words are a beat, a packet that is a word too short
    or too long for its sample may have the right number of beats: it gets one more, so that it is
    one of wrong length there, too.

    Parameters
    ----------
    width : 8, 16, 32 or 64
        Bits of a beat.
    size : int
        Bytes of a sample; it is not asked for where a word is a beat.

    Members
    -------
    i : stream of `packet.axis_layout`, a word wide
    o : stream of `packet.axis_layout`
    """

    def __init__(self, width, size):
        self.width, self.beats = width, -(-8 * size // width)
        self.odd = -(-8 * size // WORD_WIDTH) % 2
        super().__init__(
            {
                "i": In(stream.Signature(axis_layout(WORD_WIDTH))),
                "o": Out(stream.Signature(axis_layout(width))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        if self.width > WORD_WIDTH:
            self._join(m)
        elif self.width < WORD_WIDTH:
            self._cut(m)
        else:
            wiring.connect(m, wiring.flipped(self.i), wiring.flipped(self.o))
        return m

    def _join(self, m):
        word, beat = self.i.payload, self.o.payload
        low, there = Signal(WORD_WIDTH, reset_less=True), Signal()
        number = Signal(index_width(self.beats + 1))  # as many as a sample has: it is complete
        first = Signal()  # the word is the lower half of a beat that goes on
        wrong, extra = Signal(), Signal()  # the beat is followed by one more, and this is the one
        m.d.comb += [
            first.eq(~there & ~word.last),
            wrong.eq(word.last & (number == self.beats - 1) & (there == self.odd)),
            beat.data.eq(Mux(there, Cat(low, word.data), word.data)),
            beat.last.eq(word.last & (extra | ~wrong)),
            self.o.valid.eq(self.i.valid & ~first),
            self.i.ready.eq(first | (self.o.ready & (extra | ~wrong))),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [there.eq(first), low.eq(word.data)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += extra.eq(wrong & ~extra)
            with m.If(beat.last):
                m.d.sync += number.eq(0)
            with m.Elif((number != self.beats) & ~wrong):
                m.d.sync += number.eq(number + 1)

    def _cut(self, m):
        word, beat = self.i.payload, self.o.payload
        parts = WORD_WIDTH // self.width
        part = Signal(index_width(parts))
        number = Signal(index_width(self.beats + 1))  # as many as a sample has: it is complete
        ends = Signal()
        m.d.comb += [
            ends.eq((part == parts - 1) | (word.last & (number == self.beats - 1))),
            beat.data.eq(word.data.word_select(part, self.width)),
            beat.last.eq(word.last & ends),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & ends),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += part.eq(Mux(ends, Const(0), part + 1))
            with m.If(beat.last):
                m.d.sync += number.eq(0)
            with m.Elif(number != self.beats):
                m.d.sync += number.eq(number + 1)
