"""The lanes of a convolution layer: adders, membrane potentials, and who fired."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import LUT_RAM_DEPTH, STAMP_LATENCY, reserve

from ..parts.lanes import weight_of
from ..parts.queue import Queue
from ..parts.rom import LUT_RAM, NO_COLLISION
from ..parts.stamps import Stamps
from ..parts.streams import group_layout
from .walk import candidate_layout, word_layout


class ConvLanes(wiring.Component):
    """Adds one weight to the potential of each lane, word after word.

    Takes a word a cycle and never waits. A word that was not touched before in its image starts at
    the initial values. When an addition leaves a neuron above threshold the word becomes a
    candidate, once in a step; when it is compared those that still are above threshold fire.

    Groups with a neuron that fires go to ``o``, the end of a step in which one fired as an empty
    group with ``close``, the end of an image as one with ``final``.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.convolution.ConvParameters
    step_width : int

    Members
    -------
    i, valid : In
        `conv_walk.word_layout`, ``weight_latency + 1`` cycles ahead of ``weights``.
    weights : In
        The lanes' weights, lane 0 in the lowest bits.
    initial : In
        The lanes' initial potentials, of the group `group` of ``initial_latency`` cycles ago.
    group : Out
        The group whose initial potentials are wanted.
    begin : In(1)
        The next image begins.
    flush : In(1)
        Candidates that are left are void.
    ready : Out(1)
        Low while words must not come, because stamps are cleared.
    has_room : Out(1)
        Whether the queue of groups has room for all that are on their way, and another.
    candidates : stream of `conv_walk.candidate_layout`
    o : stream of `group_layout`
    """

    def __init__(self, parameters, step_width):
        self.p = parameters
        word = word_layout(parameters, step_width)
        self.group_layout = group_layout(
            parameters.lanes, parameters.leaving.index_width, step_width
        )
        super().__init__(
            {
                "i": In(word),
                "valid": In(1),
                "weights": In(parameters.lanes * parameters.weight_width),
                "initial": In(parameters.lanes * parameters.membrane_width),
                "group": Out(word["group"].shape),
                "begin": In(1),
                "flush": In(1),
                "ready": Out(1),
                "has_room": Out(1),
                "candidates": Out(stream.Signature(candidate_layout(parameters))),
                "o": Out(stream.Signature(self.group_layout)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p, lanes, width = self.p, self.p.lanes, self.p.membrane_width
        m.submodules.queue = queue = Queue(self.group_layout, reserve=reserve(p.latency))
        m.submodules.stamps = stamps = Stamps(p.words, p.stamp_width)
        stored = data.StructLayout(
            {"v": unsigned(lanes * width), "fired": unsigned(lanes), "listed": unsigned(1)}
        )
        many = p.words > LUT_RAM_DEPTH
        m.submodules.membranes = membranes = memory.Memory(
            shape=stored, depth=p.words, init=[],
            attrs={"ram_style": "block", **NO_COLLISION} if many else LUT_RAM,
        )  # fmt: skip
        read, write = membranes.read_port(), membranes.write_port()
        wiring.connect(m, wiring.flipped(self.o), queue.o)

        # ---- On the way to the adders: weights come out of their memory at stage A. The stamp and
        # the potentials, which are faster, are asked for later, so that all arrive together.
        stage_a = p.weight_latency + 1
        words = [(self.i, self.valid)]
        for stage in range(1, p.latency + 1):
            later = Signal.like(self.i, name=f"word_{stage}", reset_less=True)
            valid = Signal(name=f"valid_{stage}")
            m.d.sync += [later.eq(words[-1][0]), valid.eq(words[-1][1])]
            words.append((later, valid))
        stamped, stamped_valid = words[stage_a - STAMP_LATENCY]
        found = Signal(stored, reset_less=True)
        m.d.comb += [
            stamps.addr.eq(stamped.address),
            stamps.valid.eq(stamped_valid & (stamped.add | stamped.compare)),
            stamps.advance.eq(self.begin),
            self.ready.eq(stamps.ready),
            read.addr.eq(words[stage_a - 2][0].address),
            self.group.eq(words[stage_a - p.initial_latency][0].group),
        ]
        m.d.sync += found.eq(read.data)  # block RAM is slow

        # ---- Stage A: weights and potentials meet in the adders. Lanes without a channel have
        # fired from the start.
        word_a, _ = words[stage_a]
        sums_a, had_fired_a = [], Signal(lanes)
        idle = Mux(word_a.group == p.groups - 1, ((1 << p.padding) - 1) << lanes - p.padding, 0)
        m.d.comb += had_fired_a.eq(Mux(stamps.fresh, idle, found.fired))
        for lane in range(lanes):
            start, stored_v = (bits.word_select(lane, width) for bits in (self.initial, found.v))
            before = Mux(stamps.fresh, start, stored_v)
            total = Signal(signed(width), name=f"sum_a_{lane}")
            weight = Mux(word_a.add, weight_of(self.weights, lane, p.weight_width), 0)
            m.d.comb += total.eq(before.as_signed() + weight)
            sums_a.append(total)

        # ---- Stage B: sums are registered; who is above threshold. The word goes back.
        word_b, valid_b = words[stage_a + 1]
        sums_b = Signal(lanes * width, reset_less=True)
        had_fired_b, listed_b = Signal(lanes, reset_less=True), Signal(reset_less=True)
        above_b, candidate_b = Signal(lanes), Signal()
        m.d.sync += [
            sums_b.eq(Cat(*sums_a)),
            had_fired_b.eq(had_fired_a),
            listed_b.eq(~stamps.fresh & found.listed),
        ]
        m.d.comb += [
            above_b.eq(
                ~Cat(sums_b[(lane + 1) * width - 1] for lane in range(lanes)) & ~had_fired_b
            ),
            candidate_b.eq(word_b.add & above_b.any()),
            write.en.eq(valid_b & (word_b.add | word_b.compare)),
            write.addr.eq(word_b.address),
            write.data.v.eq(sums_b),
            write.data.fired.eq(Mux(word_b.compare, had_fired_b | above_b, had_fired_b)),
            write.data.listed.eq(candidate_b | (listed_b & word_b.add)),
        ]

        # ---- Stage C: candidates, and groups worth a message, leave.
        word_c, valid_c = words[stage_a + 2]
        fires_c, candidate_c = Signal(lanes, reset_less=True), Signal()
        fired_c = Signal()  # a group of this step had a neuron that fired
        m.d.sync += [
            fires_c.eq(Mux(word_b.compare, above_b, 0)),
            candidate_c.eq(valid_b & candidate_b & ~listed_b),
        ]
        item = queue.i.payload
        m.d.comb += [
            queue.i.valid.eq(valid_c & (fires_c.any() | (word_c.close & fired_c) | word_c.final)),
            item.tag.eq(word_c.tag),
            item.final.eq(word_c.final),
            item.close.eq(word_c.close),
            item.step.eq(word_c.step),
            item.base.eq(word_c.base),
            item.fired.eq(fires_c),
            self.has_room.eq(queue.has_room),
        ]
        with m.If(self.begin | (valid_c & word_c.close)):
            m.d.sync += fired_c.eq(0)
        with m.Elif(valid_c & fires_c.any()):
            m.d.sync += fired_c.eq(1)

        listed = Queue(candidate_layout(p), depth=p.list_depth)
        m.submodules.listed = ResetInserter(self.flush)(listed)
        m.d.comb += [
            listed.i.valid.eq(candidate_c),
            listed.i.payload.address.eq(word_c.address),
            listed.i.payload.base.eq(word_c.base),
        ]
        wiring.connect(m, wiring.flipped(self.candidates), listed.o)
        return m
