"""The ports of the accelerator's top module: AXI4-Stream with the standard names."""

from __future__ import annotations

from typing import NamedTuple

from .answer import ANSWER_WIDTH


class Port(NamedTuple):
    """A port as the accelerator sees it."""

    name: str
    direction: str  # "input" or "output"
    width: int


def ports(input_width: int) -> tuple[Port, ...]:
    """All ports, in the order of the Verilog, with so many bits a beat of the input stream."""
    return (
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
