"""From the next spike to the walk that it sets off in the present layer."""

from amaranth.hdl import Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import TAG_WIDTH
from sstdp_hw.blocks.widths import index_width

from ..parts.coordinates import Coordinates
from ..parts.streams import event_layout
from .lists import spike_layout
from .tables import by_layer, table


def reach_layout(parameters):
    """What a spike reaches.

    Members
    -------
    end : no spike: the layer has no more
    step : time step
    reaches : there is a position at all
    weight : row of the weights for the first word
    address : the first word
    x, y, x_last, y_last : the first and the last column and row of positions
    """
    p = parameters
    fields = {
        "end": unsigned(1),
        "step": unsigned(index_width(p.t_max)),
        "reaches": unsigned(1),
        "weight": unsigned(index_width(p.weight_depth)),
    }
    if p.maps:
        fields["address"] = unsigned(p.address_width)
        fields |= {name: unsigned(p.x_width) for name in ("x", "x_last")}
        fields |= {name: unsigned(p.y_width) for name in ("y", "y_last")}
    return data.StructLayout(fields)


class Fetch(wiring.Component):
    """Takes the spikes of the first layer from the input, and those of others from the lists, looks
    up what each coordinate contributes, and holds one walk ready.

    A spike stays where it is until its walk is known; so nothing but the tables' own registers is
    needed on the way.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.sequential.engine.EngineParameters
    index_width, step_width : int
        Of events from the input.

    Members
    -------
    i : stream of `event_layout`
        Events of another image than the present one are dropped.
    spikes : stream of `lists.spike_layout`
    layer : In
        The present one.
    tag : In(TAG_WIDTH)
        The present image.
    restart : In(1)
        The present layer has ended; what is held ready is void.
    o : stream of `reach_layout`
        After the end of a layer nothing until `restart`.
    """

    def __init__(self, parameters, index_width, step_width):
        self.p, self.index_width = parameters, index_width
        super().__init__(
            {
                "i": In(stream.Signature(event_layout(index_width, step_width))),
                "spikes": In(stream.Signature(spike_layout(parameters))),
                "layer": In(parameters.layer_width),
                "tag": In(TAG_WIDTH),
                "restart": In(1),
                "o": Out(stream.Signature(reach_layout(parameters))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        head, spike = self.i.payload, self.spikes.payload
        first_passes = p.pass_layers.count(0)
        first = Const(1)
        if first_passes < len(p.passes):
            first = (self.layer < first_passes) if first_passes > 1 else (self.layer == 0)

        ended, own, valid, settled, latch = (Signal() for _ in range(5))
        m.d.comb += [
            own.eq(head.tag == self.tag),
            valid.eq(~ended & Mux(first, self.i.valid & own, self.spikes.valid)),
            latch.eq(valid & settled & (~self.o.valid | self.o.ready)),
            self.i.ready.eq(first & ~ended & (latch | (self.i.valid & ~own))),
            self.spikes.ready.eq(~first & latch),
        ]
        waits = [p.locate_cycles(number) for number in p.pass_layers]
        if max(waits):
            cycles = Signal(range(max(waits) + 1))
            m.d.comb += settled.eq(cycles == by_layer(m, self.layer, waits, "wait"))
            with m.If(latch | ~valid | self.restart):
                m.d.sync += cycles.eq(0)
            with m.Elif(~settled):
                m.d.sync += cycles.eq(cycles + 1)
        else:
            m.d.comb += settled.eq(1)

        found = Signal(reach_layout(p))
        m.d.comb += [
            found.end.eq(Mux(first, head.end, spike.end)),
            found.step.eq(Mux(first, head.step, spike.step)),
        ]
        self._locate(m, first, found)
        with m.If(latch):
            m.d.sync += [self.o.payload.eq(found), self.o.valid.eq(1), ended.eq(found.end)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.restart):
            m.d.sync += [self.o.valid.eq(0), ended.eq(0)]
        return m

    def _locate(self, m, first, found):
        """Fill in what the spike reaches."""
        p, head, spike = self.p, self.i.payload, self.spikes.payload
        if not p.maps:
            bases = [layer.weight_base for layer in p.passes]
            row = Mux(first, head.index, spike.channel)
            m.d.comb += [
                found.weight.eq(by_layer(m, self.layer, bases, "weight_base") + row),
                found.reaches.eq(~found.end),
            ]
            return
        channel, y, x = head.index, Const(0, 1), Const(0, 1)
        if p.entry is not None:
            m.submodules.coordinates = place = Coordinates(p.entry, "engine")
            m.d.comb += place.index.eq(head.index)
            channel, y, x = place.channel, place.y, place.x
        y_width, x_width = p.in_widths
        at_y, at_x = Signal(y_width), Signal(x_width)
        at_channel = Signal(max(len(channel), len(spike.channel)))
        m.d.comb += [
            at_channel.eq(Mux(first, channel, spike.channel)),
            at_y.eq(Mux(first, y, spike.y)),
            at_x.eq(Mux(first, x, spike.x)),
        ]
        rows = self._axis(m, "rows", 0, at_y)
        columns = self._axis(m, "columns", 1, at_x)
        m.d.comb += [
            found.reaches.eq(~found.end & rows.reached & columns.reached),
            found.weight.eq(rows.weight + columns.weight + at_channel),
            found.address.eq(rows.address + columns.address),
            found.y.eq(rows.first),
            found.y_last.eq(rows.last),
            found.x.eq(columns.first),
            found.x_last.eq(columns.last),
        ]

    def _axis(self, m, name, axis, coordinate):
        """Table of one axis: what a row, or a column, of a layer's input reaches."""
        p = self.p
        style = p.table_style(len(p.passes) << len(coordinate))
        found = table(m, name, self.layer, coordinate, p.reach_fields(axis), style, p.table_latency)
        return found
