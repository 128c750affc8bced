"""Reads what the tools wrote: cell counts of yosys, report and usage table of nextpnr."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .family import Family


class BadReport(Exception):
    """A tool's report lacks what this version of the tool always writes."""


@dataclass(frozen=True)
class CriticalPath:
    """The slowest path from one register to another.

    ``start`` and ``end`` are ``cell.port`` after synthesis; ``logic_ns`` holds also clock-to-output
    and setup times. ``levels`` counts the cells passed between the two registers.
    """

    start: str
    end: str
    delay_ns: float
    logic_ns: float
    routing_ns: float
    levels: int


@dataclass(frozen=True)
class Timing:
    """One clock of a placed and routed design."""

    clock: str
    fmax_mhz: float
    constraint_mhz: float
    critical_path: CriticalPath | None


@dataclass(frozen=True)
class PlacedReport:
    """What nextpnr says of one run: the resources that it counts, and the clocks."""

    used: dict[str, int]
    available: dict[str, int]
    clocks: tuple[Timing, ...]

    def clock_of(self, mhz: float) -> Timing:
        """The slowest clock among those that were asked to reach ``mhz``.

        Raises
        ------
        BadReport
            If none was: the constraint did not arrive, and no figure may be drawn from the run.
        """
        matching = [c for c in self.clocks if abs(c.constraint_mhz - mhz) <= 0.005 * mhz]
        if not matching:
            found = ", ".join(f"{c.clock} at {c.constraint_mhz:.2f} MHz" for c in self.clocks)
            raise BadReport(f"no clock with the constraint {mhz:g} MHz in the report ({found})")
        return min(matching, key=lambda clock: clock.fmax_mhz)


def read_placed_report(path: Path, family: Family) -> PlacedReport:
    """Read nextpnr's ``--report`` file.

    Raises
    ------
    BadReport
        If it is not such a report.
    """
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        utilisation = report["utilization"]
        used, available = {}, {}
        for name, resource in family.resources.items():
            if resource.placed and (not resource.optional or resource.placed[0] in utilisation):
                if not resource.mapped:
                    used[name] = sum(int(utilisation[cell]["used"]) for cell in resource.placed)
                    used[name] += sum(
                        int(utilisation[cell]["used"]) * units
                        for cell, units in resource.apart.items()
                        if cell in utilisation
                    )
                available[name] = int(utilisation[resource.placed[0]]["available"])
        clocks = tuple(
            Timing(
                clock=name,
                fmax_mhz=float(figures["achieved"]),
                constraint_mhz=float(figures["constraint"]),
                critical_path=_critical_path(report["critical_paths"], name),
            )
            for name, figures in report["fmax"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise BadReport(f"{path.name} is not a report of nextpnr: {error!r}") from None
    return PlacedReport(used, available, clocks)


def _critical_path(paths: list[dict[str, Any]], clock: str) -> CriticalPath | None:
    edges = {f"posedge {clock}", f"negedge {clock}"}
    for path in paths:
        if path["from"] not in edges or path["to"] not in edges or not path["path"]:
            continue
        steps = path["path"]
        total = sum(step["delay"] for step in steps)
        routing = sum(step["delay"] for step in steps if step["type"] == "routing")
        return CriticalPath(
            start=_pin(steps[0]["from"]),
            end=_pin(steps[-1]["to"]),
            delay_ns=round(total, 3),
            logic_ns=round(total - routing, 3),
            routing_ns=round(routing, 3),
            levels=sum(step["type"] == "logic" for step in steps),
        )
    return None


def _pin(pin: dict[str, Any]) -> str:
    """``cell.port``; names that yosys composed of a whole path are cut in the middle."""
    cell = str(pin["cell"])
    if len(cell) > 120:
        cell = f"{cell[:80]}...{cell[-37:]}"
    return f"{cell}.{pin['port']}"


def read_cell_counts(path: Path) -> dict[str, int]:
    """The cells by type of yosys' ``stat -json``, before packing.

    Raises
    ------
    BadReport
        If the file is not such a report.
    """
    try:
        counts = json.loads(path.read_text(encoding="utf-8"))["design"]["num_cells_by_type"]
        return {str(name): int(count) for name, count in counts.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadReport(f"{path.name} is not a report of yosys: {error!r}") from None


def mapped_resources(path: Path, family: Family) -> dict[str, int]:
    """What synthesis used of each resource that only it counts; 0 of what nothing counts.

    Raises
    ------
    BadReport
        If the file is not a report of yosys' ``stat -json``.
    """
    cells = read_cell_counts(path)
    return {
        name: sum(cells.get(cell, 0) * units for cell, units in resource.mapped.items())
        for name, resource in family.resources.items()
    }


_MAPPED = re.compile(r"^mapping memory (?P<name>\S+) via (?P<cell>\S+)$")
_LOGIC = re.compile(r"^using FF mapping for memory (?P<name>\S+)$")


def read_memories(log: str, family: Family) -> dict[str, str]:
    """What each memory became, by yosys' log: "block", "lut_ram" or "logic" (LUT or register)."""
    kinds = {}
    for line in log.splitlines():
        if match := _MAPPED.match(line):
            in_luts = family.lut_ram and match["cell"].startswith(family.lut_ram)
            kinds[match["name"]] = "lut_ram" if in_luts else "block"
        elif match := _LOGIC.match(line):
            kinds[match["name"]] = "logic"
    return kinds


_USAGE = re.compile(
    r"^Info:\s+(?P<cell>[A-Z][A-Z0-9_]+):\s*(?P<used>\d+)/\s*(?P<available>\d+)\s+\d+%"
)


def overfull(log: str, family: Family) -> list[str]:
    """What does not fit, by the usage table of nextpnr's log: "bram (DP16KD) needs 129, has 56"."""
    names = {cell: name for name, kind in family.resources.items() for cell in kind.placed}
    found: dict[str, str] = {}
    for line in log.splitlines():
        match = _USAGE.match(line)
        if match and int(match["used"]) > int(match["available"]):
            cell = match["cell"]
            label = f"{names[cell]} ({cell})" if cell in names else cell
            found[cell] = f"{label} needs {match['used']}, has {match['available']}"
    return list(found.values())
