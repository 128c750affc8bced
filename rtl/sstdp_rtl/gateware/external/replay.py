"""The events of the first layer once more, for each of its tiles."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import TAG_WIDTH
from sstdp_hw.blocks.widths import index_width

from ..parts.rom import NO_COLLISION
from ..parts.streams import event_layout


class Replay(wiring.Component):
    """Passes events on, keeps those of the present image, and gives them again as often as wanted.

    An event that is kept comes every second cycle at most.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.sequential.tiled.TiledEngineParameters
    index_width, step_width : int
        Of the events.

    Members
    -------
    i, o : streams of `event_layout`
    again : In(1)
        Events that were kept are wanted, and the end behind them.
    tag : In(TAG_WIDTH)
        The present image.
    restart : In(1)
        Who takes the events has come to an end; those that are kept come from the first one on.
    clear : In(1)
        With ``restart``: the image is done, and they are gone.
    """

    def __init__(self, parameters, index_width, step_width):
        self.p, self.index_width, self.step_width = parameters, index_width, step_width
        events = stream.Signature(event_layout(index_width, step_width))
        super().__init__(
            {
                "i": In(events),
                "o": Out(events),
                "again": In(1),
                "tag": In(TAG_WIDTH),
                "restart": In(1),
                "clear": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        kept = data.StructLayout(
            {"index": unsigned(self.index_width), "step": unsigned(self.step_width)}
        )
        m.submodules.events = events = memory.Memory(
            shape=kept, depth=self.p.events, init=[], attrs=NO_COLLISION
        )
        read, write = events.read_port(), events.write_port()
        size = index_width(self.p.events + 1)
        count, place = Signal(size), Signal(size)
        there = Signal()  # what is read stands at the output
        head, out = self.i.payload, self.o.payload
        m.d.comb += [
            read.addr.eq(place),
            write.addr.eq(count),
            write.data.index.eq(head.index),
            write.data.step.eq(head.step),
        ]
        with m.If(self.again):
            m.d.comb += [
                self.o.valid.eq(there),
                out.tag.eq(self.tag),
                out.end.eq(place == count),
                out.step.eq(read.data.step),
                out.index.eq(read.data.index),
            ]
            m.d.sync += there.eq(1)
            with m.If(self.o.valid & self.o.ready):
                m.d.sync += [there.eq(0), place.eq(place + 1)]
        with m.Else():
            m.d.comb += [
                self.o.valid.eq(self.i.valid),
                self.i.ready.eq(self.o.ready),
                out.eq(head),
                write.en.eq(self.i.valid & self.i.ready & ~head.end & (head.tag == self.tag)),
            ]
            m.d.sync += count.eq(count + write.en)
        with m.If(self.restart):
            m.d.sync += [there.eq(0), place.eq(0)]
            with m.If(self.clear):
                m.d.sync += count.eq(0)
        return m
