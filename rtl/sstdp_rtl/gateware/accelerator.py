"""The top: composes the blocks and carries the AXI4-Stream names; computes nothing."""

from amaranth.hdl import ClockDomain, Const, Elaboratable, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Out

from sstdp_hw.blocks.pipeline import INPUT_QUEUE_DEPTH, PIECE, TAG_WIDTH
from sstdp_hw.contract.answer import LOAD
from sstdp_hw.contract.memory_image import STATUS
from sstdp_hw.contract.ports import MEMORY_PREFIX, ports_of

from .conv.conv import ConvLayer
from .decision import Decision
from .dense import DenseLayer
from .encoder.encoder import Encoder
from .encoder.packet import PacketReader, axis_layout
from .event_port.gate import AnswerGate
from .event_port.port import EventPort
from .event_port.reader import EventReader
from .external.loader import TileLoader
from .external.reader import axi_members
from .loading.gate import ImageGate
from .loading.loader import Loader
from .parts.queue import Queue
from .parts.serializer import SpikeSerializer
from .parts.splitter import GroupSplitter
from .parts.streams import layout_of
from .pool import PoolLayer
from .sequential.engine import Engine

#: By the kind of a weighted block: its component.
LAYERS = {"dense": DenseLayer, "conv2d": ConvLayer}

#: By the kind of a block that only passes spikes on: its component.
FILTERS = {"pool2d": PoolLayer}

#: By the kind of the accelerator's input: what checks its packets.
READERS = {
    "pixels": lambda p: PacketReader(p.input.data_width, p.beats),
    "spikes": lambda p: EventReader(p.pixels, p.t_max),
}

#: By the kind of the accelerator's input: what makes spike events of it.
INPUTS = {"pixels": Encoder, "spikes": EventPort}

#: By the kind of the accelerator's input, where answers can be known before their packet is
#: complete: what holds them.
GATES = {"spikes": AnswerGate}


