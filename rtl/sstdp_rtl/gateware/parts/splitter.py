"""From wide groups of fired neurons to pieces that one priority encoder can look at."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import PIECE, SPLITTER_STAGES, TAG_WIDTH, reserve

from .one_hot import all_but_lowest, one_hot_index, several
from .queue import Queue
from .streams import group_layout, is_stale


class GroupSplitter(wiring.Component):
    """Cuts wide groups into pieces of `PIECE` lanes and leaves out the empty ones.

    One piece a cycle, a group every second cycle. ``close`` and ``final`` stay with the last piece;
    a group in which nothing fired passes as one empty piece if it has one of them, and not at all
    otherwise. Stale groups are dropped.

    Behind the register of the present group nothing waits, as in `serializer.SpikeSerializer`.

    Members
    -------
    i : stream of `group_layout` of ``lanes`` lanes
    o : stream of `group_layout` of `PIECE` lanes
    oldest : In(TAG_WIDTH)
    """

    def __init__(self, lanes, neurons_width, step_width):
        self.lanes = lanes
        self.piece_layout = group_layout(PIECE, neurons_width, step_width)
        super().__init__(
            {
                "i": In(stream.Signature(group_layout(lanes, neurons_width, step_width))),
                "o": Out(stream.Signature(self.piece_layout)),
                "oldest": In(TAG_WIDTH),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = Queue(self.piece_layout, reserve=reserve(SPLITTER_STAGES))
        wiring.connect(m, wiring.flipped(self.o), queue.o)

        # Stage 0: a group from all over the layer, and which of its pieces have a neuron. Ready is
        # a register, for its way to the layer's queues is long: a group every second cycle.
        group0 = Signal.like(self.i.payload, reset_less=True)
        left0 = Signal(-(-self.lanes // PIECE), reset_less=True)
        valid0, load1 = Signal(), Signal()
        m.d.comb += self.i.ready.eq(~valid0)
        with m.If(self.i.valid & ~valid0):
            pieces = self._pieces(self.i.payload.fired)
            m.d.sync += [
                valid0.eq(1),
                group0.eq(self.i.payload),
                left0.eq(Cat(piece.any() for piece in pieces)),
            ]
        with m.Elif(load1):
            m.d.sync += valid0.eq(0)

        # Stage 1: the present group, its pieces that are left, those but the next, and whether
        # there are none.
        group1 = Signal.like(group0, reset_less=True)
        left1, rest1 = (
            Signal.like(left0, name=name, reset_less=True) for name in ("left1", "rest1")
        )
        valid1, single1, stale1, go = (Signal() for _ in range(4))
        m.d.comb += [
            go.eq(valid1 & ~stale1 & queue.has_room),
            load1.eq(~valid1 | stale1 | (single1 & queue.has_room)),
        ]
        m.d.sync += stale1.eq(is_stale(Mux(load1, group0.tag, group1.tag), self.oldest))
        with m.If(load1):
            m.d.sync += [valid1.eq(valid0), group1.eq(group0)]
        with m.If(load1 | go):
            following = Mux(load1, left0, rest1)
            m.d.sync += [
                left1.eq(following),
                rest1.eq(all_but_lowest(following)),
                single1.eq(~several(following)),
            ]

        # Stage 2: which piece, one bit each, beside a copy of the group.
        group2 = Signal.like(group1, reset_less=True)
        chosen2 = Signal(len(left1), reset_less=True)
        valid2, last2 = Signal(), Signal()
        m.d.sync += [
            group2.eq(group1),
            chosen2.eq(left1 & ~rest1),
            last2.eq(single1),
            valid2.eq(go & (left1.any() | group1.close | group1.final)),
        ]

        # Stage 3: the piece and its number; its first neuron follows on the way to the queue.
        piece3 = Signal(self.piece_layout, reset_less=True)
        number3 = Signal(range(len(chosen2)), reset_less=True)
        valid3 = Signal()
        selected = 0
        for piece, chosen in zip(self._pieces(group2.fired), chosen2, strict=True):
            selected |= Mux(chosen, piece, 0)
        m.d.sync += [
            valid3.eq(valid2),
            piece3.tag.eq(group2.tag),
            piece3.final.eq(group2.final & last2),
            piece3.close.eq(group2.close & last2),
            piece3.step.eq(group2.step),
            piece3.base.eq(group2.base),
            piece3.fired.eq(selected),
            number3.eq(one_hot_index(chosen2, len(number3))),
        ]
        m.d.comb += [
            queue.i.valid.eq(valid3),
            queue.i.payload.eq(piece3),
            queue.i.payload.base.eq(piece3.base + (number3 << PIECE.bit_length() - 1)),
        ]
        return m

    def _pieces(self, fired):
        return [fired[start : start + PIECE] for start in range(0, self.lanes, PIECE)]
