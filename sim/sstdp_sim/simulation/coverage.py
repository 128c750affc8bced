"""What of the generated Verilog was at work in a simulation, by Verilator's counters.

*Line*: blocks that ran. *Branch*: sides of conditions and of conditional operators that were taken.
*Toggle*: bits of signals that rose, and that fell, each counted. The contents of memories are not
counted, nor is the harness.
"""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from .harness import HARNESS_TOP

KINDS = ("line", "branch", "toggle")
_PAGE = re.compile(r"v_(\w+)/(.+)")
_ESCAPED = re.compile(r"__0([0-9A-F]{2})")
_IN_A_MEMORY = re.compile(r"\]\[")


class Coverage:
    """Counters of several runs, added up."""

    def __init__(self) -> None:
        self._hit: dict[tuple[str, str, str], bool] = {}

    def add(self, file: Path) -> None:
        """Add what one run wrote: Verilator's ``coverage.dat``."""
        for line in file.read_text(encoding="utf-8").splitlines():
            if not line.startswith("C '"):
                continue
            text, _, count = line[3:].rpartition("' ")
            fields = dict(part.split("\x02", 1) for part in text.split("\x01") if part)
            page = _PAGE.fullmatch(fields["page"])
            if page is None or page[1] not in KINDS or page[2] == HARNESS_TOP:
                continue
            name = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), fields["o"])
            if _IN_A_MEMORY.search(name):
                continue
            if page[1] != "toggle":
                name = f"{name}, line {fields['l']}:{fields['n']}"
            point = page[2], page[1], name
            self._hit[point] = self._hit.get(point, False) or int(count) > 0

    def to_json(self) -> dict[str, Any]:
        """By module: for each kind how many of how many points were hit, and the others' names."""
        modules: dict[str, Any] = defaultdict(
            lambda: {kind: {"hit": 0, "points": 0, "missing": []} for kind in KINDS}
        )
        for (module, kind, name), hit in sorted(self._hit.items()):
            entry = modules[module][kind]
            entry["points"] += 1
            entry["hit"] += hit
            if not hit:
                entry["missing"].append(name)
        return dict(modules)


def rows(modules: dict[str, Any]) -> list[list[str]]:
    """A table's rows: module, then hit points of each kind as a share; the sum of all last."""
    found = [[name, *(_share([entry[kind]]) for kind in KINDS)] for name, entry in modules.items()]
    total = [_share([entry[kind] for entry in modules.values()]) for kind in KINDS]
    return [*found, ["all", *total]]


def _share(entries: list[dict[str, Any]]) -> str:
    hit, points = (sum(entry[name] for entry in entries) for name in ("hit", "points"))
    return f"{hit / points:.1%} of {points}" if points else "-"
