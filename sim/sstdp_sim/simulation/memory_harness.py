"""What the harness has besides where weights stand in an external memory: that memory."""

from __future__ import annotations

from dataclasses import dataclass

from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.contract.external_memory import (
    MODEL,
    beats_of,
    memory_connections,
    memory_instance,
    memory_model,
    told_base,
)

#: Contents of the memory, a beat in hexadecimal a line.
MEMORY_FILE = "memory.hex"

_INPUTS = """\
  input  wire [31:0] memory_latency,
  input  wire [7:0] memory_stalls,
  input  wire [7:0] memory_faults,
"""
_CONTROLS = {
    "clk": "clk", "rst_n": "rst_n & (resetting == 0)", "begin_n": "rst_n",
    "latency": "memory_latency", "stalls": "memory_stalls", "faults": "memory_faults",
    "seed": "random_seed",
}  # fmt: skip

_PLACES = ("memory_inputs", "memory_declarations", "memory_ports")


def memory_places(width: int, base: int | None) -> dict[str, str]:
    """What goes into the places of the harness' template; nothing without a memory. ``base`` is
    what the port of the base address is told, if there is one."""
    if not width:
        return dict.fromkeys(_PLACES, "")
    instance = memory_instance(width, MODEL, "memory", _CONTROLS)
    return dict(zip(_PLACES, (_INPUTS, instance, memory_connections(width, base)), strict=True))


def memory_verilog(parameters: AcceleratorParameters, more: str = "") -> str:
    """The memory of an accelerator, which reads `MEMORY_FILE`, with ``more`` lines."""
    return memory_model(parameters, MODEL, f'  initial $readmemh("{MEMORY_FILE}", words);\n{more}')


@dataclass(frozen=True)
class External:
    """The external memory of an accelerator's weights.

    Parameters
    ----------
    width : int
        Bits of a beat.
    verilog, contents : str
        Its model, and the text of `MEMORY_FILE`.
    base : int, optional
        What the accelerator's port is told where the weights begin, if it has one.
    """

    width: int
    verilog: str
    contents: str
    base: int | None = None

    @classmethod
    def of(
        cls, parameters: AcceleratorParameters, flipped: int | None = None, more: str = ""
    ) -> External:
        """The memory of an accelerator, perhaps with the bit of that number flipped, or ``more``
        lines of Verilog in its model."""
        width = parameters.tiled.plan.bus.data_width
        contents = memory_hex(parameters, flipped)
        return cls(width, memory_verilog(parameters, more), contents, told_base(parameters))


def memory_hex(parameters: AcceleratorParameters, flipped: int | None = None) -> str:
    """The text of `MEMORY_FILE`; see `External.of`."""
    digits = 2 * parameters.tiled.plan.bus.beat_bytes
    return "\n".join([*(f"{beat:0{digits}x}" for beat in beats_of(parameters, flipped)), ""])
