"""What waits between the bus and the accelerator: words, and answers with their cycles."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.bus_front import ANSWER_DEPTH, BEGUN_DEPTH, CYCLES_WIDTH, WORD_WIDTH
from sstdp_hw.blocks.widths import index_width
from sstdp_hw.contract.answer import ANSWER_WIDTH

from ..encoder.packet import axis_layout
from ..parts.queue import Queue
from .packer import WordsToBeats

#: An answer, and the clock cycles from the packet's first beat to it, both included.
ANSWERED = data.StructLayout({"answer": unsigned(ANSWER_WIDTH), "cycles": unsigned(CYCLES_WIDTH)})


class BusQueues(wiring.Component):
    """Queues to and from the accelerator. Both are as deep as they say: a word is taken while
    ``free`` is not 0, and an answer waits in the accelerator while there is no place for it.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.bus_front.BusFrontParameters

    Members
    -------
    words : In, stream of `packet.axis_layout`
        A word wide.
    answers : Out, stream of `ANSWERED`
    beats, results : streams to and from the accelerator
    hold : In(1)
        No beat goes to the accelerator.
    free, waiting : Out
        Words that there is room for; answers that can be taken now.
    busy : Out(1)
        A word waits, or a packet has begun and its answer is not among the answers.
    """

    def __init__(self, parameters):
        self.p = parameters
        width = parameters.accelerator.input.data_width
        super().__init__(
            {
                "words": In(stream.Signature(axis_layout(WORD_WIDTH))),
                "answers": Out(stream.Signature(ANSWERED)),
                "beats": Out(stream.Signature(axis_layout(width))),
                "results": In(stream.Signature(unsigned(ANSWER_WIDTH))),
                "hold": In(1),
                "free": Out(index_width(parameters.input_depth + 1)),
                "waiting": Out(index_width(ANSWER_DEPTH + 1)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        m.submodules.queue = queue = Queue(axis_layout(WORD_WIDTH), depth=p.input_depth)
        inner = p.accelerator
        m.submodules.packer = packer = WordsToBeats(inner.input.data_width, inner.pixels)
        m.submodules.begun = begun = Queue(unsigned(CYCLES_WIDTH), depth=BEGUN_DEPTH)
        m.submodules.answered = answered = Queue(ANSWERED, depth=ANSWER_DEPTH)

        # Counted here: the queue has a register more than its depth, which is not promised.
        filled = Signal(index_width(p.input_depth + 1))
        entered, left = Signal(), Signal()
        m.d.comb += [
            self.free.eq(p.input_depth - filled),
            self.words.ready.eq(self.free != 0),
            queue.i.valid.eq(self.words.valid & self.words.ready),
            queue.i.payload.eq(self.words.payload),
            entered.eq(queue.i.valid),
            left.eq(queue.o.valid & queue.o.ready),
        ]
        m.d.sync += filled.eq(filled + entered - left)
        wiring.connect(m, queue.o, packer.i)

        # The cycle of each packet's first beat, until its answer comes.
        now, after = Signal(CYCLES_WIDTH), Signal(CYCLES_WIDTH)
        inside = Signal()  # of a packet
        goes = Signal()
        m.d.comb += after.eq(now + 1)
        m.d.sync += now.eq(after)
        m.d.comb += [
            goes.eq(~self.hold & (inside | begun.i.ready)),
            self.beats.payload.eq(packer.o.payload),
            self.beats.valid.eq(packer.o.valid & goes),
            packer.o.ready.eq(self.beats.ready & goes),
            begun.i.valid.eq(self.beats.valid & self.beats.ready & ~inside),
            begun.i.payload.eq(now),
        ]
        with m.If(self.beats.valid & self.beats.ready):
            m.d.sync += inside.eq(~self.beats.payload.last)

        taken, came = Signal(), Signal()
        m.d.comb += [
            self.results.ready.eq(answered.i.ready & begun.o.valid),
            came.eq(self.results.valid & self.results.ready),
            begun.o.ready.eq(came),
            answered.i.valid.eq(came),
            answered.i.payload.answer.eq(self.results.payload),
            answered.i.payload.cycles.eq(after - begun.o.payload),
        ]
        wiring.connect(m, answered.o, wiring.flipped(self.answers))
        stored = Signal(index_width(ANSWER_DEPTH + 1))
        m.d.comb += [
            taken.eq(self.answers.valid & self.answers.ready),
            self.waiting.eq(Mux(self.answers.valid, stored, 0)),
        ]
        m.d.sync += stored.eq(stored + came - taken)

        unanswered = Signal(index_width(BEGUN_DEPTH + 3))  # the queue's, and its register's
        m.d.sync += unanswered.eq(unanswered + begun.i.valid - came)
        m.d.comb += self.busy.eq((filled != 0) | packer.o.valid | (unanswered != 0))
        return m
