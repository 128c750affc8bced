"""The design of a board for the simulator: the same top, with its pins as ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

from amaranth.back import rtlil
from amaranth.hdl import ClockSignal, Elaboratable, Instance, IOPort, Module, Value
from amaranth.lib import io

from sstdp_hw.contract.directory import GeneratedDirectory

from ..boards.parameters import BoardParameters
from ..boards.sdram.timing import ADDRESS_BITS, SdramTiming
from ..boards.top import BoardTop
from ..generator.verilog import written_by_yosys
from .board_memory import board_memory

#: The module and its ports: clock, and the serial line as the board sees it.
TOP, CLOCK, RX, TX = "board", "clk", "rx", "tx"

#: The model of the SDRAM, and the clock that the board is taken to have, which has none otherwise.
SDRAM_MODEL, SDRAM_MHZ = "sdram_model", 40.0
SDRAM_FILE = Path(__file__).with_name(f"{SDRAM_MODEL}.v")

#: Widths of the SDRAM's pins; all but the data go out.
SDRAM_PINS = {
    "clk": 1, "clk_en": 1, "cs": 1, "ras": 1, "cas": 1, "we": 1, "ba": 2, "a": 13, "dqm": 2,
    "dq": 16,
}  # fmt: skip


class Pins:
    """What `BoardTop` asks of a platform: a clock, a serial port and an SDRAM, without a family's
    buffers."""

    default_clk = CLOCK

    def __init__(self) -> None:
        self.ports = {name: IOPort(1, name=name) for name in (CLOCK, RX, TX)}
        self.sdram = {
            name: io.SimulationPort("io" if name == "dq" else "o", width)
            for name, width in SDRAM_PINS.items()
        }

    def request(self, name: str, number: int = 0, *, dir: str) -> object:
        """The port of the clock, those of the serial line, or those of the SDRAM."""
        if name == CLOCK:
            return io.SingleEndedPort(self.ports[CLOCK], direction="i")
        if name == "sdram":
            return SimpleNamespace(**self.sdram)
        return SimpleNamespace(
            rx=io.SingleEndedPort(self.ports[RX], direction="i"),
            tx=io.SingleEndedPort(self.ports[TX], direction="o"),
        )

    def get_io_buffer(self, buffer: io.Buffer | io.FFBuffer | io.DDRBuffer) -> object:
        """What stands for a buffer: of double rate there is only the clock that goes out."""
        if not isinstance(buffer, io.DDRBuffer):
            return buffer.elaborate(None)
        m = Module()
        m.d.comb += buffer.port.o.eq(~ClockSignal())
        return m


def sdram_on(
    pins: Pins, mhz: float, timing: SdramTiming, contents: str = "", kept_bits: int = ADDRESS_BITS
) -> Instance:
    """The model of an SDRAM on the pins, which checks every rule of ``timing``; see `SDRAM_FILE`.

    Parameters
    ----------
    mhz : float
        Of its clock.
    contents : str
        File of 16-bit words in hexadecimal that it holds from the beginning.
    kept_bits : int
        Bits of the address of the last word that is used, for a simulator that is short of memory.
    """
    rules = {
        f"p_{name.upper()}": ns if name == "rows" else round(1000 * ns)
        for name, ns in asdict(timing).items()
    }
    data = pins.sdram["dq"]
    return Instance(
        SDRAM_MODEL,
        p_PERIOD=round(1e6 / mhz), p_CONTENTS=contents, p_KEPT_BITS=kept_bits, **rules,
        i_dq_in=data.o, i_dq_driven=data.oe[0], o_dq_out=data.i,
        **{f"i_{name}": port.o for name, port in pins.sdram.items() if name != "dq"},
    )  # fmt: skip


def verilog_of(design: Elaboratable, name: str, ports: Sequence[Value | IOPort], pins: Pins) -> str:
    """Verilog of a design on simulated pins.

    Raises
    ------
    UserError
        If yosys is missing or fails.
    """
    netlist = rtlil.convert(design, name=name, platform=pins, ports=ports, emit_src=False)
    return written_by_yosys(netlist)


class SimulatedTop(Elaboratable):
    """`BoardTop`, with a model of the SDRAM on its pins if it has one."""

    def __init__(self, parameters: BoardParameters, pins: Pins) -> None:
        self.parameters, self.pins = parameters, pins

    def elaborate(self, platform: Pins) -> Module:
        m = Module()
        m.submodules.board = BoardTop(self.parameters)
        if self.parameters.memory:
            m.submodules.sdram = sdram_on(self.pins, SDRAM_MHZ, SdramTiming())
        return m


def board_verilog(
    accelerator: GeneratedDirectory, *, divisor: int, quiet: int, quiet_ms: int
) -> str:
    """Verilog of the board around an accelerator, the chip beside it included; the accelerator's
    own is not in it.

    Parameters
    ----------
    divisor, quiet : int
        Clock cycles of a bit, and without a byte that count as a quiet line.
    quiet_ms : int
        What the board tells of ``quiet``.

    Raises
    ------
    UserError
        If yosys is missing or fails.
    """
    parameters = BoardParameters(
        inputs=accelerator.inputs,
        top=accelerator.top,
        pixels_per_beat=accelerator.pixels_per_beat,
        input_kind=accelerator.input_kind,
        divisor=divisor,
        quiet=quiet,
        global_reset=False,
        memory_bytes=accelerator.memory_bytes,
        memory=board_memory(accelerator, SDRAM_MHZ),
        verilog_sha256=accelerator.manifest["verilog_sha256"],
        quiet_ms=quiet_ms,
    )
    pins = Pins()
    text = verilog_of(SimulatedTop(parameters, pins), TOP, list(pins.ports.values()), pins)
    return text + SDRAM_FILE.read_text(encoding="utf-8") if parameters.memory else text
