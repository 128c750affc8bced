"""The accelerator behind a bus: registers and queues around the module of the streams."""

from amaranth.hdl import ClockDomain, Elaboratable, Instance, Module, ResetInserter, Signal
from amaranth.lib import wiring

from sstdp_hw.blocks.hardware import AXI_LITE, WISHBONE
from sstdp_hw.contract.bus_ports import bus_ports
from sstdp_hw.contract.ports import BASE_PORT, MEMORY_PREFIX, memory_ports

from .axi_lite import AxiLite
from .fresh_start import FreshStart
from .queues import BusQueues
from .row import RegisterRow
from .wishbone import Wishbone

#: By the bus: its component, what its ports begin with, and the ports that mean nothing here.
SLAVES = {AXI_LITE: (AxiLite, "s_axi_"), WISHBONE: (Wishbone, "wb_")}


class BusFront(Elaboratable):
    """An accelerator with registers in place of its streams. Its own Verilog is instantiated, not
    read, and is the same as without a bus.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.bus_front.BusFrontParameters

    Attributes
    ----------
    ports : list of Signal
        One for each of `contract.bus_ports.bus_ports`.
    """

    def __init__(self, parameters):
        self.p = parameters
        ports = bus_ports(parameters.bus, parameters.memory_width)
        self.ports = [Signal(port.width, name=port.name) for port in ports]

    def elaborate(self, platform):
        m = Module()
        ports = {port.name: port for port in self.ports}
        m.domains.sync = sync = ClockDomain("sync")
        sync.clk = ports["aclk"]
        m.d.comb += sync.rst.eq(~ports["aresetn"])

        component, prefix = SLAVES[self.p.bus]
        m.submodules.bus = bus = component()
        m.submodules.row = row = RegisterRow(self.p)
        wiring.connect(m, bus.access, row.access)
        for name, member in bus.signature.members.items():
            if member.is_port:
                port, signal = ports[prefix + name], getattr(bus, name)
                m.d.comb += signal.eq(port) if member.flow is wiring.In else port.eq(signal)
        m.d.comb += ports["irq"].eq(row.interrupt)

        inner = BusQueues(self.p)
        m.submodules.queues = ResetInserter(row.reset)(inner)
        wiring.connect(m, row.words, inner.words)
        wiring.connect(m, inner.answers, row.answers)
        m.d.comb += [
            row.free.eq(inner.free),
            row.waiting.eq(inner.waiting),
            row.busy.eq(inner.busy),
        ]
        resets, memory = row.reset, {}
        if self.p.memory is None:
            m.d.comb += inner.hold.eq(row.hold)
        else:
            resets, memory = self._outside(m, ports, row, inner)
        m.submodules.accelerator = Instance(
            self.p.accelerator.top,
            i_aclk=ports["aclk"],
            i_aresetn=ports["aresetn"] & ~resets,
            i_s_axis_tdata=inner.beats.payload.data,
            i_s_axis_tvalid=inner.beats.valid,
            o_s_axis_tready=inner.beats.ready,
            i_s_axis_tlast=inner.beats.payload.last,
            o_m_axis_tdata=inner.results.payload,
            o_m_axis_tvalid=inner.results.valid,
            i_m_axis_tready=inner.results.ready,
            o_m_axis_tlast=Signal(name="every_answer_is_last"),
            **memory,
        )
        return m

    def _outside(self, m, ports, row, queues):
        """Weights in an external memory: what resets the accelerator, and its ports to there."""
        m.submodules.start = start = FreshStart(self.p.memory.bus)
        m.d.comb += [
            start.begins.eq(row.reset),
            start.base.eq(row.base),
            row.stopped.eq(start.stopped),
            row.owed.eq(start.owed),
            queues.hold.eq(row.hold | start.holds),
        ]
        for name in ("arvalid", "arready", "arlen", "rvalid"):
            m.d.comb += getattr(start, name).eq(ports[MEMORY_PREFIX + name])
        m.d.comb += ports[f"{MEMORY_PREFIX}rready"].eq(start.rready | start.takes)
        memory = {f"i_{BASE_PORT.name}": start.told}
        for port in memory_ports(self.p.memory_width):
            memory[f"{port.direction[0]}_{port.name}"] = ports[port.name]
        return start.resets, memory | {f"o_{MEMORY_PREFIX}rready": start.rready}
