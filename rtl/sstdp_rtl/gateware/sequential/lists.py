"""The spike memory: what one layer of the engine hands to the next."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.widths import index_width

from ..parts.one_hot import all_but_lowest, one_hot_index, several
from ..parts.rom import NO_COLLISION


def place_layout(parameters):
    """Which group at which position: ``group``, ``x`` and ``y``."""
    p = parameters
    return data.StructLayout(
        {"group": unsigned(p.group_width), "x": unsigned(p.x_width), "y": unsigned(p.y_width)}
    )


def item_layout(parameters):
    """One item of a list: a group with neurons that fired in the present step; or, with ``marker``,
    the step that begins, in the lowest bits.

    Members
    -------
    place : of `place_layout`
    fired : one bit a lane
    marker
    """
    p = parameters
    spare = p.item_width - 1 - p.place_width - p.lanes
    return data.StructLayout(
        {
            "place": place_layout(p),
            "fired": unsigned(p.lanes),
            "spare": unsigned(spare),
            "marker": unsigned(1),
        }
    )


def channel_of(lanes, group, lane=0):
    """Channel of a lane: side by side, if the number of lanes is a power of two."""
    if lanes & (lanes - 1):
        return group * lanes + lane
    bits = lanes.bit_length() - 1
    return Cat(Const(0, bits) if isinstance(lane, int) else lane[:bits], group)


def spike_layout(parameters):
    """A spike on its way to the layer that takes it, or the end.

    Members
    -------
    end : the list has no more spikes
    step : time step
    channel, x, y : the neuron
    """
    p = parameters
    return data.StructLayout(
        {
            "end": unsigned(1),
            "step": unsigned(index_width(p.t_max)),
            "channel": unsigned(p.widths.channel),
            "x": unsigned(p.x_width),
            "y": unsigned(p.y_width),
        }
    )


class ItemAtHand:
    """The item whose spikes are given, lane by lane.

    Parameters
    ----------
    m : Module
        That of the lists, to which it is added.
    parameters : sstdp_hw.blocks.sequential.engine.EngineParameters
    out : View
        `spike_layout`, of which step, channel and position are given.

    Attributes
    ----------
    step : Signal
        That of the item.
    """

    def __init__(self, m, parameters, out):
        p = parameters
        at_hand = Signal(place_layout(p), reset_less=True)
        left = Signal(p.lanes, reset_less=True)  # lanes to be given
        step = Signal(index_width(p.t_max))
        rest = all_but_lowest(left)
        self._place, self._left, self._rest, self.step = at_hand, left, rest, step
        lane = one_hot_index(left & ~rest, index_width(p.lanes))
        m.d.comb += [
            out.step.eq(step),
            out.channel.eq(channel_of(p.lanes, at_hand.group, lane)),
            out.x.eq(at_hand.x),
            out.y.eq(at_hand.y),
        ]

    def takes(self, found):
        """Statements that take an item of `item_layout`."""
        return [self._place.eq(found.place), self._left.eq(found.fired)]

    def give(self, m, o):
        """In a state of its own: give its spikes to the stream ``o``, then go on to LOAD."""
        m.d.comb += o.valid.eq(1)
        with m.If(o.ready):
            m.d.sync += self._left.eq(self._rest)
            with m.If(~several(self._left)):
                m.next = "LOAD"


class SpikeLists(wiring.Component):
    """Two lists, one being written while the other is read.

    An item is written a cycle, at any time. Reading gives one spike after the other, lanes in
    ascending order, a spike a cycle within an item; between two items a cycle passes, after a
    marker two.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.sequential.engine.EngineParameters

    Members
    -------
    item, valid : In
        `item_layout`: written.
    swap : In(1)
        What was written is read from now on; what was read is gone.
    starts : In(1)
        With ``swap``: the next layer is the first, and nothing is read.
    o : stream of `spike_layout`
        After the last spike ``end``, as often as it is asked for.
    """

    def __init__(self, parameters):
        self.p = parameters
        super().__init__(
            {
                "item": In(item_layout(parameters)),
                "valid": In(1),
                "swap": In(1),
                "starts": In(1),
                "o": Out(stream.Signature(spike_layout(parameters))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        m.submodules.items = items = memory.Memory(
            shape=unsigned(p.item_width), depth=sum(p.list_items), init=[], attrs=NO_COLLISION
        )
        read, write = items.read_port(), items.write_port()
        half = Signal()
        written, count, place = (
            Signal(p.pointer_width, name=name) for name in ("written", "count", "place")
        )
        m.d.comb += [
            write.addr.eq(written),
            write.data.eq(self.item),
            write.en.eq(self.valid),
            read.addr.eq(place),
        ]

        found = data.View(item_layout(p), read.data)
        out = self.o.payload
        item = ItemAtHand(m, p, out)
        with m.FSM():
            with m.State("FETCH"):
                m.next = "LOAD"
                with m.If(self.swap):
                    m.next = "FETCH"
            with m.State("LOAD"):
                with m.If(place == count):
                    m.d.comb += [out.end.eq(1), self.o.valid.eq(1)]
                with m.Else():
                    m.d.sync += [place.eq(place + 1), *item.takes(found)]
                    m.next = "EMIT"
                    with m.If(found.marker):
                        m.d.sync += item.step.eq(read.data)
                        m.next = "FETCH"
                with m.If(self.swap):
                    m.next = "FETCH"
            with m.State("EMIT"):
                item.give(m, self.o)
                with m.If(self.swap):
                    m.next = "FETCH"
        # Every other layer writes the second list, from its own place on.
        second = p.list_items[0]
        m.d.sync += written.eq(written + self.valid)
        with m.If(self.swap):
            m.d.sync += [
                half.eq(~half),
                written.eq(Mux(half, 0, second)),
                count.eq(written),
                place.eq(Mux(half, second, 0)),
                item.step.eq(0),
            ]
            with m.If(self.starts):
                m.d.sync += [half.eq(0), written.eq(0), count.eq(0), place.eq(0)]
        return m
