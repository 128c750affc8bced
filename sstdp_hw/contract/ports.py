"""The ports of the accelerator's top module: AXI4-Stream with the standard names."""

from __future__ import annotations

from typing import NamedTuple

from .answer import ANSWER_WIDTH


class Port(NamedTuple):
    """A port as the accelerator sees it."""

    name: str
    direction: str  # "input" or "output"
    width: int


def ports(pixels_per_beat: int) -> tuple[Port, ...]:
    """All ports, in the order of the Verilog."""
    return (
        Port("aclk", "input", 1),
        Port("aresetn", "input", 1),
        Port("s_axis_tdata", "input", 8 * pixels_per_beat),
        Port("s_axis_tvalid", "input", 1),
        Port("s_axis_tready", "output", 1),
        Port("s_axis_tlast", "input", 1),
        Port("m_axis_tdata", "output", ANSWER_WIDTH),
        Port("m_axis_tvalid", "output", 1),
        Port("m_axis_tready", "input", 1),
        Port("m_axis_tlast", "output", 1),
    )
