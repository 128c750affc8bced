"""Switching activity: Verilator's SAIF, cut down to the accelerator.

Verilator writes toggles and times of every net. The harness stands around the accelerator as the
test bench does that vendors' tools expect (Vivado strips two levels unless told otherwise); its
nets are not traced, and the ports of the simulation's root go. On the way toggles are added up by
block.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import written_whole

from .harness import HARNESS_TOP, PERIOD_NS

SUFFIX = ".saif"
DUT = "dut"
#: How `read_saif -strip_path` and its like name the accelerator.
SCOPE = f"{HARNESS_TOP}/{DUT}"

#: Depth of the accelerator's blocks among the instances.
BLOCK_DEPTH = 3

#: For Verilator: which nets are traced. Contents of memories are not, as no power tool takes them;
#: wide words are; constants that Verilog calls parameters are not.
TRACED = f"""\
`verilator_config
tracing_off -scope "{HARNESS_TOP}"
tracing_on -scope "{HARNESS_TOP}.{DUT}" -levels 0
"""
FLAGS = (
    "--trace-saif", "--no-trace-params", "--trace-max-width", "65536", "--trace-max-array", "1",
)  # fmt: skip

_DURATION = re.compile(r"\(DURATION (\d+)\)")
_INSTANCE = re.compile(r"( *)\(INSTANCE (\S+)")
_NET = re.compile(r" *\((?P<name>\S+) \(T0 (?P<t0>\d+)\) \(T1 (?P<t1>\d+)\).*\(TC (?P<tc>\d+)\)\)")


@dataclass(frozen=True)
class Activity:
    """What an activity file tells, in short.

    Parameters
    ----------
    picoseconds : int
        That were simulated, reset and all.
    nets : int
        Bits that were traced.
    toggles : dict of (int, int)
        By block of the accelerator, ``""`` for its top: bits, and their toggles.
    """

    picoseconds: int
    nets: int
    toggles: dict[str, tuple[int, int]]

    def to_json(self) -> dict[str, Any]:
        """Toggles of a bit and clock cycle, by block."""
        cycles = self.picoseconds / (1000 * PERIOD_NS)
        return {
            "scope": SCOPE,
            "cycles": round(cycles),
            "nets": self.nets,
            "toggles_per_net_and_cycle": {
                block or "top": round(toggles / bits / cycles, 5)
                for block, (bits, toggles) in self.toggles.items()
            },
        }


def check_activity(simulator: str, activity: Path, waves: Path | None) -> None:
    """Refuse an activity file that cannot be written."""
    if not activity.name or activity.is_dir():
        raise UserError(f"{activity}: must be a file name, not a folder")
    if activity.suffix != SUFFIX:
        raise UserError(
            f"{activity}: switching activity is written as {SUFFIX}, not "
            f"{activity.suffix or 'without a suffix'}; name it {activity.with_suffix(SUFFIX)}"
        )
    if simulator != "verilator":
        raise UserError(
            f"Switching activity must be simulated by verilator, not {simulator}, which counts "
            "none; take --simulator verilator"
        )
    if waves is not None:
        raise UserError(
            "Switching activity and a waveform cannot be written together, as Verilator traces in "
            "one format at a time; leave out --activity or --waves"
        )


def keep_activity(found: Path, activity: Path) -> Activity:
    """Write what Verilator traced of the accelerator to ``activity``; what it tells.

    Raises
    ------
    UserError
        If the trace is not what was asked for, or the file cannot be written.
    """
    duration, nets = 0, 0
    toggles: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    with written_whole(activity) as temporary, temporary.open("w", encoding="utf-8") as written:
        for line, block, net in _cut(found):
            if told := _DURATION.match(line):
                duration = int(told[1])
            if net is not None:
                t0, t1, toggled = (int(net[name]) for name in ("t0", "t1", "tc"))
                # The first value of a net that begins high counts as a rise; of a net that never
                # changes that is a toggle too many.
                if toggled and not (t0 and t1):
                    line = line.replace(f"(TC {net['tc']})", "(TC 0)")
                    toggled = 0
                nets += 1
                toggles[block][0] += 1
                toggles[block][1] += toggled
            written.write(line)
        if not duration or not nets:
            raise UserError(f"{activity}: no switching activity was traced")
    sums = {block: (bits, toggled) for block, (bits, toggled) in toggles.items()}
    return Activity(duration, nets, sums)


def _cut(found: Path) -> Iterator[tuple[str, str, re.Match[str] | None]]:
    """Lines of a trace without the ports of its root, the block that each belongs to, and its net
    if it is of one. Every level is indented by a space, the outermost instance by one."""
    block, of_root = "", False
    with found.open(encoding="utf-8") as lines:
        for line in lines:
            if instance := _INSTANCE.match(line):
                depth = len(instance[1])
                if depth == 1:
                    of_root = instance[2] != HARNESS_TOP
                elif depth == BLOCK_DEPTH:
                    block = instance[2]
            if line[0] != " ":
                of_root = False
            if not of_root:
                yield line, block, _NET.match(line)
