"""``python -m benchmarks.area``: synthesizes the spread, fits the area model, and judges it.

Writes sstdp_hw/models/area/coefficients.json, which holds the coefficients, what every accelerator
counted and with which tools, and a table to --out. Run it again after every change of the gateware:
what has not changed comes from the build cache.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks.arguments import positive
from benchmarks.outcome import carried_out
from sstdp_hw.base.files import write_json, written_whole
from sstdp_hw.base.fpga_tools import find_tool
from sstdp_hw.engine.options import add_cluster, engine_of
from sstdp_hw.models.area import COEFFICIENTS_FILE, TOLERANCE, predict_area

from .fit import fit
from .measure import measure
from .spread import points

KINDS = ("lut", "ff", "bram")


def main() -> int:
    """Returns 1 if an accelerator that was not fitted to is off by more than the tolerance."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.area", description=__doc__)
    parser.add_argument("--jobs", type=positive, default=os.cpu_count() or 1, help="tools at once")
    add_cluster(parser)
    parser.add_argument("--out", type=Path, default=Path("build/area.md"), help="table, Markdown")
    options = parser.parse_args()
    return carried_out("benchmarks.area", lambda: _run(options), "the same command goes on")


def _run(options: argparse.Namespace) -> int:
    every = points()
    with engine_of(options.cluster, options.jobs) as engine:
        counted = measure(every, engine)
    record = {
        "coefficients": fit(every, counted),
        "tools": {name: find_tool(name).version for name in ("yosys", "nextpnr-ecp5")},
        "counted": {
            point.name: {"fit": point.fit, **{kind: units[kind] for kind in KINDS}}
            for point, units in zip(every, counted, strict=True)
        },
    }
    write_json(COEFFICIENTS_FILE, record)
    lines = [
        "| accelerator | | LUT | predicted | FF | predicted | block RAM | predicted |",
        "|---|---|---|---|---|---|---|---|",
    ]
    worst = dict.fromkeys(KINDS, 0.0)
    for point, units in zip(every, counted, strict=True):
        area = vars(predict_area(point.parameters))
        lines.append(f"| {point.name} | {'fitted' if point.fit else 'held out'} | " + " | ".join(
            f"{units[kind]:,} | {area[kind]:,} ({area[kind] / units[kind] - 1:+.1%})"
            for kind in KINDS
        ) + " |")  # fmt: skip
        if not point.fit:
            for kind in KINDS:
                worst[kind] = max(worst[kind], abs(area[kind] / units[kind] - 1))
    lines.append("")
    lines.append(
        "Largest error held out: "
        + ", ".join(f"{kind} {error:.1%}" for kind, error in worst.items())
    )
    with written_whole(options.out) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return int(max(worst.values()) > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
