"""Merges registers behind block RAM into the block RAM, in yosys' netlist for ECP5.

The output of a block RAM is slow: 5.6 ns of a cycle of 8, and its register lies wherever there is
room for it. The block RAM has a register of its own at each port, ten times as fast, which
`synth_ecp5` does not use. So the netlist that yosys writes is rewritten before place and route: a
port all of whose bits go straight into plain registers, and nowhere else, takes them in.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REGISTER = "TRELLIS_FF"
CONSTANTS = ("0", "1", "x", "z")


@dataclass(frozen=True)
class ReadPort:
    """The names that belong to one read port of a kind of block RAM.

    Parameters
    ----------
    data : tuple of str
        Outputs.
    mode : str
        The parameter that switches the register on.
    clock : str
        Clock input; with ``MUX`` behind it, the parameter that may invert it.
    enable : str
        Clock enable of the register.
    """

    data: tuple[str, ...]
    mode: str
    clock: str
    enable: str


READ_PORTS = {
    "DP16KD": tuple(
        ReadPort(
            tuple(f"DO{side}{bit}" for bit in range(18)),
            f"REGMODE_{side}",
            f"CLK{side}",
            f"OCE{side}",
        )
        for side in "AB"
    ),
    "PDPW16KD": (
        ReadPort(tuple(f"DO{bit}" for bit in range(36)), "REGMODE", "CLKR", "OCER"),
    ),
}  # fmt: skip


def merge_file(path: Path) -> int:
    """Rewrite the netlist at ``path``; returns the number of registers merged."""
    netlist = json.loads(path.read_text(encoding="utf-8"))
    merged = merge(netlist)
    if merged:
        path.write_text(json.dumps(netlist), encoding="utf-8")
    return merged


def merge(netlist: dict[str, Any]) -> int:
    """Merge registers in every module of a netlist in yosys' JSON form; returns how many."""
    return sum(_merge_module(module) for module in netlist["modules"].values())


def _merge_module(module: dict[str, Any]) -> int:
    cells = module["cells"]
    memories = [cell for cell in cells.values() if cell["type"] in READ_PORTS]
    if not memories:
        return 0
    readers = _readers(module)
    merged = 0
    for memory in memories:
        for port in READ_PORTS[memory["type"]]:
            names = _registers_behind(cells, readers, memory, port)
            if names is None:
                continue
            enable = "1"
            for output, name in names.items():
                register = cells.pop(name)
                memory["connections"][output] = register["connections"]["Q"]
                enable = _enable(register)
            memory["parameters"][port.mode] = "OUTREG"
            memory["connections"][port.enable] = [enable]
            merged += len(names)
    return merged


def _readers(module: dict[str, Any]) -> dict[Any, list[tuple[str, str]]]:
    """For every net, the (cell, port) that it leads to; a port of the module counts as a cell."""
    readers: dict[Any, list[tuple[str, str]]] = defaultdict(list)
    for name, cell in module["cells"].items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] != "output":
                _note(readers, bits, (name, port))
    for port, description in module["ports"].items():
        if description["direction"] != "input":
            _note(readers, description["bits"], ("", port))
    return readers


def _note(
    readers: dict[Any, list[tuple[str, str]]], bits: Iterable[Any], end: tuple[str, str]
) -> None:
    for bit in bits:
        if bit not in CONSTANTS:
            readers[bit].append(end)


def _registers_behind(
    cells: dict[str, Any],
    readers: dict[Any, list[tuple[str, str]]],
    memory: dict[str, Any],
    port: ReadPort,
) -> dict[str, str] | None:
    """The register behind each output of the port in use, by output; None if it cannot merge."""
    if memory["parameters"].get(port.mode) != "NOREG":
        return None
    clock = (memory["connections"][port.clock], _inverted(memory, port.clock))
    found: dict[str, str] = {}
    enables = set()
    for output in port.data:
        ends = [end for bit in memory["connections"].get(output, ()) for end in readers[bit]]
        if not ends:
            continue
        if len(ends) > 1 or ends[0][1] != "DI":
            return None
        register = cells[ends[0][0]]
        if not _is_plain(register) or clock != (
            register["connections"]["CLK"],
            _inverted(register, "CLK"),
        ):
            return None
        enables.add(_enable(register))
        found[output] = ends[0][0]
    return found if len(enables) == 1 else None


def _is_plain(cell: dict[str, Any]) -> bool:
    """Whether a cell is a register without a reset that starts at 0, as that of the memory."""
    return (
        cell["type"] == REGISTER
        and cell["parameters"].get("REGSET", "RESET") == "RESET"
        and cell["parameters"].get("CEMUX", "CE").strip() in ("1", "CE")
        and cell["connections"].get("LSR", ["0"]) == ["0"]
    )


def _enable(register: dict[str, Any]) -> Any:
    """The net that enables the register, "1" if it always is."""
    if register["parameters"].get("CEMUX", "CE").strip() == "1":
        return "1"
    return register["connections"].get("CE", ["1"])[0]


def _inverted(cell: dict[str, Any], clock: str) -> bool:
    return bool(cell["parameters"].get(f"{clock}MUX", clock) == "INV")
