"""The decision: rule 6 of docs/arithmetic.md in hardware."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import TAG_WIDTH
from sstdp_hw.blocks.widths import index_width
from sstdp_hw.contract.answer import ANSWER, ANSWER_WIDTH, BUS_ERROR

from .parts.streams import group_layout, is_stale, layout_of

#: One answer, as it leaves on the output stream.
RESULT = layout_of(ANSWER, ANSWER_WIDTH)


class Decision(wiring.Component):
    """Answers every image once, by the output neuron with the largest margin among the first to
    fire.

    Looks at the lanes of a group one a cycle, for the groups of the deciding step only. With early
    exit ``oldest`` moves on as soon as the deciding step is complete, before the margins are
    compared; without, when the image has ended.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.dense.DenseParameters
        Of the output layer.
    t_max : int
    early_exit : bool
    bus : bool
        Whether weights come over a bus, which may fail.

    Members
    -------
    i : stream of `group_layout`
    o : stream of `RESULT`
    bus_error : In(1)
        Only with ``bus``, with every group: the image's weights were not read well.
    errors : In(1 << TAG_WIDTH)
        Frame error of every tag.
    oldest : Out(TAG_WIDTH)
        Tag of the oldest undecided image.
    """

    def __init__(self, parameters, t_max, early_exit, bus=False):
        self.p, self.t_max, self.early_exit = parameters, t_max, early_exit
        self.bus = bus
        layout = group_layout(
            parameters.lanes,
            index_width(parameters.neurons),
            index_width(t_max),
            parameters.membrane_width,
        )
        super().__init__(
            {
                "i": In(stream.Signature(layout)),
                "o": Out(stream.Signature(RESULT)),
                "errors": In(1 << TAG_WIDTH),
                "oldest": Out(TAG_WIDTH),
                **({"bus_error": In(1)} if bus else {}),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        item = self.i.payload
        width = p.membrane_width
        answer = Signal(RESULT)
        decided = Signal()  # the first output spike is known (only without early exit)
        best_valid = Signal()

        # What the group at the input means.
        stale = Signal()
        wanted = Signal()  # its lanes have to be compared
        completes = Signal()  # with this group the decision is complete
        ends = Signal()  # with this group the image is answered
        last_group = Signal()
        m.d.comb += [
            stale.eq(is_stale(item.tag, self.oldest)),
            last_group.eq(item.base == (p.groups - 1) * p.lanes),
            wanted.eq(~decided & (item.final | item.fired.any())),
            completes.eq(~decided & Mux(item.final, last_group, item.close)),
            ends.eq(item.final & last_group),
        ]
        if self.early_exit:
            m.d.comb += ends.eq(completes)

        # Stage 1: one candidate, taken from its lane. Stage 2: the best so far; the first of equal
        # ones stays, and candidates come in the order of their index.
        lane = Signal(index_width(p.lanes))
        take = Signal()
        candidate = Signal(signed(width), reset_less=True)
        candidate_index = Signal(index_width(p.neurons), reset_less=True)
        candidate_valid = Signal()
        in_use = Signal(init=1)
        if p.padding:
            m.d.comb += in_use.eq(~last_group | (lane < p.lanes - p.padding))
        with m.Switch(lane):
            for number in range(p.lanes):
                with m.Case(number):
                    m.d.sync += candidate.eq(item.v[number * width : (number + 1) * width])
                    m.d.comb += take.eq(item.final | item.fired[number])
        m.d.sync += [candidate_index.eq(item.base + lane), candidate_valid.eq(0)]

        best = Signal(signed(width), reset_less=True)
        with m.If(candidate_valid & (~best_valid | (candidate > best))):
            m.d.sync += [
                best.eq(candidate),
                best_valid.eq(1),
                answer["class"].eq(candidate_index),
            ]

        then_answer = Signal()
        with m.FSM():
            with m.State("WAIT"):
                with m.If(self.i.valid & stale):
                    m.d.comb += self.i.ready.eq(1)
                with m.Elif(self.i.valid):
                    with m.If(completes):
                        m.d.sync += [
                            answer.decision_time.eq(Mux(item.final, self.t_max, item.step)),
                            answer.silent.eq(item.final),
                        ]
                    with m.If(ends):
                        m.d.sync += [
                            self.oldest.eq(self.oldest + 1),
                            answer.frame_error.eq(self.errors.bit_select(self.oldest, 1)),
                        ]
                        if self.bus:
                            m.d.sync += answer.as_value()[BUS_ERROR.offset].eq(self.bus_error)
                    m.d.sync += then_answer.eq(ends)
                    with m.If(wanted):
                        m.next = "SCAN"
                    with m.Else():
                        m.d.comb += self.i.ready.eq(1)
                        with m.If(ends | completes):
                            m.next = "SETTLE"
            with m.State("SCAN"):
                m.d.sync += [candidate_valid.eq(take & in_use), lane.eq(lane + 1)]
                with m.If(lane == p.lanes - 1):
                    m.d.sync += lane.eq(0)
                    m.d.comb += self.i.ready.eq(1)
                    m.next = "WAIT"
                    with m.If(then_answer | completes):
                        m.next = "SETTLE"
            with m.State("SETTLE"):  # the last candidate is compared
                m.d.sync += decided.eq(1)
                m.next = "WAIT"
                with m.If(then_answer):
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += [decided.eq(0), best_valid.eq(0)]
                    m.next = "WAIT"
        m.d.comb += self.o.payload.eq(answer)
        return m
