"""The spike memory of an engine that computes its layers tile by tile."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.widths import index_width

from ..parts.rom import LUT_RAM
from ..sequential.lists import ItemAtHand, item_layout, spike_layout
from .item_memory import ItemMemory


class TiledSpikeLists(wiring.Component):
    """Two lists as those of `sequential.lists.SpikeLists`, each of as many segments as its layer
    has tiles, merged by step when they are read.

    A segment has its items in the order of steps. The reader goes round all segments once for every
    step that any of them has, and keeps the place in each of them; so the spikes come in the order
    of steps, and the next step is known when a round ends.

    With a batch every tile has a segment for each image, one behind another, and the reader goes
    round those of the present image.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.sequential.tiled.TiledEngineParameters

    Members
    -------
    item, valid : In
        `item_layout`: written.
    ends : In(1)
        The segment that was written is complete, and what is read is read from its beginning.
    image : In
        With a batch alone: number of the present image within it.
    again : In(1)
        With a batch alone, and with ``ends``: the next segment is of the same tile.
    swap : In(1)
        With ``ends``: it was the last of its layer. What was written is read from now on, what was
        read is gone.
    starts : In(1)
        With ``swap``: the next layer is the first, and nothing is read.
    o : stream of `spike_layout`
        After the last spike ``end``, as often as it is asked for.
    """

    def __init__(self, parameters):
        self.p, self.batches = parameters, parameters.batch > 1
        super().__init__(
            {
                "item": In(item_layout(parameters)),
                "valid": In(1),
                "ends": In(1),
                **({"image": In(parameters.image_bits), "again": In(1)} if self.batches else {}),
                "swap": In(1),
                "starts": In(1),
                "o": Out(stream.Signature(spike_layout(parameters))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        m.submodules.items = items = ItemMemory("engine_items", p.item_width, sum(p.list_items))
        half = Signal()  # the list that is written
        second = p.list_items[0]
        written, place, limit, begin = (
            Signal(p.pointer_width, name=name) for name in ("written", "place", "limit", "begin")
        )
        m.d.comb += [
            items.addr.eq(written),
            items.item.eq(self.item),
            items.writes.eq(self.valid),
            items.place.eq(place),
        ]

        # ---- Segments: where each of them ends, by list; how far each has been read.
        most = max(p.plan.counts())
        wide = index_width(most)
        segment, tile, segments = (
            Signal(wide, name=name) for name in ("segment", "tile", "segments")
        )
        # Of every tile; with a batch of its every image, and there the place where it begins, too.
        shape, depth = unsigned(p.pointer_width), 2 << wide
        if self.batches:
            shape = data.ArrayLayout(shape, 2)
            depth <<= p.image_bits
        m.submodules.bounds = bounds = memory.Memory(
            shape=shape, depth=depth, init=[], attrs=LUT_RAM
        )
        m.submodules.places = places = memory.Memory(
            shape=unsigned(p.pointer_width), depth=1 << wide, init=[], attrs=LUT_RAM
        )
        bound, kept = bounds.read_port(domain="comb"), places.read_port(domain="comb")
        mark, keep = bounds.write_port(), places.write_port()
        number, found_end, found_begin = (), bound.data, begin
        if self.batches:
            number, found_end, found_begin = (self.image,), bound.data[0], bound.data[1]
        m.d.comb += [
            mark.addr.eq(Cat(tile, *number, half)),
            mark.data.eq(Cat(written, begin) if self.batches else written),
            mark.en.eq(self.ends),
            bound.addr.eq(Cat(segment, *number, ~half)),
            kept.addr.eq(segment),
            keep.addr.eq(segment),
            keep.data.eq(place),
        ]

        # ---- What is read: the item at hand, and the steps that come.
        found = data.View(item_layout(p), items.data)
        marked = found.as_value()[: index_width(p.t_max)]
        out = self.o.payload
        item = ItemAtHand(m, p, out)
        step = item.step
        later, ahead = Signal(), Signal(index_width(p.t_max))  # a step that comes, the first one
        first_round = Signal(init=1)

        there = Signal()  # not in the first layer, in which the memories hold nothing that is known

        def begins_anew():
            """With every tile, wherever it stands."""
            with m.If(self.ends):
                m.next = "END"
                with m.If(Mux(self.swap, ~self.starts, there)):
                    m.next = "FIND"

        with m.FSM(init="END"):
            with m.State("FIND"):
                m.d.sync += [
                    place.eq(Mux(first_round, found_begin, kept.data)),
                    limit.eq(found_end),
                ]
                m.next = "FETCH"
                begins_anew()
            with m.State("FETCH"):
                m.next = "LOAD"
                begins_anew()
            with m.State("LOAD"):
                with m.If(place == limit):
                    m.next = "LEAVE"
                with m.Elif(found.marker & (marked != step)):
                    with m.If(~later | (marked < ahead)):
                        m.d.sync += [later.eq(1), ahead.eq(marked)]
                    m.next = "LEAVE"
                with m.Else():
                    m.d.sync += [place.eq(place + 1), *item.takes(found)]
                    m.next = "FETCH"
                    with m.If(~found.marker):
                        m.next = "EMIT"
                begins_anew()
            with m.State("EMIT"):
                item.give(m, self.o)
                begins_anew()
            with m.State("LEAVE"):
                m.d.comb += keep.en.eq(1)
                m.d.sync += segment.eq(segment + 1)
                if not self.batches:
                    m.d.sync += begin.eq(limit)
                m.next = "FIND"
                with m.If(segment == segments):
                    m.d.sync += [
                        segment.eq(0), first_round.eq(0), step.eq(ahead), later.eq(0),
                    ]  # fmt: skip
                    with m.If(~later):
                        m.next = "END"
                begins_anew()
            with m.State("END"):
                m.d.comb += [out.end.eq(1), self.o.valid.eq(1)]
                begins_anew()

        # ---- The next tile: the same list once more, or what has been written.
        writes_next = Mux(half, 0, second)
        m.d.sync += written.eq(written + self.valid)
        with m.If(self.ends):
            m.d.sync += [
                # What is read next; with a batch what is written next.
                begin.eq(written if self.batches else Mux(half ^ self.swap, 0, second)),
                tile.eq(tile + ~self.again if self.batches else tile + 1),
                segment.eq(0), step.eq(0), later.eq(0), first_round.eq(1),
            ]  # fmt: skip
        with m.If(self.swap):
            m.d.sync += [
                half.eq(~half), written.eq(writes_next), segments.eq(tile), tile.eq(0),
                there.eq(~self.starts),
            ]  # fmt: skip
            if self.batches:
                m.d.sync += begin.eq(Mux(self.starts, 0, writes_next))
            with m.If(self.starts):
                m.d.sync += [half.eq(0), written.eq(0)]
        return m
