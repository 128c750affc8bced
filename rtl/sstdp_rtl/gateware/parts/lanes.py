"""A slice of a layer's lanes: adders, membrane potentials, and who fired."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import LATE_WRITE_GROUPS, LUT_RAM_DEPTH, TAG_WIDTH, reserve
from sstdp_hw.blocks.widths import index_width

from .queue import Queue
from .rom import LUT_RAM, NO_COLLISION
from .streams import group_layout


def walk_layout(groups, step_width):
    """One group of a walk, on its way through the slices.

    Members
    -------
    tag : which image
    first : no walk of this image is complete yet: potentials start at their initial values
    silent : the walk adds nothing
    compare : whoever is above threshold fires
    final : the image has ended; an output layer shows its potentials
    last : the last group of the walk
    group : which one
    step : time step
    """
    return data.StructLayout(
        {
            "tag": unsigned(TAG_WIDTH),
            "first": unsigned(1),
            "silent": unsigned(1),
            "compare": unsigned(1),
            "final": unsigned(1),
            "last": unsigned(1),
            "group": unsigned(index_width(groups)),
            "step": unsigned(step_width),
        }
    )


def registered(m, stage, walk, valid):
    """A register behind a group of a walk, whose name ends in ``stage``; returns both parts."""
    later = Signal.like(walk, name=f"walk{stage}", reset_less=True)
    valid_later = Signal(name=f"valid{stage}")
    m.d.sync += [later.eq(walk), valid_later.eq(valid)]
    return later, valid_later


def weight_of(words, lane, width):
    """A lane's weight of ``width`` bits; at width 1 a set bit means -1, a clear one +1."""
    bits = words.word_select(lane, width)
    return (Cat(Const(1, 1), bits) if width == 1 else bits).as_signed()


