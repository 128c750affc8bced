"""From a build plan to the netlist that is placed."""

from __future__ import annotations

from pathlib import Path

from sstdp_hw.base.fpga_tools import Tool, run_tool

from .family import CELLS, NETLIST
from .plan import SCRIPT, BuildPlan

SYNTHESIS_LOG = "yosys.log"


def make_netlist(plan: BuildPlan, yosys: Tool, work: Path) -> float:
    """Put the plan's files into the folder ``work`` and synthesize there; returns yosys' seconds.

    Raises
    ------
    ToolFailed
    """
    for name, data in plan.files.items():
        (work / name).write_bytes(data)
    seconds = run_tool(
        yosys, ["-q", "-l", SYNTHESIS_LOG, SCRIPT], work, log=SYNTHESIS_LOG, writes=CELLS
    )
    if plan.device.family.netlist_pass is not None:
        plan.device.family.netlist_pass(work / NETLIST)
    return seconds
