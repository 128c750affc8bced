"""The verb ``sstdp-hw explore``."""

from __future__ import annotations

import argparse
import os
from itertools import repeat
from pathlib import Path

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.progress import progress
from sstdp_hw.base.tables import number, show, table
from sstdp_hw.blocks.hardware import PIXELS_PER_BEAT
from sstdp_hw.command.verb import Result, Verb
from sstdp_hw.models.exploration import (
    EstimatedPoint,
    balanced_configurations,
    estimate,
    find_workload,
    pareto_front,
)
from sstdp_hw.network.network import Network

DESCRIPTION = """\
Which configurations of a network are worth building: the Pareto front of cycles per image against
LUTs and block RAMs, estimated by the models of docs/cost-model.md before any tool runs.

  sstdp-hw explore ready:mnist-784-400-10-sparse-4bit --plot front.png
  sstdp-hw explore NETWORK --synthesize --jobs 8 --json front.json

Candidates are balanced: no layer has lanes that wait for another. --synthesize runs yosys and
nextpnr on the points of the front. It can be stopped at any time: the same command goes on where it
was, since what was built is in the cache of `sstdp-hw build`."""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "network", type=Path, metavar="NETWORK", help="network file (.safetensors) or ready:NAME"
    )
    parser.add_argument(
        "--dataset", metavar="NAME",
        help="images whose spikes are counted (default: what the network was trained on, or the "
        "worst case if it does not tell)",
    )  # fmt: skip
    parser.add_argument(
        "--samples", type=int, default=100, metavar="N",
        help="the first N test images of the data set (default: 100)",
    )  # fmt: skip
    parser.add_argument(
        "--pixels-per-beat",
        type=int,
        metavar="N",
        help=f"only this one of {', '.join(map(str, PIXELS_PER_BEAT))}",
    )
    parser.add_argument(
        "--no-early-exit", action="store_true", help="hardware that produces every spike"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="picture, .png, .svg or .pdf")
    parser.add_argument(
        "--synthesize", action="store_true", help="build the points of the front, for real figures"
    )
    parser.add_argument(
        "--device", default="ecp5-85k", metavar="DEVICE", help="for --synthesize (%(default)s)"
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
        help="builds at once (default: one per core)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=Path("build/explore"), metavar="DIR",
        help="folder for the accelerators of --synthesize (default: build/explore)",
    )  # fmt: skip
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="folder of the build cache")


def _run(options: argparse.Namespace) -> Result:
    from ..exploration.plot import plot
    from ..exploration.synthesis import build_points
    from ..synthesis.targets import find_device

    for name in ("samples", "jobs"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} must be at least 1, not {getattr(options, name)}")
    find_device(options.device)
    network = Network.load(options.network)
    workload = find_workload(network, options.dataset, options.samples)
    candidates = balanced_configurations(
        network, workload.inference,
        early_exit=not options.no_early_exit, pixels_per_beat=options.pixels_per_beat,
    )  # fmt: skip
    with progress(f"Estimating {len(candidates)} configurations", len(candidates)) as advance:
        points = estimate(network, workload, candidates, progress=advance)
    front = pareto_front(points)
    built = []
    if options.synthesize:
        with progress(f"Building {len(front)} accelerators", len(front)) as advance:
            built = build_points(
                options.network, front, options.out,
                device=options.device, jobs=options.jobs, cache=options.cache, done=advance,
            )  # fmt: skip
    _show(f"{network.name}: Pareto front, cycles of {workload.source}", front, built)
    if options.plot is not None:
        plot(f"{network.name}, {workload.source}", points, front, built, options.plot)
    return {
        "network": network.name,
        "digest": network.digest,
        "workload": workload.source,
        "device": options.device if options.synthesize else None,
        "points": [point.to_json() for point in points],
        "front": [
            {**point.to_json(), **({} if real is None else {"built": real.to_json()})}
            for point, real in zip(front, built or repeat(None, len(front)), strict=True)
        ],
    }


def _show(title: str, front: list[EstimatedPoint], built: list) -> None:
    headings = ["lanes", "pixels a beat", "cycles", "LUT", "FF", "block RAM"]
    if built:
        headings += ["LUT built", "FF built", "block RAM built", "fmax, MHz", "images/s"]
    rows = []
    for place, point in enumerate(front):
        area = point.area
        row = [
            *(point.lanes, str(point.configuration.pixels_per_beat), number(point.cycles, 1)),
            *(number(area.lut), number(area.ff), number(area.bram)),
        ]
        if built and built[place].error is None:
            real = built[place]
            row += [number(real.lut), number(real.ff), number(real.bram)]
            row += [number(real.fmax_mhz, 1), number(real.fmax_mhz * 1e6 / point.cycles)]
        elif built:
            row += [built[place].error[:60], *repeat("", 4)]
        rows.append(row)
    show(table(title, headings, rows))


explore = Verb(
    summary="estimate a network's configurations: cycles against LUTs and block RAMs",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
