"""The event port: events in order of time in, the first one of every input out."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import STAMP_LATENCY, TAG_WIDTH, reserve

from ..parts.coordinates import delayed
from ..parts.queue import Queue
from ..parts.stamps import Stamps
from ..parts.streams import TRACED, event_layout, is_stale
from .reader import checked_layout


class EventPort(wiring.Component):
    """Takes an event a cycle; between two packets it takes none for a cycle.

    The first event of an input in a packet passes, others are dropped. Every packet ends with an
    event that has ``end`` set, unless it went stale before; the rest of one that did is read and
    dropped. The last event of a step is known when the next one passes, or when the packet ends:
    till then it is held.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.hardware.AcceleratorParameters

    Members
    -------
    i : stream of `reader.checked_layout`
    o : stream of `event_layout`
    oldest : In(TAG_WIDTH)
    reading : Out(TAG_WIDTH)
        Tag of the packet that is being read, or comes next: those before it are complete.
    errors : Out(1 << TAG_WIDTH)
        For every tag, whether its packet, once complete, had a wrong event.
    """

    def __init__(self, parameters):
        self.p = parameters
        self.event_layout = event_layout(parameters.input.index_width, parameters.step_width)
        # Seen by simulations, used by nothing else.
        self.spikes = Signal(self.event_layout, attrs=TRACED)
        self.spikes_valid = Signal(attrs=TRACED)
        super().__init__(
            {
                "i": In(stream.Signature(checked_layout(parameters.pixels, parameters.step_width))),
                "o": Out(stream.Signature(self.event_layout)),
                "oldest": In(TAG_WIDTH),
                "reading": Out(TAG_WIDTH),
                "errors": Out(1 << TAG_WIDTH),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        m.submodules.queue = queue = Queue(self.event_layout, reserve=reserve(p.input.latency))
        m.submodules.stamps = stamps = Stamps(p.pixels, p.input.stamp_width)
        wiring.connect(m, wiring.flipped(self.o), queue.o)

        # Stage 0: an event touches the mark of its input. Marks grow old at the end of a packet
        # already, unless they have to be cleared: that waits for the next one.
        item = self.i.payload
        tag, begun, error = Signal(TAG_WIDTH), Signal(), Signal()
        stale, room, opens, taken, ends = Signal(), Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.reading.eq(tag),
            stale.eq(is_stale(tag, self.oldest)),  # of one not begun: too many are in flight
            room.eq(queue.has_room | (begun & stale)),  # a stale event takes none
            opens.eq(begun | ~stale),
            taken.eq(self.i.valid & self.i.ready),
            stamps.addr.eq(item.index),
            stamps.valid.eq(taken & item.fires),
        ]
        with m.FSM():
            with m.State("BEGIN"), m.If(self.i.valid & stamps.ready):
                m.d.comb += stamps.advance.eq(1)
                m.next = "TAKE"
            with m.State("TAKE"):
                m.d.comb += self.i.ready.eq(room & stamps.ready & opens)
                with m.If(taken):
                    m.d.sync += [begun.eq(1), error.eq(error | item.wrong)]
                    with m.If(item.final):
                        m.next = "END"
            with m.State("END"), m.If(room):
                m.d.comb += [ends.eq(1), stamps.advance.eq(~stamps.wraps)]
                m.d.sync += [
                    self.errors.bit_select(tag, 1).eq(error),
                    tag.eq(tag + 1),
                    begun.eq(0),
                    error.eq(0),
                ]
                m.next = "TAKE"
                with m.If(stamps.wraps):
                    m.next = "BEGIN"

        # Stage 3: the mark tells which events pass.
        found = Signal(self.event_layout)
        end = delayed(m, ends, STAMP_LATENCY, "end")
        arrives = Signal()
        fresh = delayed(m, stamps.valid, STAMP_LATENCY, "touched") & stamps.fresh
        m.d.comb += [
            found.tag.eq(delayed(m, tag, STAMP_LATENCY, "tag")),
            found.end.eq(end),
            found.step.eq(Mux(end, p.t_max - 1, delayed(m, item.step, STAMP_LATENCY, "step"))),
            found.index.eq(delayed(m, item.index, STAMP_LATENCY, "index")),
            arrives.eq((fresh | end) & ~is_stale(found.tag, self.oldest)),
        ]

        # Stage 4: held until the next one tells whether it was the last of its step; the end of a
        # packet leaves by itself.
        held = Signal(self.event_layout, reset_less=True)
        holding = Signal()
        dropped = Signal()
        m.d.comb += [
            dropped.eq(is_stale(held.tag, self.oldest)),
            queue.i.valid.eq(holding & ~dropped & (arrives | held.end)),
            queue.i.payload.eq(held),
            queue.i.payload.last.eq(~held.end & (end | (found.step != held.step))),
            self.spikes.eq(queue.i.payload),
            self.spikes_valid.eq(queue.i.valid),
        ]
        with m.If(arrives):
            m.d.sync += [holding.eq(1), held.eq(found)]
        with m.Elif(dropped | held.end):
            m.d.sync += holding.eq(0)
        return m
