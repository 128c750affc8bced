"""A fully connected layer of IF neurons, time-multiplexed over `lanes` adders."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.hardware import index_width
from sstdp_hw.pipeline import LUT_RAM_DEPTH, TAG_WIDTH, reserve

from .queue import Queue
from .rom import NO_COLLISION, Rom
from .streams import TRACED, event_layout, group_layout, is_stale


class DenseLayer(wiring.Component):
    """Adds the weights of every input spike to the potentials and reports which neurons fire.

    An event walks over all groups of ``lanes`` neurons, one group a cycle, without a gap to the
    next event. The walk of a step's last event also compares: groups with a neuron that fires come
    out on ``o``, in order, the last one with ``close`` set; a step in which nothing fires leaves
    no trace. Potentials are not cleared: the first walk of an image takes
    `DenseParameters.initial` instead of what is stored.

    A hidden layer passes the end of an image on as one item with ``final`` set. An output layer
    shows all its groups then, with ``final`` set, for the decision by margin.

    Parameters
    ----------
    parameters : sstdp_hw.hardware.DenseParameters
    step_width : int
        Bits of a time step.
    name : str
        Prefix of the ROM modules' names.

    Members
    -------
    i : stream of `event_layout`
    o : stream of `group_layout`, ``v`` only in an output layer
    oldest : In(TAG_WIDTH)
        Tag of the oldest undecided image.
    """

    def __init__(self, parameters, step_width, name="layer"):
        self.p, self.step_width, self.name = parameters, step_width, name
        self.neurons_width = index_width(parameters.neurons)
        self.event_layout = event_layout(index_width(parameters.inputs), step_width)
        self.group_layout = group_layout(
            parameters.lanes,
            self.neurons_width,
            step_width,
            parameters.membrane_width if parameters.output else 0,
        )
        # Seen by simulations, used by nothing else.
        self.spikes = Signal(self.group_layout, attrs=TRACED)
        self.spikes_valid = Signal(attrs=TRACED)
        super().__init__(
            {
                "i": In(stream.Signature(self.event_layout)),
                "o": Out(stream.Signature(self.group_layout)),
                "oldest": In(TAG_WIDTH),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        lanes, width = p.lanes, p.membrane_width
        group_width = index_width(p.groups)
        m.submodules.weights = weights = Rom(
            f"{self.name}_weights", lanes * p.weight_width, p.weight_rows()
        )
        m.submodules.queue = queue = Queue(self.group_layout, reserve=reserve(p.latency))
        wiring.connect(m, wiring.flipped(self.o), queue.o)

        # ---- Stage 0: which walk, and which group of it.
        event = self.i.payload
        group0 = Signal(group_width)
        walked = Signal(TAG_WIDTH, init=(1 << TAG_WIDTH) - 1)  # the last image seen
        first0 = Signal()  # no walk of this image is complete yet
        stale0 = Signal()
        silent0 = Signal()  # the walk adds nothing
        compare0 = Signal()
        spontaneous0 = Signal()  # the walk compares step 0, in which no input fired
        single0 = Signal()  # not a walk: one item, to be passed on
        issue0 = Signal()
        last0 = Signal()
        m.d.comb += [
            first0.eq(event.tag != walked),
            stale0.eq(is_stale(event.tag, self.oldest)),
            spontaneous0.eq(p.spontaneous & first0 & (event.end | (event.step != 0))),
            silent0.eq(event.end | spontaneous0),
            compare0.eq(Mux(silent0, spontaneous0, event.last)),
            single0.eq(event.end & ~spontaneous0 & (not p.output)),
            last0.eq((group0 == p.groups - 1) | single0),
            issue0.eq(self.i.valid & ~stale0 & queue.has_room),
            self.i.ready.eq(stale0 | (issue0 & last0 & ~spontaneous0)),
        ]
        with m.If(self.i.valid & stale0):
            # An image that is dropped in its first walk is noted, too: else, when its tag comes
            # round again, the potentials of an older image would pass for that one's.
            m.d.sync += [group0.eq(0), walked.eq(event.tag)]
        with m.Elif(issue0):
            m.d.sync += group0.eq(Mux(last0, 0, group0 + 1))
            with m.If(last0):
                m.d.sync += walked.eq(event.tag)

        # ---- Stage 1: the weight address is there. Row (group, input) follows row (group - 1,
        # input) at a distance of `inputs`: an adder instead of a multiplier.
        address1 = Signal(index_width(p.weight_depth))
        with m.If(issue0):
            m.d.sync += address1.eq(Mux(group0 == 0, event.index, address1 + p.inputs))
        flags0 = {
            "first": first0,
            "silent": silent0,
            "compare": compare0,
            "final": event.end & ~spontaneous0,
            "last": last0,
            "group": group0,
            "step": Mux(spontaneous0, 0, event.step),
            "tag": event.tag,
        }
        valid, flags = self._register(m, "1", issue0, flags0)
        m.d.comb += weights.addr.eq(address1)

        # ---- Stage 2: the weights are on their way through the memory's registers. At its end the
        # potentials are addressed.
        for stage in range(weights.latency - 1):
            before2 = flags
            valid, flags = self._register(m, f"2_{stage}", valid, flags)
        valid2, flags2 = valid, flags

        # ---- Stage 3: weights and potentials meet in the adders; sums go back to the memory.
        valid3, flags3 = self._register(m, "3", valid2, flags2)
        m.submodules.initial = initial = Rom(
            f"{self.name}_initial", lanes * width, p.initial_rows(), style="logic"
        )
        m.d.comb += initial.addr.eq(flags2["group"])
        initial3 = initial.data
        stored3 = Signal(lanes * width)
        stored_fired3 = Signal(lanes)
        sums3 = [Signal(signed(width), name=f"sum3_{lane}") for lane in range(lanes)]
        fires3 = Signal(lanes)
        fired3 = Signal(lanes)
        for lane, total in enumerate(sums3):
            stored = stored3[lane * width : (lane + 1) * width]
            base = Mux(flags3["first"], initial3[lane * width : (lane + 1) * width], stored)
            weight = self._weight(weights.data, lane)
            m.d.comb += total.eq(base.as_signed() + Mux(flags3["silent"], 0, weight))
            in_use = Const(1)
            if lane >= lanes - p.padding:
                in_use = flags3["group"] != p.groups - 1
            had_fired = stored_fired3[lane] & ~flags3["first"]
            m.d.comb += [
                fires3[lane].eq(flags3["compare"] & ~total[-1] & ~had_fired & in_use),
                fired3[lane].eq(had_fired | fires3[lane]),
            ]
        stored = self._membranes(m, before2, flags2, valid3, flags3["group"], Cat(*sums3, fired3))
        m.d.comb += Cat(stored3, stored_fired3).eq(stored)

        # ---- Stage 4: sums and fired neurons are registered; groups worth a message leave.
        valid4, flags4 = self._register(
            m, "4", valid3, flags3, without=("first", "silent", "compare")
        )
        fires4 = Signal(lanes, reset_less=True)
        base4 = Signal(self.neurons_width, reset_less=True)
        m.d.sync += fires4.eq(fires3)
        with m.If(valid3):
            m.d.sync += base4.eq(Mux(flags3["group"] == 0, 0, base4 + lanes))
        earlier4 = Signal()  # an earlier group of this walk had a neuron that fired
        any4 = Signal()
        m.d.comb += any4.eq(fires4.any() | (earlier4 & (flags4["group"] != 0)))
        with m.If(valid4):
            m.d.sync += earlier4.eq(any4)
        item = queue.i.payload
        m.d.comb += [
            queue.i.valid.eq(valid4 & (fires4.any() | (flags4["last"] & any4) | flags4["final"])),
            item.tag.eq(flags4["tag"]),
            item.final.eq(flags4["final"]),
            item.close.eq(flags4["last"] & any4),
            item.step.eq(flags4["step"]),
            item.base.eq(base4),
            item.fired.eq(fires4),
        ]
        m.d.comb += [self.spikes.eq(item), self.spikes_valid.eq(queue.i.valid)]
        if p.output:
            sums4 = Signal(lanes * width, reset_less=True)
            m.d.sync += sums4.eq(Cat(*sums3))
            m.d.comb += item.v.eq(sums4)
        return m

    def _register(self, m, stage, valid, flags, without=()):
        """One more stage: a valid bit and a copy of the flags; returns both."""
        valid_next = Signal(name=f"valid{stage}")
        m.d.sync += valid_next.eq(valid)
        copies = {}
        for name, value in flags.items():
            if name not in without:
                copies[name] = Signal(len(value), name=f"{name}{stage}", reset_less=True)
                m.d.sync += copies[name].eq(value)
        return valid_next, copies

    def _weight(self, word, lane):
        """The lane's weight out of a weight word; at width 1 a set bit means -1, a clear one +1."""
        bits = word[lane * self.p.weight_width : (lane + 1) * self.p.weight_width]
        if self.p.weight_width == 1:
            return Cat(Const(1, 1), bits).as_signed()
        return bits.as_signed()

    def _membranes(self, m, before, flags, write_enable, write_group, write_data):
        """Storage of potentials and fired flags; returns what stage 3 reads.

        Parameters
        ----------
        before, flags : dict
            Flags one stage earlier, and of the stage before the adders.

        A group comes back after as many cycles as there are groups. With one group the registers
        themselves are the storage. A few groups take LUT RAM, read one cycle before they are
        wanted. Many take block RAM, which is read two cycles before and written one cycle later,
        because its output is slow and it is far away: deep LUT RAM would cost more logic than the
        adders.
        """
        if self.p.groups == 1:
            stored = Signal(len(write_data), reset_less=True, name="membranes")
            with m.If(write_enable):
                m.d.sync += stored.eq(write_data)
            return stored
        many = self.p.groups > LUT_RAM_DEPTH
        m.submodules.membranes = membranes = memory.Memory(
            shape=unsigned(len(write_data)),
            depth=self.p.groups,
            init=[],
            attrs={"ram_style": "block", **NO_COLLISION} if many else {"ram_style": "distributed"},
        )
        read, write = membranes.read_port(), membranes.write_port()
        m.d.comb += read.addr.eq((before if many else flags)["group"])
        m.d["sync" if many else "comb"] += [  # block RAM is far from the adders
            write.en.eq(write_enable),
            write.addr.eq(write_group),
            write.data.eq(write_data),
        ]
        if not many:
            return read.data
        stored = Signal(len(write_data), reset_less=True, name="membranes_read")
        m.d.sync += stored.eq(read.data)
        return stored
