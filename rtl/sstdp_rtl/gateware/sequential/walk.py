"""What the engine does next: the layers of an image one after the other, word by word."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import LUT_RAM_DEPTH, TAG_WIDTH
from sstdp_hw.blocks.sequential.engine import HAZARD
from sstdp_hw.blocks.widths import index_width

from ..parts.rom import LUT_RAM, NO_COLLISION
from .fetch import reach_layout
from .lists import item_layout, place_layout
from .tables import by_layer


def word_layout(parameters):
    """One word on its way through the adders.

    Members
    -------
    starts : it takes its initial potentials
    add : weights are added; who is above threshold afterwards makes the word a candidate, and so it
        does when it ``starts``
    compare : whoever is above threshold fires
    shown : the decision is to see the group: with ``final``, at the end of the image; else if a
        neuron fires, or if it is the ``last`` group and one of those before had one that fires
    last : the last word of a walk
    address : the word
    place : of `lists.place_layout`
    """
    p = parameters
    names = ("starts", "add", "compare", "shown", "final", "last")
    return data.StructLayout(
        {
            **{name: unsigned(1) for name in names},
            "address": unsigned(p.address_width),
            "place": place_layout(p),
        }
    )


class Walk(wiring.Component):
    """Issues a word a cycle.

    A layer begins with a walk over all its words, which gives them their initial potentials. Then
    every spike walks over the words it reaches, the next one without a gap. A step is complete when
    a spike of another step is there, or the end; if words were above threshold in it, the engine
    waits until the last addition has passed. In a hidden layer these words, the candidates, are
    compared then, and those neurons that fire are listed behind a marker with the step. In the
    output layer all groups are compared in order, and shown to the decision, one at a time.

    A word is not issued while an earlier one with the same address is on its way between the
    reading and the writing of the potentials.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.sequential.engine.EngineParameters
    early_exit : bool
        The image is done with its first step in which an output neuron fires.

    Members
    -------
    i : stream of `fetch.reach_layout`
    candidate, candidate_valid : In
        Address and place of a word that became a candidate.
    fired : In(1)
        A group was shown in which a neuron fires, in the present walk.
    showing : In(1)
        The decision has not taken the last group yet.
    word, valid, weight : Out
        `word_layout`, and the row of its weights.
    marker, marks : Out
        An item of the list: the step whose groups follow.
    layer, tag, step : Out
        What is being computed.
    begins : Out(1)
        A walk over all words begins.
    ends, image_ends : Out(1)
        The layer is complete; the image is, too.
    void : In(1)
        Only where weights are loaded: the memories hold no whole network, and no image is here.
        The first layer begins, or begins again, when they do, since its initial potentials come
        from them. Or where they come tile by tile: the tile that is next is not there.
    again, next_tag : In
        Only with a batch, with ``ends``: the present layer begins again, for another image; the tag
        of the image that is next.
    """

    def __init__(self, parameters, early_exit):
        self.p, self.early_exit = parameters, early_exit
        word = word_layout(parameters)
        super().__init__(
            {
                "i": In(stream.Signature(reach_layout(parameters))),
                "candidate": In(word),
                "candidate_valid": In(1),
                "fired": In(1),
                "showing": In(1),
                "word": Out(word),
                "valid": Out(1),
                "weight": Out(index_width(parameters.weight_depth)),
                "marker": Out(item_layout(parameters)),
                "marks": Out(1),
                "layer": Out(parameters.layer_width),
                "tag": Out(TAG_WIDTH),
                "step": Out(index_width(parameters.t_max)),
                "begins": Out(1),
                "ends": Out(1),
                "image_ends": Out(1),
                **({"void": In(1)} if parameters.waits else {}),
                **self._batch_members(),
            }
        )

    def _batch_members(self):
        return {"again": In(1), "next_tag": In(TAG_WIDTH)} if self.p.batch > 1 else {}

    def elaborate(self, platform):
        m = Module()
        p, head, word = self.p, self.i.payload, self.word
        last_layer = len(p.passes) - 1
        output = (self.layer == last_layer) if last_layer else Const(1)

        # ---- What the present walk is for; to compare if none of these.
        active, starting, adding, ending = (
            Signal(name=name) for name in ("active", "starting", "adding", "ending")
        )
        walks, listed = Signal(), Signal()  # a word of the walk goes; a candidate
        load, load_all = Signal(), Signal()
        place = self._places(m, walks, load, load_all)

        # ---- The list of candidates; it is complete when it is read.
        count, next_one = (Signal(range(p.words + 1), name=n) for n in ("count", "next_one"))
        second = Signal()  # of the cycles between two comparisons
        shape = data.StructLayout({"address": unsigned(p.address_width), "place": place_layout(p)})
        deep = p.words > LUT_RAM_DEPTH
        m.submodules.candidates = candidates = memory.Memory(
            shape=shape, depth=p.words, init=[],
            attrs={"ram_style": "block", **NO_COLLISION} if deep else LUT_RAM,
        )  # fmt: skip
        read, write = candidates.read_port(), candidates.write_port()
        m.d.comb += [
            write.addr.eq(count),
            write.data.address.eq(self.candidate.address),
            write.data.place.eq(self.candidate.place),
            write.en.eq(self.candidate_valid),
            read.addr.eq(next_one),
        ]
        with m.If(self.candidate_valid):
            m.d.sync += count.eq(count + 1)

        # ---- What is issued.
        busy = Signal(range(p.latency + 1))  # a word is on its way
        idle, shows = Signal(), Signal()
        m.d.comb += [
            idle.eq(busy == 0),
            shows.eq(~starting & ~adding),  # a walk that shows: one word at a time
            walks.eq(active & Mux(shows, idle & ~self.showing, ~self._hazard(m, place.address))),
            self.valid.eq(walks | listed),
            self.weight.eq(place.weight),
            word.starts.eq(starting),
            word.add.eq(adding),
            word.compare.eq(~starting & ~adding & ~ending),
            word.shown.eq(shows & ~listed),
            word.final.eq(ending),
            word.last.eq(place.last),
            word.address.eq(Mux(listed, read.data.address, place.address)),
            word.place.eq(Mux(listed, read.data.place, place.layout)),
        ]
        m.d.sync += busy.eq(Mux(self.valid, p.latency, Mux(idle, 0, busy - 1)))

        finishes, free = Signal(), Signal()
        m.d.comb += [finishes.eq(walks & place.last), free.eq(~active | finishes)]
        with m.If(finishes):
            m.d.sync += active.eq(0)

        m.d.comb += [
            self.marker.as_value().eq(self.step),
            self.marker.marker.eq(1),
            self.begins.eq(load_all),
        ]

        def waits_for_memories():
            """Words of the walk that was begun may still be on their way; loading takes longer."""
            if p.waits:
                with m.If(self.void):
                    m.d.sync += active.eq(0)
                    m.next = "BEGIN"

        with m.FSM():
            with m.State("BEGIN"):
                m.d.comb += load_all.eq(1)
                m.d.sync += [
                    active.eq(1), starting.eq(1), adding.eq(0), ending.eq(0),
                    self.step.eq(0), count.eq(0),
                ]  # fmt: skip
                m.next = "WALK"
                waits_for_memories()
            with m.State("WALK"):
                with m.If(free & self.i.valid):
                    with m.If(head.end | (head.step != self.step)):
                        m.next = "SETTLE"
                    with m.Else():
                        m.d.comb += [self.i.ready.eq(1), load.eq(1)]
                        m.d.sync += [active.eq(head.reaches), starting.eq(0), adding.eq(1)]
                waits_for_memories()
            with (
                m.State("SETTLE"),
                m.If(idle),
            ):  # the step is complete, and all candidates are there
                m.d.sync += [starting.eq(0), adding.eq(0), next_one.eq(0)]
                with m.If(count == 0):
                    m.d.sync += self.step.eq(head.step)
                    m.next = "WALK"
                    with m.If(head.end):
                        m.next = "END"
                        with m.If(output):
                            m.d.comb += load_all.eq(1)
                            m.d.sync += [active.eq(1), ending.eq(1)]
                            m.next = "SHOW"
                with m.Elif(output):
                    m.d.comb += load_all.eq(1)
                    m.d.sync += active.eq(1)
                    m.next = "SHOW"
                with m.Else():
                    m.d.comb += self.marks.eq(1)
                    m.next = "COMPARE"
            with m.State("COMPARE"):
                m.d.sync += second.eq(~second)
                with m.If(second):
                    m.d.comb += listed.eq(1)
                    m.d.sync += next_one.eq(next_one + 1)
                    with m.If(next_one + 1 == count):
                        m.d.sync += count.eq(0)
                        m.next = "SETTLE"
            with m.State("SHOW"), m.If(~active & idle & ~self.showing):
                m.d.sync += count.eq(0)
                m.next = "SETTLE"
                with m.If(ending | (self.fired & int(self.early_exit))):
                    m.next = "END"
            with m.State("END"):
                m.d.comb += [self.ends.eq(1), self.image_ends.eq(output)]
                if p.batch == 1:
                    m.d.sync += self.layer.eq(Mux(output, 0, self.layer + 1))
                    with m.If(output):
                        m.d.sync += self.tag.eq(self.tag + 1)
                else:
                    m.d.sync += self.tag.eq(self.next_tag)
                    with m.If(~self.again):
                        m.d.sync += self.layer.eq(Mux(output, 0, self.layer + 1))
                m.next = "BEGIN"
        return m

    def _places(self, m, walks, load, load_all):
        """Counters over rows, columns and groups of the present walk."""
        p, head, layer = self.p, self.i.payload, self.layer
        layers = p.passes
        place = _Place(p)
        last_group, last_x, last_y = Signal(), Const(1), Const(1)
        m.d.comb += last_group.eq(
            place.group == by_layer(m, layer, [found.last_group for found in layers], "groups")
        )
        if not p.maps:
            m.d.comb += [place.address.eq(place.group), place.last.eq(last_group)]
        else:
            last_x, last_y = Signal(), Signal()
            m.d.comb += [
                last_x.eq(place.x == place.x_last),
                last_y.eq(place.y == place.y_last),
                place.last.eq(last_group & last_x & last_y),
            ]
        m.d.comb += [
            place.layout.group.eq(place.group),
            place.layout.x.eq(place.x),
            place.layout.y.eq(place.y),
        ]
        width, first_group = len(place.weight), 0
        if p.tiled:
            firsts = [found.first_group for found in layers]
            first_group = by_layer(m, layer, firsts, "first_group", p.group_width)
        next_group = by_layer(m, layer, [found.group_rows for found in layers], "next_group", width)
        with m.If(walks):
            m.d.sync += [
                place.group.eq(Mux(last_group, first_group, place.group + 1)),
                place.weight.eq(place.weight + next_group),
            ]
        if p.maps:
            self._positions(m, place, walks, load, load_all, last_group, last_x)
        with m.If(load | load_all):
            m.d.sync += [place.group.eq(first_group), place.weight.eq(head.weight)]
        return place

    def _positions(self, m, place, walks, load, load_all, last_group, last_x):
        """Counters of rows and columns, and what they do to address and weight."""
        p, head, layer = self.p, self.i.payload, self.layer
        layers, width = p.passes, len(place.weight)
        # From the last group at a position to the first at the next, a column further.
        back = [found.arriving[0] - (found.groups - 1) * found.group_rows for found in layers]
        address_pitch = by_layer(
            m, layer, [found.shape[2] * found.groups for found in layers], "address_pitch"
        )
        weight_pitch = by_layer(
            m, layer, [found.kernel[1] * found.arriving[0] for found in layers], "weight_pitch"
        )
        everywhere = load_all

        def started(first, all_of_them):
            return Mux(everywhere, all_of_them, first)

        with m.If(walks):
            m.d.sync += place.address.eq(place.address + 1)
            with m.If(last_group):
                m.d.sync += [
                    place.x.eq(place.x + 1),
                    place.weight.eq(place.weight + by_layer(m, layer, back, "back", width)),
                ]
            with m.If(last_group & last_x):
                m.d.sync += [
                    place.x.eq(place.x_first),
                    place.y.eq(place.y + 1),
                    place.address.eq(place.address_row),
                    place.weight.eq(place.weight_row),
                    place.address_row.eq(place.address_row + address_pitch),
                    place.weight_row.eq(place.weight_row + weight_pitch),
                ]
        with m.If(load | load_all):
            ends = [
                by_layer(m, layer, [found.shape[axis] - 1 for found in layers], f"last_{axis}")
                for axis in (1, 2)
            ]
            m.d.sync += [
                place.x.eq(started(head.x, 0)),
                place.x_first.eq(started(head.x, 0)),
                place.x_last.eq(started(head.x_last, ends[1])),
                place.y.eq(started(head.y, 0)),
                place.y_last.eq(started(head.y_last, ends[0])),
                place.address.eq(started(head.address, 0)),
                place.address_row.eq(started(head.address, 0) + address_pitch),
                place.weight_row.eq(head.weight + weight_pitch),
            ]

    def _hazard(self, m, address):
        """Whether the next word of the walk is still on its way."""
        touched, present, recent = self.valid, self.word.address, []
        for stage in range(HAZARD):
            valid = Signal(name=f"recent_valid_{stage}")
            before = Signal.like(present, name=f"recent_{stage}", reset_less=True)
            m.d.sync += [valid.eq(touched), before.eq(present)]
            recent.append(valid & (before == address))
            touched, present = valid, before
        return Cat(*recent).any()


class _Place:
    """Where the present walk stands, and whether that is its last word."""

    def __init__(self, p):
        self.layout = Signal(place_layout(p), name="place")
        self.last = Signal(name="last_word")

        def counter(width, name):
            return Signal(width, name=name, reset_less=True)

        self.group = counter(p.group_width, "group")
        self.weight = counter(index_width(p.weight_depth), "weight_row_of")
        self.address = counter(p.address_width, "address")
        self.x = counter(p.x_width, "x")
        self.y = counter(p.y_width, "y")
        if p.maps:
            self.x_first, self.x_last = (counter(p.x_width, n) for n in ("x_first", "x_last"))
            self.y_last = counter(p.y_width, "y_last")
            self.address_row = counter(p.address_width, "address_row")
            self.weight_row = counter(len(self.weight), "weight_row")
