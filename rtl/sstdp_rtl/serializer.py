"""From groups of fired neurons to single spike events."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .streams import TAG_WIDTH, event_layout, group_layout, is_stale

#: Lanes that one priority encoder looks at; wider groups are cut into pieces of this size first.
PIECE = 16


def lowest_set(mask):
    """Index of the lowest set bit of ``mask`` (0 if none is set)."""
    index = Const(0)
    for position in reversed(range(len(mask))):
        index = Mux(mask[position], position, index)
    return index


class GroupSplitter(wiring.Component):
    """Cuts wide groups into pieces of `PIECE` lanes and leaves out the empty ones.

    One piece a cycle. ``close`` and ``final`` stay with the last piece; a group in which nothing
    fired passes as one piece.

    Members
    -------
    i : stream of `group_layout` of ``lanes`` lanes
    o : stream of `group_layout` of `PIECE` lanes
    """

    def __init__(self, lanes, neurons_width, step_width):
        self.lanes = lanes
        super().__init__(
            {
                "i": In(stream.Signature(group_layout(lanes, neurons_width, step_width))),
                "o": Out(stream.Signature(group_layout(PIECE, neurons_width, step_width))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        count = -(-self.lanes // PIECE)
        item, out = self.i.payload, self.o.payload
        done = Signal(count)  # pieces of the present group that are out already
        pieces = [item.fired[n * PIECE : (n + 1) * PIECE] for n in range(count)]
        waiting = Signal(count)
        chosen = Signal(range(count))
        remaining = Signal(count)
        m.d.comb += [
            waiting.eq(Cat(piece.any() for piece in pieces) & ~done),
            chosen.eq(lowest_set(waiting)),
            remaining.eq(waiting & (waiting - 1)),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready & ~remaining.any()),
            out.tag.eq(item.tag),
            out.final.eq(item.final & ~remaining.any()),
            out.close.eq(item.close & ~remaining.any()),
            out.step.eq(item.step),
            out.base.eq(item.base + (chosen << PIECE.bit_length() - 1)),
        ]
        with m.Switch(chosen):
            for number, piece in enumerate(pieces):
                with m.Case(number):
                    m.d.comb += out.fired.eq(piece)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += done.eq(Mux(self.i.ready, 0, done | (waiting & ~remaining)))
        return m


class SpikeSerializer(wiring.Component):
    """Emits the index of every fired neuron, one event a cycle, in the order of the neurons.

    The last event of a step carries ``last``. Since only the group that closes a step tells which
    event was the last, one event is always held back. The end of an image follows as an event of
    its own. Stale images are dropped.

    Members
    -------
    i : stream of `group_layout`
    o : stream of `event_layout`
    oldest : In(TAG_WIDTH)
    """

    def __init__(self, lanes, neurons_width, step_width):
        self.event_layout = event_layout(neurons_width, step_width)
        super().__init__(
            {
                "i": In(stream.Signature(group_layout(lanes, neurons_width, step_width))),
                "o": Out(stream.Signature(self.event_layout)),
                "oldest": In(TAG_WIDTH),
            }
        )

    def elaborate(self, platform):
        m = Module()
        item = self.i.payload
        lanes = len(item.fired)

        sent = Signal(lanes)  # neurons of the present group that were taken already
        waiting = Signal(lanes)
        remaining = Signal(lanes)
        stale = Signal()
        take = Signal()
        m.d.comb += [
            waiting.eq(item.fired & ~sent),
            remaining.eq(waiting & (waiting - 1)),
            stale.eq(is_stale(item.tag, self.oldest)),
            self.i.ready.eq(stale | (take & ~remaining.any())),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += sent.eq(0)
        with m.Elif(take):
            m.d.sync += sent.eq(sent | (waiting & ~remaining))

        held = Signal(self.event_layout)
        holding = Signal()
        complete = Signal()  # nothing that is to come can change the held event
        blocked = Signal()
        closes = Signal()  # the item only closes the step of the held event
        m.d.comb += [
            closes.eq(item.close & ~waiting.any() & ~item.final),
            self.o.valid.eq(holding & (complete | (self.i.valid & ~stale))),
            self.o.payload.eq(held),
            self.o.payload.last.eq(held.last | (closes & ~complete)),
            blocked.eq(holding & ~self.o.ready),
            take.eq(self.i.valid & ~stale & ~blocked),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += holding.eq(0)
        with m.If(take & ~closes):
            m.d.sync += [
                holding.eq(1),
                complete.eq(item.final | (item.close & ~remaining.any())),
                held.tag.eq(item.tag),
                held.end.eq(item.final),
                held.last.eq(item.close & ~item.final & ~remaining.any()),
                held.step.eq(item.step),
                held.index.eq(item.base + lowest_set(waiting)),
            ]
        return m
