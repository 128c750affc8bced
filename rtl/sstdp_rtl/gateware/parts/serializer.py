"""From groups of fired neurons to single spike events."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import QUEUE_DEPTH, SERIALIZER_STAGES, TAG_WIDTH, reserve

from .hold import hold_back
from .one_hot import all_but_lowest, lowest_set, several
from .queue import Queue
from .streams import event_layout, group_layout, is_stale


class SpikeSerializer(wiring.Component):
    """Emits the index of every fired neuron, one event a cycle, in the order of the neurons.

    The last event of a step carries ``last``. Since only the group that closes a step tells which
    event was the last, one event is always held back. The end of an image follows as an event of
    its own. Stale images are dropped.

    Behind the register of the present group nothing waits: a neuron leaves it only while the
    output queue has room for all that are on their way.

    Parameters
    ----------
    lanes, neurons_width, step_width : int
        Of `group_layout`.
    depth : int
        Of the output queue.

    Members
    -------
    i : stream of `group_layout`
    o : stream of `event_layout`
    oldest : In(TAG_WIDTH)
    """

    def __init__(self, lanes, neurons_width, step_width, depth=QUEUE_DEPTH):
        self.lanes, self.depth = lanes, depth
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
        m.submodules.queue = queue = Queue(
            self.event_layout, self.depth, reserve(SERIALIZER_STAGES)
        )
        wiring.connect(m, wiring.flipped(self.o), queue.o)

        # Stage 1: the present group, what is left of it, and whether that is its last event.
        group1 = Signal.like(self.i.payload, reset_less=True)
        left1 = Signal(self.lanes, reset_less=True)
        valid1, single1, stale1, load, go = (Signal() for _ in range(5))
        rest1 = all_but_lowest(left1)
        m.d.comb += [
            stale1.eq(is_stale(group1.tag, self.oldest)),
            go.eq(valid1 & ~stale1 & queue.has_room),
            load.eq(~valid1 | stale1 | (single1 & queue.has_room)),
            self.i.ready.eq(load),
        ]
        fired = self.i.payload.fired
        with m.If(load):
            m.d.sync += [
                valid1.eq(self.i.valid),
                group1.eq(self.i.payload),
                left1.eq(fired),
                single1.eq(~several(fired)),
            ]
        with m.Elif(go):
            m.d.sync += [left1.eq(rest1), single1.eq(~several(rest1))]

        # Stage 2: which lane. Stage 3: which neuron.
        lane2 = Signal(range(self.lanes), reset_less=True)
        event2, event3 = (Signal(self.event_layout, reset_less=True) for _ in range(2))
        base2 = Signal(len(group1.base), reset_less=True)
        valid2, valid3, closes2, closes3 = (Signal() for _ in range(4))
        m.d.sync += [
            valid2.eq(go),
            lane2.eq(lowest_set(left1)),
            base2.eq(group1.base),
            closes2.eq(group1.close & ~left1.any() & ~group1.final),  # the event before it
            event2.tag.eq(group1.tag),
            event2.end.eq(group1.final),
            event2.last.eq(group1.close & single1 & ~group1.final),
            event2.step.eq(group1.step),
            valid3.eq(valid2),
            closes3.eq(closes2),
            event3.eq(event2),
            event3.index.eq(base2 + lane2),
        ]

        # Stage 4: one event is held until it is known whether it closes its step.
        hold_back(m, queue, event3, valid3, closes3)
        return m
