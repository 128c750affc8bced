"""The ports of the accelerator's top module: AXI4-Stream with the standard names."""

from __future__ import annotations

from typing import NamedTuple

from .answer import ANSWER_WIDTH
from .memory_image import STATUS_WIDTH, WORD_BITS


class Port(NamedTuple):
    """A port as the accelerator sees it."""

    name: str
    direction: str  # "input" or "output"
    width: int


#: Of an accelerator whose weights are loaded: the stream that brings them, and what became of it.
LOADING_PORTS = (
    Port("s_axis_weights_tdata", "input", WORD_BITS),
    Port("s_axis_weights_tvalid", "input", 1),
    Port("s_axis_weights_tready", "output", 1),
    Port("s_axis_weights_tlast", "input", 1),
    Port("weights_status", "output", STATUS_WIDTH),
)


def ports(input_width: int, *, loaded: bool = False) -> tuple[Port, ...]:
    """All ports, in the order of the Verilog.

    Parameters
    ----------
    input_width : int
        Bits a beat of the input stream.
    loaded : bool
        Whether weights are loaded.
    """
    fixed = (
        Port("aclk", "input", 1),
        Port("aresetn", "input", 1),
        Port("s_axis_tdata", "input", input_width),
        Port("s_axis_tvalid", "input", 1),
        Port("s_axis_tready", "output", 1),
        Port("s_axis_tlast", "input", 1),
        Port("m_axis_tdata", "output", ANSWER_WIDTH),
        Port("m_axis_tvalid", "output", 1),
        Port("m_axis_tready", "input", 1),
        Port("m_axis_tlast", "output", 1),
    )
    return fixed + LOADING_PORTS if loaded else fixed
