"""A convolution layer of IF neurons, event-driven, time-multiplexed over `lanes` adders."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from sstdp_hw.blocks.pipeline import TAG_WIDTH

from ..parts.streams import TRACED, event_layout, group_layout
from ..parts.weight_memory import connect_load, loading_members, memories
from .lanes import ConvLanes
from .locate import Locate
from .walk import Walk


class ConvLayer(wiring.Component):
    """Walks for every input spike over the positions that it reaches, and reports who fires.

    `Locate` finds where an event's walk begins, `Walk` issues a word a cycle, `ConvLanes` adds. A
    step's groups come out after its last event, in no particular order, the last one an empty one
    with ``close`` set; a step in which nothing fires leaves no trace. The end of an image passes as
    one item with ``final`` set.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.convolution.ConvParameters
    step_width : int
        Bits of a time step.
    name : str
        Prefix of the ROM modules' names.

    Members
    -------
    i : stream of `event_layout`
    o : stream of `group_layout`
    oldest : In(TAG_WIDTH)
        Tag of the oldest undecided image.
    """

    def __init__(self, parameters, step_width, name="layer"):
        self.p, self.step_width, self.name = parameters, step_width, name
        self.group_layout = group_layout(
            parameters.lanes, parameters.leaving.index_width, step_width
        )
        # Seen by simulations, used by nothing else.
        self.spikes = Signal(self.group_layout, attrs=TRACED)
        self.spikes_valid = Signal(attrs=TRACED)
        super().__init__(
            {
                "i": In(stream.Signature(event_layout(parameters.index_width, step_width))),
                "o": Out(stream.Signature(self.group_layout)),
                "oldest": In(TAG_WIDTH),
                **loading_members(parameters),
            }
        )

    def elaborate(self, platform):
        m = Module()
        p = self.p
        m.submodules.locate = locate = Locate(p, self.step_width, self.name)
        m.submodules.walk = walk = Walk(p, self.step_width)
        m.submodules.lanes = lanes = ConvLanes(p, self.step_width)
        weights, initial = memories(p, self.name)
        m.submodules.weights = weights
        m.submodules.initial = initial
        connect_load(m, self, weights, initial)
        if p.store.loaded:
            m.d.comb += walk.spontaneous.eq(self.spontaneous)
        wiring.connect(m, wiring.flipped(self.i), locate.i)
        wiring.connect(m, locate.o, walk.i)
        wiring.connect(m, lanes.candidates, walk.candidates)
        wiring.connect(m, wiring.flipped(self.o), lanes.o)
        # The weight's address has a cycle from the counters to the memory.
        weight1 = Signal.like(walk.weight)
        m.d.sync += weight1.eq(walk.weight)
        m.d.comb += [
            walk.oldest.eq(self.oldest),
            walk.has_room.eq(lanes.has_room),
            walk.ready.eq(lanes.ready),
            lanes.i.eq(walk.word),
            lanes.valid.eq(walk.valid),
            lanes.begin.eq(walk.begin),
            lanes.flush.eq(walk.flush),
            weights.addr.eq(weight1),
            lanes.weights.eq(weights.data),
            initial.addr.eq(lanes.group),
            lanes.initial.eq(initial.data),
            self.spikes.eq(self.o.payload),
            self.spikes_valid.eq(self.o.valid & self.o.ready),
        ]
        return m
