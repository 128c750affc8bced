"""The design of a board: serial port, bridge, accelerator."""

from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Instance, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In, Out, connect

from .bridge import Bridge
from .clock_source import ClockSource
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
    """

    def __init__(self, parameters):
        self.parameters = parameters
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        p = self.parameters
        m.submodules.receiver = receiver = UartReceiver(p.divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(p.divisor)
        m.submodules.bridge = bridge = Bridge(
            p.inputs, p.pixels_per_beat, p.quiet, p.input_kind, p.memory_bytes,
            p.identity.words(),
        )  # fmt: skip
        connect(m, receiver.o, bridge.rx)
        connect(m, bridge.tx, transmitter.i)
        m.d.comb += [receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx)]

        aresetn = Signal()  # a register: low in and right after the reset of this domain
        m.d.sync += aresetn.eq(~bridge.clear)
        loading = {}
        if p.memory_bytes:
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
            i_s_axis_tdata=bridge.image.p.data,
            i_s_axis_tvalid=bridge.image.valid,
            o_s_axis_tready=bridge.image.ready,
            i_s_axis_tlast=bridge.image.p.last,
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
        return m