class AcceleratorTop(Elaboratable):
    """One network as hardware: pixels or events in, classes out.

    Takes one sample per packet and answers each packet with one beat, in order. Both streams may
    stall at any time.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.hardware.AcceleratorParameters

    Attributes
    ----------
    aclk, aresetn, s_axis_*, m_axis_* : Signal
        One for each of `contract.ports.ports_of`.
    ports : list of Signal
        The same in their order.
    probes : list of Encoder or EventPort, DenseLayer or ConvLayer
        Blocks whose ``spikes`` and ``spikes_valid`` show every spike, once elaborated.
    """

    def __init__(self, parameters):
        self.p = parameters
        self.ports = []
        for port in ports_of(parameters):
            self.ports.append(Signal(port.width, name=port.name))
            setattr(self, port.name, self.ports[-1])

    def elaborate(self, platform):
        m = Module()
        p = self.p
        self.probes = []
        m.domains.sync = sync = ClockDomain("sync")
        sync.clk = self.aclk
        m.d.comb += sync.rst.eq(~self.aresetn)

        m.submodules.input_queue = input_queue = Queue(
            axis_layout(p.input.data_width), depth=INPUT_QUEUE_DEPTH
        )
        m.submodules.reader = reader = READERS[p.input.kind](p)
        m.submodules.encoder = encoder = INPUTS[p.input.kind](p)
        m.d.comb += [
            input_queue.i.payload.data.eq(self.s_axis_tdata),
            input_queue.i.payload.last.eq(self.s_axis_tlast),
            input_queue.i.valid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(input_queue.i.ready),
        ]
        self.probes.append(encoder)
        wiring.connect(m, input_queue.o, reader.i)
        loading = loader = None
        if p.store.loaded:
            m.submodules.loader = loader = Loader(p)
            m.submodules.loading = loading = ImageGate(reader.o.payload.shape(), p.most_unanswered)
            wiring.connect(m, reader.o, loading.i)
            wiring.connect(m, loading.o, encoder.i)
            self._connect_loader(m, loader, loading, encoder)
        else:
            wiring.connect(m, reader.o, encoder.i)

        m.submodules.decision = decision = Decision(
            p.output, p.t_max, p.configuration.early_exit, bus=p.store.external
        )
        answers = decision.o
        if p.configuration.batch == 1:  # else the engine keeps images, with their errors
            m.d.comb += encoder.oldest.eq(decision.oldest)
            if p.input.kind in GATES:
                m.submodules.gate = gate = GATES[p.input.kind]()
                m.d.comb += [gate.reading.eq(encoder.reading), gate.errors.eq(encoder.errors)]
                wiring.connect(m, answers, gate.i)
                answers = gate.o
            else:
                m.d.comb += decision.errors.eq(encoder.errors)
        CHAINS[p.configuration.architecture](self, m, encoder, decision, loader)
        m.d.comb += [
            self.m_axis_tdata.eq(answers.payload),
            self.m_axis_tvalid.eq(answers.valid),
            self.m_axis_tlast.eq(Const(1)),
            answers.ready.eq(self.m_axis_tready),
        ]
        if p.store.loaded:  # the bit stands still while an image is in flight
            m.d.comb += [
                self.m_axis_tdata[LOAD.offset].eq(loader.load),
                loading.answered.eq(self.m_axis_tvalid & self.m_axis_tready),
            ]
        return m

    def _streaming(self, m, encoder, decision, loader):
        """A processor for every layer."""
        p, layers, pools, events = self.p, 0, 0, encoder.o
        for block in p.blocks:
            if block.kind in FILTERS:
                name = f"pool_{pools}"
                m.submodules[name] = pool = FILTERS[block.kind](block, p.step_width, name=name)
                wiring.connect(m, events, pool.i)
                events, pools = pool.o, pools + 1
                continue
            layer = LAYERS[block.kind](block, p.step_width, name=f"layer_{layers}")
            m.submodules[f"layer_{layers}"] = layer
            self.probes.append(layer)
            m.d.comb += layer.oldest.eq(decision.oldest)
            if p.store.loaded:
                first = 1 + len(p.network.tables) + 2 * layers
                m.d.comb += [
                    *_load(layer, loader, first),
                    layer.spontaneous.eq(loader.spontaneous[layers]),
                ]
            wiring.connect(m, events, layer.i)
            if block.output:
                wiring.connect(m, layer.o, decision.i)
                break
            groups, lanes, width = layer.o, block.lanes, block.spike_width
            if lanes > PIECE:
                splitter = GroupSplitter(lanes, width, p.step_width)
                m.submodules[f"splitter_{layers}"] = splitter
                m.d.comb += splitter.oldest.eq(decision.oldest)
                wiring.connect(m, groups, splitter.i)
                groups, lanes = splitter.o, PIECE
            serializer = SpikeSerializer(lanes, width, p.step_width, block.queue_depth)
            m.submodules[f"serializer_{layers}"] = serializer
            m.d.comb += serializer.oldest.eq(decision.oldest)
            wiring.connect(m, groups, serializer.i)
            events, layers = serializer.o, layers + 1

    def _sequential(self, m, encoder, decision, loader):
        """One engine for all layers; pooling in front of the first one works on the events."""
        p, events = self.p, encoder.o
        for number, block in enumerate(p.sequential.filters):
            name = f"pool_{number}"
            m.submodules[name] = pool = FILTERS[block.kind](block, p.step_width, name=name)
            wiring.connect(m, events, pool.i)
            events = pool.o
        width = len(events.payload.index)
        m.submodules.engine = engine = Engine(
            p.engine, width, p.step_width, p.configuration.early_exit
        )
        self.probes += engine.probes
        if p.store.loaded:
            m.d.comb += [
                *_load(engine, loader, 1 + len(p.network.tables)),
                engine.void.eq(~data.View(layout_of(STATUS), loader.status).loaded),
            ]
        if p.store.external:
            self._connect_memory(m, engine, decision)
        if p.configuration.batch > 1:
            every = 1 << TAG_WIDTH  # tags: the engine tells of the image it shows
            m.d.comb += [
                encoder.oldest.eq(engine.writing),
                engine.errors.eq(encoder.errors),
                decision.errors.eq(engine.frame_error.replicate(every)),
            ]
        wiring.connect(m, events, engine.i)
        wiring.connect(m, engine.o, decision.i)

    def _connect_memory(self, m, engine, decision):
        """Tiles come from the external memory."""
        base_port = self.p.store.base_port
        m.submodules.tiles = tiles = TileLoader(engine.p.plan, base_port)
        if base_port:
            m.d.comb += tiles.base.eq(self.m_axi_base)
        m.d.comb += [
            engine.fill.eq(tiles.fill),
            engine.there.eq(tiles.there),
            engine.bad.eq(tiles.bad),
            tiles.ends.eq(engine.tile_ends),
            decision.bus_error.eq(engine.bus_error),
        ]
        for name, flow in axi_members(engine.p.plan.bus).items():
            port, own = getattr(self, MEMORY_PREFIX + name), getattr(tiles, name)
            m.d.comb += port.eq(own) if flow.flow is Out else own.eq(port)

    def _connect_loader(self, m, loader, gate, encoder):
        m.d.comb += [
            loader.i.payload.data.eq(self.s_axis_weights_tdata),
            loader.i.payload.last.eq(self.s_axis_weights_tlast),
            loader.i.valid.eq(self.s_axis_weights_tvalid),
            self.s_axis_weights_tready.eq(loader.i.ready),
            self.weights_status.eq(loader.status),
            loader.empty.eq(gate.empty),
            gate.hold.eq(loader.hold),
        ]
        if len(self.p.network.tables):
            m.d.comb += _load(encoder, loader, 1)


def _load(block, loader, first):
    """Statements that hand a block the words for its memories, from region ``first`` on."""
    return [
        *(block.load[name].eq(loader.o[name]) for name in ("word", "row", "column")),
        block.load.writes.eq(loader.o.writes[first:]),
    ]


#: By the architecture: what stands between the encoder and the decision.
CHAINS = {"streaming": AcceleratorTop._streaming, "sequential": AcceleratorTop._sequential}
