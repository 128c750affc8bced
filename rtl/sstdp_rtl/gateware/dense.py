"""A fully connected layer of IF neurons, time-multiplexed over `lanes` adders."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import TAG_WIDTH
from sstdp_hw.blocks.widths import index_width

from .parts.lanes import LaneSlice, registered, walk_layout
from .parts.streams import TRACED, event_layout, group_layout, is_stale
from .parts.weight_memory import asks_first, connect_load, loading_members, memories


class DenseLayer(wiring.Component):
    """Adds the weights of every input spike to the potentials and reports which neurons fire.

    An event walks over all groups of ``lanes`` neurons, one group a cycle, without a gap to the
    next event. The walk of a step's last event also compares: groups with a neuron that fires come
    out on ``o``, in order, the last one with ``close`` set; a step in which nothing fires leaves
    no trace. Potentials are not cleared: the first walk of an image takes
    `DenseParameters.initial` instead of what is stored.

    The lanes stand in slices (`lanes.LaneSlice`), each one cycle behind the one before, so that no
    signal has to reach all lanes in one cycle. With several slices all groups that were compared
    come out, also those in which nothing fired.

    A hidden layer passes the end of an image on as one item with ``final`` set. An output layer
    shows all its groups then, with ``final`` set, for the decision by margin.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.dense.DenseParameters
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
                **loading_members(parameters),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        weights, initial = memories(p, self.name, [first for first, _ in p.slices])
        m.submodules.weights = weights
        m.submodules.initial = initial
        connect_load(m, self, weights, initial)
        slices = [LaneSlice(p, self.step_width, *lanes) for lanes in p.slices]
        for number, lane_slice in enumerate(slices):
            m.submodules[f"slice_{number}"] = lane_slice

        # ---- Stage 0: the present event, and whether it is stale, as of the cycle before. An event
        # comes in as the one before it is done with.
        event0 = Signal(self.event_layout, reset_less=True)
        valid0, stale0, load0 = Signal(), Signal(), Signal()
        m.d.comb += self.i.ready.eq(load0)
        m.d.sync += stale0.eq(
            Mux(
                load0,
                is_stale(self.i.payload.tag, self.oldest),
                is_stale(event0.tag, self.oldest),
            )
        )
        with m.If(load0):
            m.d.sync += [valid0.eq(self.i.valid), event0.eq(self.i.payload)]

        # Which walk, and which group of it.
        walk0 = Signal(walk_layout(p.groups, self.step_width))
        walked = Signal(TAG_WIDTH, init=(1 << TAG_WIDTH) - 1)  # the last image seen
        spontaneous0 = Signal()  # the walk compares step 0, in which no input fired
        single0 = Signal()  # not a walk: one item, to be passed on
        issue0 = Signal()
        group = Signal.like(walk0.group)
        following = Signal.like(walk0.group)
        last_group = Signal(init=p.groups == 1)
        m.d.comb += [
            spontaneous0.eq(asks_first(self) & walk0.first & (event0.end | (event0.step != 0))),
            single0.eq(event0.end & ~spontaneous0 & (not p.output)),
            walk0.tag.eq(event0.tag),
            walk0.first.eq(event0.tag != walked),
            walk0.silent.eq(event0.end | spontaneous0),
            walk0.compare.eq(Mux(walk0.silent, spontaneous0, event0.last)),
            walk0.final.eq(event0.end & ~spontaneous0),
            walk0.group.eq(group),
            walk0.last.eq(last_group | single0),
            walk0.step.eq(Mux(spontaneous0, 0, event0.step)),
            # All queues hold the same groups, the first slice's before the others.
            issue0.eq(valid0 & ~stale0 & slices[0].has_room),
            load0.eq(~valid0 | stale0 | (slices[0].has_room & walk0.last & ~spontaneous0)),
        ]
        # Whether it is the last one is known with the group: the event queue's ready begins here.
        m.d.comb += following.eq(group)
        m.d.sync += [group.eq(following), last_group.eq(following == p.groups - 1)]
        with m.If(valid0 & stale0):
            # An image that is dropped in its first walk is noted, too: else, when its tag comes
            # round again, the potentials of an older image would pass for that one's.
            m.d.comb += following.eq(0)
            m.d.sync += walked.eq(event0.tag)
        with m.Elif(issue0):
            m.d.comb += following.eq(Mux(walk0.last, 0, group + 1))
            with m.If(walk0.last):
                m.d.sync += walked.eq(event0.tag)

        # ---- Stage 1: the weight address is there. Row (group, input) follows row (group - 1,
        # input) at a distance of `inputs`: an adder instead of a multiplier.
        address1 = Signal(index_width(p.weight_depth))
        with m.If(issue0):
            m.d.sync += address1.eq(Mux(group == 0, event0.index, address1 + p.inputs))
        m.d.comb += weights.addr.eq(address1)
        walk, valid = registered(m, "_1", walk0, issue0)

        # ---- The memory's registers; then every slice, each a cycle later than the one before.
        for stage in range(weights.latency - 2):
            ahead = walk
            walk, valid = registered(m, f"_1_{stage}", walk, valid)
        group2 = Signal.like(walk.group)
        m.d.sync += group2.eq(walk.group)
        # Block RAM is addressed earlier, for its registers.
        m.d.comb += initial.addr.eq(group2 if initial.latency == 1 else ahead.group)
        for number, (lane_slice, (first, stop)) in enumerate(zip(slices, p.slices, strict=True)):
            if number:
                ahead = walk
                walk, valid = registered(m, f"_slice_{number}", walk, valid)
            m.d.comb += [
                lane_slice.ahead.eq(ahead.group),
                lane_slice.i.eq(walk),
                lane_slice.valid.eq(valid),
                lane_slice.weights.eq(weights.data[first * p.weight_width : stop * p.weight_width]),
                lane_slice.initial.eq(
                    initial.data[first * p.membrane_width : stop * p.membrane_width]
                ),
            ]

        # ---- The slices' queues move on together; the last slice's is the last to hold a group.
        out, head = self.o.payload, slices[0].o.payload
        m.d.comb += [
            self.o.valid.eq(slices[-1].o.valid),
            *(out[name].eq(head[name]) for name, _ in self.group_layout if name != "fired"),
            out.fired.eq(Cat(lane_slice.o.payload.fired for lane_slice in slices)),
            self.spikes.eq(out),
            self.spikes_valid.eq(self.o.valid & self.o.ready),
        ]
        for lane_slice in slices:
            m.d.comb += lane_slice.o.ready.eq(self.o.ready & self.o.valid)
        return m
