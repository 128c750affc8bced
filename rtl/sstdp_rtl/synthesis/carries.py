"""Frees the starts of carry chains, in yosys' netlist for Nexus.

A chain begins with a cell that feeds the carry in through its LUT and has no carry input. `abc9`
(yosys 0.70) connects what is unconnected to 0, and nextpnr places no chain whose first carry input
is not free: beside it may end another chain.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CARRY, ZERO = "CCU2", "VLO"

#: With this its lower half passes the carry input on, and the upper half reads its own LUT alone.
FEED_IN = {"INIT0": "0xFFFF", "INIT1": "0x00AA"}


def free_starts(path: Path) -> int:
    """Rewrite the netlist at ``path``; returns the number of chains whose start is freed."""
    netlist = json.loads(path.read_text(encoding="utf-8"))
    freed = sum(_free(module) for module in netlist["modules"].values())
    if freed:
        path.write_text(json.dumps(netlist), encoding="utf-8")
    return freed


def _free(module: dict[str, Any]) -> int:
    cells = module["cells"].values()
    zeros = {"0", *(bit for cell in cells if cell["type"] == ZERO for bit in _bits(cell, "Z"))}
    starts = [
        cell
        for cell in cells
        if cell["type"] == CARRY and zeros.issuperset(_bits(cell, "CIN")) and _feeds_in(cell)
    ]
    for cell in starts:
        del cell["connections"]["CIN"], cell["port_directions"]["CIN"]
    return len(starts)


def _bits(cell: dict[str, Any], port: str) -> list[Any]:
    return cell["connections"].get(port, [])


def _feeds_in(cell: dict[str, Any]) -> bool:
    """Whether its carry output depends on no carry input, so that cutting one changes nothing."""
    return "CIN" in cell["connections"] and all(
        cell["parameters"].get(name) == value for name, value in FEED_IN.items()
    )
