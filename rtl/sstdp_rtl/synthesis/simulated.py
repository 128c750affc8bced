"""The design of a board for the simulator: the same top, with its pins as ports."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace

from amaranth.back import rtlil
from amaranth.hdl import IOPort
from amaranth.lib import io

from sstdp_hw.base.fpga_tools import find_tool, run_tool
from sstdp_hw.contract.directory import GeneratedDirectory

from ..boards.parameters import BoardParameters
from ..boards.top import BoardTop
from ..generator.verilog import SCRIPT

#: The module and its ports: clock, and the serial line as the board sees it.
TOP, CLOCK, RX, TX = "board", "clk", "rx", "tx"


class Pins:
    """What `BoardTop` asks of a platform: a clock and a serial port, without a family's buffers."""

    default_clk = CLOCK

    def __init__(self) -> None:
        self.ports = {name: IOPort(1, name=name) for name in (CLOCK, RX, TX)}

    def request(self, name: str, number: int = 0, *, dir: str) -> object:
        """The port of the clock, or those of the serial line."""
        if name == CLOCK:
            return io.SingleEndedPort(self.ports[CLOCK], direction="i")
        return SimpleNamespace(
            rx=io.SingleEndedPort(self.ports[RX], direction="i"),
            tx=io.SingleEndedPort(self.ports[TX], direction="o"),
        )


def board_verilog(
    accelerator: GeneratedDirectory, *, divisor: int, quiet: int, quiet_ms: int
) -> str:
    """Verilog of the board around an accelerator; the accelerator's own is not in it.

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
        verilog_sha256=accelerator.manifest["verilog_sha256"],
        quiet_ms=quiet_ms,
    )
    pins = Pins()
    netlist = rtlil.convert(
        BoardTop(parameters), name=TOP, platform=pins, ports=list(pins.ports.values()),
        emit_src=False,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="sstdp-hw-") as name:
        folder = Path(name)
        (folder / "design.il").write_text(netlist, encoding="utf-8")
        (folder / "script.ys").write_text(SCRIPT, encoding="utf-8")
        run_tool(
            find_tool("yosys"), ["-q", "-s", "script.ys"], folder,
            log="yosys.log", writes="design.v",
        )  # fmt: skip
        return (folder / "design.v").read_text(encoding="utf-8")
