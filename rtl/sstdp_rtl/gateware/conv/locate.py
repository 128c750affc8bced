"""From an event to the walk that it sets off in a convolution layer."""

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import reserve
from sstdp_hw.blocks.widths import index_width
from sstdp_hw.contract.events import event_header

from ..parts.coordinates import Coordinates, delayed
from ..parts.queue import Queue
from ..parts.rom import Rom
from ..parts.streams import event_layout


def reach_layout(parameters, step_width):
    """What an event reaches.

    Members
    -------
    tag, end, last, step : as of an event, see `contract.events.event_header`
    nothing : no position at all
    rows, columns : how many rows and columns of positions, less one
    address : the first word
    base : index of an event of the first position, channel 0
    weight : row of the weights for the first word
    """
    p = parameters
    return data.StructLayout(
        {
            **{field.name: unsigned(field.width) for field in event_header(step_width)},
            "nothing": unsigned(1),
            "rows": unsigned(index_width(p.shape[1])),
            "columns": unsigned(index_width(p.shape[2])),
            "address": unsigned(p.address_width),
            "base": unsigned(p.leaving.index_width),
            "weight": unsigned(index_width(p.weight_depth)),
        }
    )


class Locate(wiring.Component):
    """Looks up in small tables what each coordinate of an event contributes, and adds it up.

    Takes an event a cycle.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.convolution.ConvParameters
    step_width : int
    name : str
        Prefix of the ROM modules' names.

    Members
    -------
    i : stream of `event_layout`
    o : stream of `reach_layout`
    """

    def __init__(self, parameters, step_width, name):
        self.p, self.name = parameters, name
        self.header = event_header(step_width)
        self.reach_layout = reach_layout(parameters, step_width)
        super().__init__(
            {
                "i": In(stream.Signature(event_layout(parameters.index_width, step_width))),
                "o": Out(stream.Signature(self.reach_layout)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        latency = p.locate_latency
        m.submodules.queue = queue = Queue(self.reach_layout, reserve=reserve(latency))
        wiring.connect(m, wiring.flipped(self.o), queue.o)
        m.submodules.coordinates = coordinates = Coordinates(p, self.name)
        event = self.i.payload
        m.d.comb += [
            self.i.ready.eq(queue.has_room),
            coordinates.index.eq(event.index),
        ]

        # Contributions of row, column and channel; then their sums.
        _, _, height, width = p.layer.weight.shape
        row = self._axis(m, "rows", coordinates.y, p.rows, p.leaving.row,
                         p.shape[2] * p.groups, width * p.groups)  # fmt: skip
        column = self._axis(m, "columns", coordinates.x, p.columns, p.leaving.column,
                            p.groups, p.groups)  # fmt: skip
        channels = [c * height * width * p.groups for c in range(p.arriving.shape[0])]
        channel = self._table(m, "channels", coordinates.channel, {"weight": channels})

        found = Signal(self.reach_layout, reset_less=True)
        arrived = delayed(m, event, latency, "event")
        m.d.sync += [
            found.nothing.eq(row.nothing | column.nothing),
            found.rows.eq(row.count),
            found.columns.eq(column.count),
            found.address.eq(row.address + column.address),
            found.base.eq(row.base + column.base),
            found.weight.eq(row.weight + column.weight + channel.weight),
        ]
        m.d.comb += [
            queue.i.valid.eq(delayed(m, self.i.valid & self.i.ready, latency, "valid")),
            queue.i.payload.eq(found),
            *(queue.i.payload[name].eq(arrived[name]) for name, *_ in self.header),
        ]
        return m

    def _axis(self, m, name, coordinate, reach, base, address, weight):
        """Table of one axis; the last arguments are distances from one output to the next."""
        fields = {
            "nothing": [int(count == 0) for count in reach.count],
            "count": [max(0, int(count) - 1) for count in reach.count],
            "address": [int(first) * address if count else 0
                        for first, count in zip(reach.first, reach.count, strict=True)],
            "base": [int(first) * base if count else 0
                     for first, count in zip(reach.first, reach.count, strict=True)],
            "weight": [int(place) * weight for place in reach.place],
        }  # fmt: skip
        return self._table(m, name, coordinate, fields)

    def _table(self, m, name, coordinate, fields):
        """A table with a column for every field; the row of the cycle before is returned."""
        shape = data.StructLayout(
            {key: unsigned(index_width(max(values) + 1)) for key, values in fields.items()}
        )
        rows = [
            shape.const(dict(zip(fields, row, strict=True))).as_value().value
            for row in zip(*fields.values(), strict=True)
        ]
        m.submodules[name] = table = Rom(f"{self.name}_{name}", shape.size, rows, style="logic")
        m.d.comb += table.addr.eq(coordinate)
        return data.View(shape, table.data)
