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


def memory_places(width: int) -> dict[str, str]:
    """What goes into the places of the harness' template; nothing without a memory."""
    if not width:
        return dict.fromkeys(_PLACES, "")
    instance = memory_instance(width, MODEL, "memory", _CONTROLS)
    return dict(zip(_PLACES, (_INPUTS, instance, memory_connections(width)), strict=True))


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
    """

    width: int
    verilog: str
    contents: str

    @classmethod
    def of(
        cls, parameters: AcceleratorParameters, flipped: int | None = None, more: str = ""
    ) -> External:
        """The memory of an accelerator, perhaps with the bit of that number flipped, or ``more``
        lines of Verilog in its model."""
        width = parameters.tiled.plan.bus.data_width
        return cls(width, memory_verilog(parameters, more), memory_hex(parameters, flipped))


def memory_hex(parameters: AcceleratorParameters, flipped: int | None = None) -> str:
    """The text of `MEMORY_FILE`; see `External.of`."""
    digits = 2 * parameters.tiled.plan.bus.beat_bytes
    return "\n".join([*(f"{beat:0{digits}x}" for beat in beats_of(parameters, flipped)), ""])
