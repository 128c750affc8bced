"""One small configuration whose figures are held fast by a test.

`RECORD` is committed. Area and cycles are the same on every machine with the pinned tools, and so
is fmax, which comes from a fixed seed. A figure that gets worse fails the test; one that gets
better by more than `MARGIN` asks for a new record, or the gain could be lost again unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sstdp_hw.base.files import read_json, write_json
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.data import datasets

from .configurations import Entry
from .measurement import measure

ENTRY = Entry(
    "tracked", "ready:digits-64-64-10-4bit", Configuration((8, 5)), device="ecp5-25k",
    dataset="digits",
)  # fmt: skip
IMAGES = 200
SEEDS = (1,)
RECORD = Path(__file__).with_name("tracked.json")
RENEW = "python -m benchmarks.hardware --renew-record"

MARGIN = 0.02
# Place and route is a random search: any change of the netlist moves fmax by some percent.
FMAX_TOLERANCE = 0.10
#: Figure, and by what share it may be worse.
FIGURES = {"lut": 0.0, "ff": 0.0, "bram": 0.0, "cycles": 0.0, "fmax_mhz": FMAX_TOLERANCE}
MORE_IS_BETTER = {"fmax_mhz"}


def take(out: Path) -> dict[str, float]:
    """Measure the tracked figures; ``cycles`` are those of all images together."""
    samples = datasets.load(ENTRY.dataset).first(IMAGES)
    found = measure(ENTRY, samples, out, SEEDS)
    assert not found["mismatches"], "a wrong design has no figures"
    taken: dict[str, float] = {name: found[name] for name in FIGURES if name != "cycles"}
    return taken | {"cycles": round(found["cycles"]["mean"] * IMAGES)}


def renew(out: Path) -> None:
    """Measure and write the record."""
    write_json(RECORD, dict(sorted(take(out).items())))


def record() -> dict[str, Any]:
    """The committed figures."""
    return read_json(RECORD, "record")


def findings(old: Mapping[str, float], new: Mapping[str, float]) -> list[str]:
    """One line for every figure that is worse, or better by more than `MARGIN`."""
    lines = []
    for name, tolerance in FIGURES.items():
        gain = (new[name] - old[name]) / max(old[name], 1)
        if name not in MORE_IS_BETTER:
            gain = -gain
        change = f"{name} of {ENTRY.network} is {new[name]:g} and was {old[name]:g}"
        if gain < -tolerance:
            lines.append(f"worse: {change}; if that is meant, renew the record: {RENEW}")
        elif gain > max(MARGIN, tolerance):
            lines.append(f"better: {change}; hold it fast by renewing the record: {RENEW}")
    return lines
