"""Which word of a convolution layer is touched next."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import CONV_HAZARD, TAG_WIDTH
from sstdp_hw.blocks.widths import index_width

from ..parts.streams import is_stale
from ..parts.weight_memory import asks_first
from .locate import reach_layout


def word_layout(parameters, step_width):
    """One word on its way through the adders, or a marker.

    Members
    -------
    tag, step : which image, which step
    add : weights are added; who is above threshold afterwards makes the word a candidate
    compare : whoever is above threshold fires
    close : no word: the step is complete
    final : no word: the image has ended
    group : which group of channels; of no meaning for candidates
    address : the word
    base : index of an event of its first channel
    """
    p = parameters
    return data.StructLayout(
        {
            "tag": unsigned(TAG_WIDTH),
            "step": unsigned(step_width),
            "add": unsigned(1),
            "compare": unsigned(1),
            "close": unsigned(1),
            "final": unsigned(1),
            "group": unsigned(index_width(p.groups)),
            "address": unsigned(p.address_width),
            "base": unsigned(p.leaving.index_width),
        }
    )


def candidate_layout(parameters):
    """A word in which somebody was above threshold during the present step."""
    p = parameters
    return data.StructLayout(
        {"address": unsigned(p.address_width), "base": unsigned(p.leaving.index_width)}
    )


class Walk(wiring.Component):
    """Issues a word a cycle: for every event those it reaches, then the step's candidates.

    The next event's walk follows without a gap. After the last event of a step the candidates are
    compared as they come, and a marker closes the step once the last addition has had the time to
    make one. A layer with a negative threshold compares all words at the end of step 0, of which
    no input need be. A word is not issued while an earlier one with the same address is on its way
    between the reading and the writing of the potentials.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.convolution.ConvParameters
    step_width : int

    Members
    -------
    i : stream of `reach_layout`
    candidates : stream of `candidate_layout`
    oldest : In(TAG_WIDTH)
        Tag of the oldest undecided image.
    has_room, ready : In(1)
        Of the queue of messages; of the stamps.
    word, valid, weight : Out
        `word_layout`, and the row of its weights.
    begin : Out(1)
        The next image begins; nothing is on its way.
    flush : Out(1)
        Candidates that are left are void.
    spontaneous : In(1)
        Only where weights are loaded: whether a neuron of the layer fires without any input.
    """

    def __init__(self, parameters, step_width):
        self.p, self.step_width = parameters, step_width
        super().__init__(
            {
                "i": In(stream.Signature(reach_layout(parameters, step_width))),
                "candidates": In(stream.Signature(candidate_layout(parameters))),
                "oldest": In(TAG_WIDTH),
                "has_room": In(1),
                "ready": In(1),
                "word": Out(word_layout(parameters, step_width)),
                "valid": Out(1),
                "weight": Out(index_width(parameters.weight_depth)),
                "begin": Out(1),
                "flush": Out(1),
                **({"spontaneous": In(1)} if parameters.store.loaded else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        head = self.i.payload

        tag, step = Signal(TAG_WIDTH), Signal(self.step_width)  # of the present walk
        active = Signal()  # words of it are left
        add, final = Signal(), Signal()  # what they are for; to compare if neither
        everything = Signal()  # the step ends with a comparison of all words
        spontaneous = Signal()  # step 0 is still to be compared
        walked = Signal(TAG_WIDTH, init=(1 << TAG_WIDTH) - 1)  # the last image seen
        walks, compares, closes, load, load_all = (Signal() for _ in range(5))
        stale = Signal()
        m.d.comb += stale.eq(is_stale(tag, self.oldest))

        place = self._places(m, walks, load, load_all)

        # What is issued: a word of the walk, a candidate, or the marker behind them.
        waiting = Signal()  # the walk is complete; only candidates are left of the step
        hazard, hazard_listed = self._hazards(m, place.address)
        adding = Signal(range(p.settling))  # additions may make candidates
        busy = Signal(range(p.latency + 1))  # something of the present image is on its way
        word = self.word
        goes, listed = Signal(), Signal()
        m.d.comb += [
            # An empty list may show what was never written.
            listed.eq(~active & self.candidates.valid),
            goes.eq(self.has_room & ~stale),
            walks.eq(active & goes & (final | ~hazard)),
            compares.eq(
                waiting & ~active & ~everything & self.candidates.valid & goes & ~hazard_listed
            ),
            closes.eq(
                waiting & ~active & (everything | ~self.candidates.valid) & (adding == 0) & goes
            ),
            self.candidates.ready.eq(compares),
            self.valid.eq(walks | compares | closes),
            self.weight.eq(place.weight),
            word.tag.eq(tag),
            word.step.eq(step),
            word.add.eq(walks & add),
            word.final.eq(walks & final),
            word.compare.eq((walks & ~add & ~final) | compares),
            word.close.eq(closes),
            word.group.eq(place.group),
            word.address.eq(Mux(listed, self.candidates.payload.address, place.address)),
            word.base.eq(Mux(listed, self.candidates.payload.base, place.base)),
        ]
        m.d.sync += [
            # The way to the list is long; the next look at it is two cycles away.
            self.flush.eq(closes | self.begin),
            adding.eq(Mux(adding == 0, 0, adding - 1)),
            busy.eq(Mux(busy == 0, 0, busy - 1)),
        ]
        with m.If(word.add):
            m.d.sync += adding.eq(p.settling - 1)
        with m.If(self.valid & ~word.final):
            m.d.sync += busy.eq(p.latency)

        finishes, free = Signal(), Signal()
        m.d.comb += [
            finishes.eq(walks & (final | place.last)),
            free.eq(~active | finishes),
        ]
        with m.If(finishes | stale):
            m.d.sync += active.eq(0)

        first = Signal()  # the event at the input is the first one of its image
        m.d.comb += first.eq(head.tag != walked)
        idle = ~active & (busy == 0) & (adding == 0)
        with m.FSM():
            with m.State("WALK"), m.If(self.i.valid & free & self.ready):
                # No image goes stale before it has begun: its decision needs what this layer sends.
                with m.If(is_stale(head.tag, self.oldest)):
                    m.d.comb += self.i.ready.eq(1)
                with m.Elif(first):
                    m.d.comb += self.begin.eq(idle)
                    with m.If(idle):
                        m.d.sync += [walked.eq(head.tag), spontaneous.eq(asks_first(self))]
                with m.Else():
                    missed = spontaneous & (head.end | (head.step != 0))
                    m.d.comb += [self.i.ready.eq(~missed), load.eq(~missed)]
                    m.d.sync += [
                        tag.eq(head.tag),
                        step.eq(Mux(missed, 0, head.step)),
                        active.eq(~missed & (head.end | ~head.nothing)),
                        add.eq(~head.end),
                        final.eq(head.end),
                    ]
                    with m.If(missed | (head.last & spontaneous)):
                        m.next = "COMPARE_ALL"
                    with m.Elif(head.last):
                        m.next = "COMPARE"
            with m.State("COMPARE_ALL"):
                m.d.comb += load_all.eq(free)
                with m.If(free & ~stale):
                    m.d.sync += [
                        active.eq(1), add.eq(0), final.eq(0), everything.eq(1), spontaneous.eq(0)
                    ]  # fmt: skip
                    m.next = "COMPARE"
                with m.If(stale):
                    m.next = "WALK"
            with m.State("COMPARE"):
                m.d.comb += waiting.eq(1)
                with m.If(closes | stale):
                    m.d.sync += everything.eq(0)
                    m.next = "WALK"
        return m

    def _places(self, m, walks, load, load_all):
        """Counters over rows, columns and groups of the present walk."""
        p, head = self.p, self.i.payload
        place = _Place(p)
        address_row, base_row, weight_row = (
            Signal.like(signal, name=f"{signal.name}_row", reset_less=True)
            for signal in (place.address, place.base, place.weight)
        )  # where the next row begins
        rows_left, columns, columns_left = (
            Signal(index_width(size), name=name, reset_less=True)
            for name, size in (
                ("rows_left", p.shape[1]), ("columns", p.shape[2]), ("columns_left", p.shape[2]),
            )
        )  # fmt: skip
        address_pitch = p.shape[2] * p.groups
        weight_pitch = int(p.layer.weight.shape[3]) * p.groups
        last_group, last_column = Signal(), Signal()
        m.d.comb += [
            last_group.eq(place.group == p.groups - 1),
            last_column.eq(columns_left == 0),
            place.last.eq(last_group & last_column & (rows_left == 0)),
        ]
        with m.If(walks):
            # A row's words and their weights stand side by side.
            m.d.sync += [
                place.group.eq(Mux(last_group, 0, place.group + 1)),
                place.address.eq(place.address + 1),
                place.weight.eq(place.weight + 1),
                place.base.eq(
                    place.base
                    + Mux(last_group, p.leaving.column - (p.groups - 1) * p.lanes, p.lanes)
                ),
            ]
            with m.If(last_group):
                m.d.sync += columns_left.eq(columns_left - 1)
            with m.If(last_group & last_column):
                m.d.sync += [
                    columns_left.eq(columns),
                    rows_left.eq(rows_left - 1),
                    place.address.eq(address_row),
                    place.weight.eq(weight_row),
                    place.base.eq(base_row),
                    address_row.eq(address_row + address_pitch),
                    weight_row.eq(weight_row + weight_pitch),
                    base_row.eq(base_row + p.leaving.row),
                ]
        with m.If(load | load_all):
            everywhere = load_all

            def started(first, all_of_them):
                return Mux(everywhere, all_of_them, first)

            m.d.sync += [
                place.group.eq(0),
                place.address.eq(started(head.address, 0)),
                place.base.eq(started(head.base, 0)),
                place.weight.eq(head.weight),
                address_row.eq(started(head.address, 0) + address_pitch),
                base_row.eq(started(head.base, 0) + p.leaving.row),
                weight_row.eq(head.weight + weight_pitch),
                rows_left.eq(started(head.rows, p.shape[1] - 1)),
                columns.eq(started(head.columns, p.shape[2] - 1)),
                columns_left.eq(started(head.columns, p.shape[2] - 1)),
            ]
        return place

    def _hazards(self, m, address):
        """Whether the next word of the walk, or the next candidate, is still on its way."""
        word = self.word
        recent = []
        touched, present = self.valid & (word.add | word.compare), word.address
        for stage in range(CONV_HAZARD):
            valid = Signal(name=f"recent_valid_{stage}")
            before = Signal.like(word.address, name=f"recent_{stage}", reset_less=True)
            m.d.sync += [valid.eq(touched), before.eq(present)]
            recent.append((valid, before))
            touched, present = valid, before

        def met(address):
            return Cat(valid & (before == address) for valid, before in recent).any()

        return met(address), met(self.candidates.payload.address)


class _Place:
    """Where the present walk stands, and whether that is its last word."""

    def __init__(self, p):
        self.group = Signal(index_width(p.groups), name="group")
        self.address = Signal(p.address_width, name="address", reset_less=True)
        self.base = Signal(p.leaving.index_width, name="base", reset_less=True)
        self.weight = Signal(index_width(p.weight_depth), name="weight", reset_less=True)
        self.last = Signal(name="last_word")
