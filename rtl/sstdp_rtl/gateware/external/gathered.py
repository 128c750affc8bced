"""Events of images that wait for the engine, and of those that it works on."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import TAG_WIDTH
from sstdp_hw.blocks.widths import index_width as bits_of

from ..parts.rom import LUT_RAM, NO_COLLISION
from ..parts.streams import event_layout


class Gathered(wiring.Component):
    """Takes the events of one image after the other into a ring, whatever the engine is at, and
    gives those of an image that is whole, as often as it is wanted.

    Takes an event a cycle while there is room; gives one every second cycle at most. Events of a
    batch stay until the last pass of the first layer has ended, image by image. A whole image can
    always be taken: the ring has room for two.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.sequential.tiled.TiledEngineParameters
        With a batch of several images.
    index_width, step_width : int
        Of the events.

    Members
    -------
    i, o : streams of `event_layout`
    errors : In(1 << TAG_WIDTH)
        Frame error of every tag, when the end of its image comes.
    arrived : Out
        Images that are whole, since the reset, as `batch.Batch` counts them; in its lowest bits the
        tag of the one that comes.
    number, first : In
        Of `batch.Batch`.
    error : Out(1)
        The packet of the image ``number`` had a frame error.
    restart : In(1)
        Who takes the events has come to the end of a pass for the present image.
    again : In(1)
        With ``restart``: the next image is wanted in the same pass; else the first of the batch, or
        of the next batch.
    frees : In(1)
        With ``restart``: events of the present image are not wanted any more.
    """

    def __init__(self, parameters, index_width, step_width):
        self.p, self.index_width, self.step_width = parameters, index_width, step_width
        events = stream.Signature(event_layout(index_width, step_width))
        count = bits_of(2 * parameters.image_places)
        super().__init__(
            {
                "i": In(events),
                "o": Out(events),
                "errors": In(1 << TAG_WIDTH),
                "arrived": Out(count),
                "number": In(count),
                "first": In(count),
                "error": Out(1),
                "restart": In(1),
                "again": In(1),
                "frees": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        kept = data.StructLayout(
            {"index": unsigned(self.index_width), "step": unsigned(self.step_width)}
        )
        m.submodules.events = events = memory.Memory(
            shape=kept, depth=p.kept_events, init=[], attrs=NO_COLLISION
        )
        read, write = events.read_port(), events.write_port()
        wide = bits_of(p.kept_events)
        # A bit more than an address: how often the ring was gone round.
        written, base = Signal(wide + 1), Signal(wide + 1)
        place, limit = Signal(wide), Signal(wide + 1)
        # Where each image ends, and whether its packet was wrong.
        m.submodules.images = images = memory.Memory(
            shape=data.StructLayout({"end": unsigned(wide + 1), "error": unsigned(1)}),
            depth=p.image_places, init=[], attrs=LUT_RAM,
        )  # fmt: skip
        mark, found = images.write_port(), images.read_port(domain="comb")
        head, out = self.i.payload, self.o.payload

        # ---- Taking: the end needs no row.
        takes, full, crowded = Signal(), Signal(), Signal()
        m.d.comb += [
            full.eq((written ^ base) == p.kept_events),
            crowded.eq((self.arrived ^ self.first) == p.image_places),
            self.i.ready.eq(~crowded & (~full | head.end)),
            takes.eq(self.i.valid & self.i.ready),
            write.addr.eq(written),
            write.data.index.eq(head.index),
            write.data.step.eq(head.step),
            write.en.eq(takes & ~head.end),
            mark.addr.eq(self.arrived),
            mark.data.end.eq(written),
            mark.data.error.eq(self.errors.bit_select(head.tag, 1)),
            mark.en.eq(takes & head.end),
        ]
        m.d.sync += [
            written.eq(written + write.en),
            self.arrived.eq(self.arrived + mark.en),
        ]

        # ---- Giving: what is read stands at the output.
        there = Signal()
        m.d.comb += [
            found.addr.eq(self.number),
            self.error.eq(found.data.error),
            read.addr.eq(place),
            self.o.valid.eq(there),
            out.tag.eq(self.number),
            out.end.eq(place == limit[:wide]),
            out.step.eq(read.data.step),
            out.index.eq(read.data.index),
        ]
        m.d.sync += [limit.eq(found.data.end), there.eq(self.arrived != self.number)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [there.eq(0), place.eq(place + 1)]
        with m.If(self.restart):
            m.d.sync += [there.eq(0), place.eq(Mux(self.again | self.frees, limit, base))]
            with m.If(self.frees):
                m.d.sync += base.eq(limit)
        return m
