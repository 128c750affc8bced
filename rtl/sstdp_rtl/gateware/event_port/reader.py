"""The input stream's events, with range and order checked."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.inputs import EVENT_WIDTH
from sstdp_hw.blocks.widths import index_width
from sstdp_hw.contract.event_packets import EVENT

from ..encoder.packet import axis_layout
from ..parts.streams import layout_of


def checked_layout(inputs, step_width):
    """One beat of a packet of events.

    Members
    -------
    index : the input
    step : time step
    fires : a good event; else the beat means nothing beside ``wrong`` and ``final``
    wrong : the index is out of range, or an event before it has a later step
    final : the packet ends here
    """
    return data.StructLayout(
        {
            "index": unsigned(index_width(inputs)),
            "step": unsigned(step_width),
            "fires": unsigned(1),
            "wrong": unsigned(1),
            "final": unsigned(1),
        }
    )


class EventReader(wiring.Component):
    """Tells good events from wrong ones and from beats that are none; takes a beat a cycle.

    Parameters
    ----------
    inputs, t_max : int

    Members
    -------
    i : stream of `packet.axis_layout`
    o : stream of `checked_layout`
    """

    def __init__(self, inputs, t_max):
        self.inputs, self.t_max, self.step_width = inputs, t_max, index_width(t_max)
        super().__init__(
            {
                "i": In(stream.Signature(axis_layout(EVENT_WIDTH))),
                "o": Out(stream.Signature(checked_layout(inputs, self.step_width))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        out = self.o.payload
        event = Signal(layout_of(EVENT))
        latest = Signal(self.step_width)  # step of the last good event
        is_event, known, ordered = Signal(), Signal(), Signal()
        m.d.comb += [
            event.eq(self.i.payload.data),
            is_event.eq(event.step < self.t_max),
            known.eq(event.index < self.inputs),
            ordered.eq(event.step[: self.step_width] >= latest),
            out.index.eq(event.index),
            out.step.eq(event.step),
            out.fires.eq(is_event & known & ordered),
            out.wrong.eq(is_event & ~(known & ordered)),
            out.final.eq(self.i.payload.last),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
        ]
        with m.If(self.i.valid & self.o.ready):
            with m.If(out.final):
                m.d.sync += latest.eq(0)
            with m.Elif(out.fires):
                m.d.sync += latest.eq(out.step)
        return m
