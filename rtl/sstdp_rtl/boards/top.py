"""The design of a board: serial port, bridge, accelerator."""

from amaranth.hdl import ClockDomain, ClockSignal, Const, Elaboratable, Instance, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In, Out, connect

from sstdp_hw.contract.ports import BASE_PORT, MEMORY_PREFIX

from ..gateware.external.reader import axi_members
from .bridge import Bridge
from .clock_source import ClockSource
from .packet_gate import PacketGate
from .sdram.controller import chip_layout
from .sdram.memory import BoardMemory
from .sdram.pins import SdramPins
from .sdram.timing import WORD_BITS
from .uart_receiver import UartReceiver
from .uart_transmitter import UartTransmitter


class SerialAccelerator(wiring.Component):
    """The accelerator with a serial line for its ports.

    The Verilog of the accelerator is instantiated, not read: who builds this adds the file.

    Parameters
    ----------
    parameters : BoardParameters

    Members
    -------
    rx : In
    tx : Out
    chip : Out
    word : In
        Only where weights stand in the board's memory, see `SdramController`.
    """

    def __init__(self, parameters):
        self.parameters = parameters
        memory = {"chip": Out(chip_layout()), "word": In(WORD_BITS)} if parameters.memory else {}
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), **memory})

    def elaborate(self, platform):
        m = Module()
        p = self.parameters
        m.submodules.receiver = receiver = UartReceiver(p.divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(p.divisor)
        m.submodules.bridge = bridge = Bridge(
            p.inputs, p.pixels_per_beat, p.quiet, p.input_kind, p.memory_bytes,
            p.identity.words(), p.memory is not None,
        )  # fmt: skip
        connect(m, receiver.o, bridge.rx)
        connect(m, bridge.tx, transmitter.i)
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]

        aresetn = Signal()  # a register: low in and right after the reset of this domain
        m.d.sync += aresetn.eq(~bridge.clear)
        image, loading = bridge.image, {}
        if p.memory:
            m.submodules.memory = memory = BoardMemory(p.memory)
            m.submodules.gate = gate = PacketGate(image.payload.shape())
            connect(m, bridge.memories, memory.i)
            connect(m, image, gate.i)
            image = gate.o
            m.d.sync += aresetn.eq(~bridge.clear & memory.there)
            m.d.comb += [
                gate.opens.eq(memory.there & aresetn),
                gate.clear.eq(bridge.clear),
                bridge.status.eq(memory.status),
                memory.clear.eq(bridge.clear),
                memory.reset.eq(~aresetn),
                self.chip.eq(memory.chip),
                memory.word.eq(self.word),
            ]
            letters = {Out: "o", In: "i"}
            loading = {
                f"{letters[member.flow]}_{MEMORY_PREFIX}{name}": getattr(memory, name)
                for name, member in axi_members(p.memory.bus).items()
            }
            if p.memory.base_port:
                loading[f"i_{BASE_PORT.name}"] = Const(p.memory.base, BASE_PORT.width)
        elif p.memory_bytes:
            loading = {
                "i_s_axis_weights_tdata": bridge.memories.p.data,
                "i_s_axis_weights_tvalid": bridge.memories.valid,
                "o_s_axis_weights_tready": bridge.memories.ready,
                "i_s_axis_weights_tlast": bridge.memories.p.last,
                "o_weights_status": bridge.status,
            }
        m.submodules.accelerator = Instance(
            p.top,
            i_aclk=ClockSignal(),
            i_aresetn=aresetn,
            i_s_axis_tdata=image.p.data,
            i_s_axis_tvalid=image.valid,
            o_s_axis_tready=image.ready,
            i_s_axis_tlast=image.p.last,
            o_m_axis_tdata=bridge.result.payload,
            o_m_axis_tvalid=bridge.result.valid,
            i_m_axis_tready=bridge.result.ready,
            o_m_axis_tlast=Signal(name="every_result_is_last"),
            **loading,
        )
        return m


class BoardTop(Elaboratable):
    """`SerialAccelerator` on the pins and the clock of an amaranth-boards platform."""

    def __init__(self, parameters):
        self.parameters = parameters

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.clock = ClockSource(self.parameters.pll, self.parameters.global_reset)
        m.submodules.serial = serial = SerialAccelerator(self.parameters)
        uart = platform.request("uart", 0, dir="-")
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        m.d.comb += [serial.rx.eq(rx.i), tx.o.eq(serial.tx)]
        if self.parameters.memory:
            m.submodules.sdram = sdram = SdramPins(platform.request("sdram", 0, dir="-"))
            m.d.comb += [sdram.chip.eq(serial.chip), serial.word.eq(sdram.word)]
        return m
