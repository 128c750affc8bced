"""The lanes of the engine: adders, membrane potentials, and who fired."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import LUT_RAM_DEPTH
from sstdp_hw.blocks.widths import index_width

from ..parts.lanes import weight_of
from ..parts.rom import LUT_RAM, NO_COLLISION
from ..parts.weight_memory import connect_load
from .memories import filling_members, loading_members, memories
from .tables import by_layer
from .walk import word_layout


class EngineLanes(wiring.Component):
    """Adds one weight to the potential of each lane, word after word; takes one a cycle and never
    waits.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.sequential.engine.EngineParameters

    Members
    -------
    i, valid, weight : In
        `walk.word_layout`, and the row of its weights.
    layer : In
        The present one, as long as a word of it is on its way.
    candidate, candidate_valid : Out
        A word in which somebody is above threshold for the first time in the step.
    word, done : Out
        What was issued `EngineParameters.latency` cycles ago, and that it was.
    fires, v : Out
        Who fired in it, and its potentials, until the next word comes.
    load, fill : In
        `memories.loading_members`, `memories.filling_members`
    """

    def __init__(self, parameters):
        self.p = p = parameters
        word = word_layout(p)
        super().__init__(
            {
                "i": In(word),
                "valid": In(1),
                "weight": In(index_width(p.weight_depth)),
                "layer": In(p.layer_width),
                "candidate": Out(word),
                "candidate_valid": Out(1),
                "word": Out(word),
                "done": Out(1),
                "fires": Out(p.lanes),
                "v": Out(p.lanes * p.widths.membrane),
                **loading_members(p),
                **filling_members(p),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p, lanes, width = self.p, self.p.lanes, self.p.widths.membrane
        m.submodules.weights, m.submodules.initial = weights, initial = memories(p)
        connect_load(m, self, weights, initial)
        if p.tiled:
            m.d.comb += weights.fill.eq(self.fill)
        stored = data.StructLayout(
            {"v": unsigned(lanes * width), "fired": unsigned(lanes), "listed": unsigned(1)}
        )
        deep = p.words > LUT_RAM_DEPTH
        m.submodules.membranes = membranes = memory.Memory(
            shape=stored, depth=p.words, init=[],
            attrs={"ram_style": "block", **NO_COLLISION} if deep else LUT_RAM,
        )  # fmt: skip
        read, write = membranes.read_port(), membranes.write_port()

        # ---- On the way to the adders: weights take longest; the others are asked for later, so
        # that all arrive together.
        stage_a = p.weight_latency
        words = [(self.i, self.valid)]
        for stage in range(1, p.latency + 1):
            later = Signal.like(self.i, name=f"word_{stage}", reset_less=True)
            valid = Signal(name=f"valid_{stage}")
            m.d.sync += [later.eq(words[-1][0]), valid.eq(words[-1][1])]
            words.append((later, valid))
        found = Signal(stored, reset_less=True)
        number = self.layer  # thresholds of all tiles of a layer stand together
        if p.tiled:
            number = by_layer(m, self.layer, p.pass_layers, "number", index_width(len(p.layers)))
        m.d.comb += [
            weights.addr.eq(self.weight),
            initial.addr.eq(Cat(words[stage_a - p.initial_latency][0].place.group, number)),
            read.addr.eq(words[stage_a - 2][0].address),
        ]
        m.d.sync += found.eq(read.data)  # block RAM is slow

        # ---- Stage A: weights and potentials meet in the adders. Lanes without a channel have
        # fired from the start.
        word_a, valid_a = words[stage_a]
        sums_a, had_fired_a = [], Signal(lanes)
        m.d.comb += had_fired_a.eq(Mux(word_a.starts, self._idle(m, word_a), found.fired))
        for lane in range(lanes):
            start, before = (bits.word_select(lane, width) for bits in (initial.data, found.v))
            total = Signal(signed(width), name=f"sum_a_{lane}")
            weight = Mux(word_a.add, weight_of(weights.data, lane, p.widths.weight), 0)
            m.d.comb += total.eq(Mux(word_a.starts, start, before).as_signed() + weight)
            sums_a.append(total)

        # ---- Stage B: sums are registered; who is above threshold. The word goes back.
        word_b, valid_b = words[stage_a + 1]
        sums_b = Signal(lanes * width, reset_less=True)
        had_fired_b, listed_b = Signal(lanes, reset_less=True), Signal(reset_less=True)
        above_b, candidate_b = Signal(lanes), Signal()
        with m.If(valid_a):
            m.d.sync += sums_b.eq(Cat(*sums_a))
        m.d.sync += [
            had_fired_b.eq(had_fired_a),
            listed_b.eq(~word_a.starts & found.listed),
        ]
        m.d.comb += [
            above_b.eq(
                ~Cat(sums_b[(lane + 1) * width - 1] for lane in range(lanes)) & ~had_fired_b
            ),
            candidate_b.eq((word_b.add | word_b.starts) & above_b.any()),
            write.en.eq(valid_b),
            write.addr.eq(word_b.address),
            write.data.v.eq(sums_b),
            write.data.fired.eq(Mux(word_b.compare, had_fired_b | above_b, had_fired_b)),
            write.data.listed.eq(candidate_b | (listed_b & ~word_b.compare)),
        ]

        # ---- Stage C: it is known who fires.
        word_c, valid_c = words[stage_a + 2]
        candidate_c = Signal()
        m.d.sync += candidate_c.eq(valid_b & candidate_b & ~listed_b)
        with m.If(valid_b):
            m.d.sync += self.fires.eq(Mux(word_b.compare, above_b, 0))
        m.d.comb += [
            self.candidate.eq(word_c),
            self.candidate_valid.eq(candidate_c),
            self.word.eq(word_c),
            self.done.eq(valid_c),
            self.v.eq(sums_b),
        ]
        return m

    def _idle(self, m, word):
        """Lanes of the word that serve no channel."""
        p = self.p
        if not any(layer.padding for layer in p.passes):
            return 0
        groups = by_layer(m, self.layer, [layer.last_group for layer in p.passes], "last_group")
        masks = [((1 << layer.padding) - 1) << (p.lanes - layer.padding) for layer in p.passes]
        return Mux(
            word.place.group == groups, by_layer(m, self.layer, masks, "padding", p.lanes), 0
        )