class LaneSlice(wiring.Component):
    """Adds one weight to the potential of each of its lanes, group after group.

    Takes a group a cycle and never waits. Groups worth a message go to a queue: of a slice that is
    the whole layer, those with a neuron that fires, the last one of a walk in which one fired, and
    the end of an image; of one among several, all that were compared, so that the queues of all
    slices hold the same groups.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.dense.DenseParameters
    step_width : int
    first, stop : int
        Lanes of the layer: ``first`` up to, not including, ``stop``.

    Members
    -------
    i, valid : In
        `walk_layout`, two cycles ahead of ``weights``.
    ahead : In
        The group that comes with ``i`` in the next cycle.
    weights : In
        The lanes' weights, lane ``first`` in the lowest bits.
    initial : In
        The lanes' initial potentials, of the group one cycle ago.
    o : stream of `group_layout`
        Potentials ``v`` only in an output layer; only ``fired`` behind the first slice.
    has_room : Out(1)
        Whether the queue has room for all groups that the layer may have issued, and another.
    """

    def __init__(self, parameters, step_width, first, stop):
        self.p, self.first, self.lanes = parameters, first, stop - first
        self.alone = self.lanes == parameters.lanes
        width = parameters.membrane_width
        self.group_layout = group_layout(
            self.lanes,
            index_width(parameters.neurons),
            step_width,
            width if parameters.output else 0,
        )
        if first:  # the first slice speaks for all
            self.group_layout = data.StructLayout({"fired": unsigned(self.lanes)})
        super().__init__(
            {
                "i": In(walk_layout(parameters.groups, step_width)),
                "valid": In(1),
                "ahead": In(index_width(parameters.groups)),
                "weights": In(self.lanes * parameters.weight_width),
                "initial": In(self.lanes * width),
                "o": Out(stream.Signature(self.group_layout)),
                "has_room": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p, lanes, width = self.p, self.lanes, self.p.membrane_width
        m.submodules.queue = queue = Queue(self.group_layout, reserve=reserve(p.latency))
        wiring.connect(m, wiring.flipped(self.o), queue.o)
        m.d.comb += self.has_room.eq(queue.has_room)

        # ---- Stage 2: the weights are on their way through the memory's registers, initial values
        # and potentials are addressed.
        walk2, valid2 = registered(m, "2", self.i, self.valid)

        # ---- Stage 3: weights and potentials meet in the adders; sums go back to the memory.
        walk3, valid3 = registered(m, "3", walk2, valid2)
        stored3, had_fired3 = Signal(lanes * width), Signal(lanes)
        sums3 = [Signal(signed(width), name=f"sum3_{lane}") for lane in range(lanes)]
        fires3 = Signal(lanes)
        for lane, total in enumerate(sums3):
            in_use = Const(1)
            if self.first + lane >= p.lanes - p.padding:
                in_use = walk3.group != p.groups - 1
            m.d.comb += [
                total.eq(stored3.word_select(lane, width).as_signed() + self._weight(walk3, lane)),
                fires3[lane].eq(walk3.compare & ~total[-1] & ~had_fired3[lane] & in_use),
            ]
        sums = Cat(*sums3)
        storage = self._register_storage if p.groups == 1 else self._memory_storage
        storage(
            m, walk2, valid2, walk3, valid3, Cat(sums, had_fired3 | fires3), stored3, had_fired3
        )

        # ---- Stage 4: sums and fired neurons are registered; groups worth a message leave.
        walk4, valid4 = registered(m, "4", walk3, valid3)
        fires4 = Signal(lanes, reset_less=True)
        m.d.sync += fires4.eq(fires3)
        item = queue.i.payload
        m.d.comb += item.fired.eq(fires4)
        if self.alone:
            earlier4 = Signal()  # an earlier group of this walk had a neuron that fired
            any4 = Signal()
            closes4 = walk4.last & any4
            m.d.comb += [
                any4.eq(fires4.any() | (earlier4 & (walk4.group != 0))),
                queue.i.valid.eq(valid4 & (fires4.any() | closes4 | walk4.final)),
            ]
            with m.If(valid4):
                m.d.sync += earlier4.eq(any4)
        else:
            closes4 = walk4.last & walk4.compare
            m.d.comb += queue.i.valid.eq(valid4 & (walk4.compare | walk4.final))
        if not self.first:
            base4 = Signal(index_width(p.neurons), reset_less=True)
            with m.If(valid3):
                m.d.sync += base4.eq(Mux(walk3.group == 0, 0, base4 + p.lanes))
            m.d.comb += [
                item.tag.eq(walk4.tag),
                item.final.eq(walk4.final),
                item.close.eq(closes4),
                item.step.eq(walk4.step),
                item.base.eq(base4),
            ]
        if p.output:
            sums4 = Signal(lanes * width, reset_less=True)
            m.d.sync += sums4.eq(sums)
            m.d.comb += item.v.eq(sums4)
        return m

    def _weight(self, walk, lane):
        """What is added; at the end of an image it does not matter in a hidden layer."""
        weight = weight_of(self.weights, lane, self.p.weight_width)
        return Mux(walk.silent, 0, weight) if self.p.output or self.p.may_be_spontaneous else weight

    def _register_storage(self, m, walk2, valid2, walk3, valid3, sums, stored, had_fired):
        """One group: registers hold the potentials, and the first walk finds them reset.

        They have the same value from power-up on: a register of an FPGA has one for both.
        """
        start = self.first * self.p.membrane_width
        first = 0 if self.p.store.loaded else self.p.initial_rows()[0]
        value = first >> start & ((1 << len(self.initial)) - 1)
        membranes = Signal(len(sums), reset_less=True, name="membranes", init=value)
        with m.If(valid2 & walk2.first):
            # The initial values of one group are constants: no multiplexer, but a reset.
            m.d.sync += membranes.eq(self.initial)
        with m.Elif(valid3):
            m.d.sync += membranes.eq(sums)
        m.d.comb += Cat(stored, had_fired).eq(membranes)

    def _memory_storage(self, m, walk2, valid2, walk3, valid3, sums, stored, had_fired):
        """Several groups: a memory, read one or three cycles before the potentials are wanted.

        A group comes back after as many cycles as there are groups. A few groups take LUT RAM. Many
        take block RAM, because deep LUT RAM would cost more logic than the adders; it is read two
        cycles earlier, for its own register and for one near the adders, as with the weights. From
        three groups on, sums are written a cycle after they are added, so that the way to the
        memory is not part of the adder's cycle.
        """
        groups = self.p.groups
        many = groups > LUT_RAM_DEPTH
        m.submodules.membranes = membranes = memory.Memory(
            shape=unsigned(len(sums)),
            depth=groups,
            init=[],
            attrs={"ram_style": "block", **NO_COLLISION} if many else LUT_RAM,
        )
        read, write = membranes.read_port(), membranes.write_port()
        m.d.comb += read.addr.eq(self.ahead if many else walk2.group)
        m.d["sync" if groups >= LATE_WRITE_GROUPS else "comb"] += [
            write.en.eq(valid3),
            write.addr.eq(walk3.group),
            write.data.eq(sums),
        ]
        found = read.data
        if many:
            output = Signal(len(sums), reset_less=True, name="membranes_output")
            found = Signal(len(sums), reset_less=True, name="membranes_near")
            m.d.sync += [output.eq(read.data), found.eq(output)]
        with m.If(walk3.first):
            m.d.comb += stored.eq(self.initial)
        with m.Else():
            m.d.comb += Cat(stored, had_fired).eq(found)
