"""The verb ``sstdp-hw explore``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

from sstdp_hw.base.destination import check_file, check_folder
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.progress import progress
from sstdp_hw.base.tables import number, show, table
from sstdp_hw.blocks.hardware import PIXELS_PER_BEAT
from sstdp_hw.blocks.presets import PRESETS
from sstdp_hw.blocks.weight_store import ROM, STORES
from sstdp_hw.command.verb import Result, Verb
from sstdp_hw.engine.options import add_cluster, engine_of
from sstdp_hw.models.exploration import (
    EstimatedPoint,
    Goal,
    balanced_configurations,
    estimate,
    find_workload,
    pareto_front,
)
from sstdp_hw.models.exploration.goal import DEFAULT_CLOCK_MHZ
from sstdp_hw.network.network import Network
from sstdp_hw.ready import known_as

from ..exploration.fitting import smallest
from .explore_search import add_search, search

if TYPE_CHECKING:
    from rich.table import Table

    from ..exploration.synthesis import Built

DESCRIPTION = f"""\
Which configurations of a network are worth building: the Pareto front of cycles per image against
LUTs and block RAMs, estimated by the models of docs/cost-model.md before any tool runs.

  sstdp-hw explore ready:mnist-784-400-10-sparse-4bit --plot front.png
  sstdp-hw explore NETWORK --synthesize --jobs 8 --json front.json
  sstdp-hw explore RUN --search 50

A point of the front is built by `generate --lanes N,N --pixels-per-beat N`, with --weights as here.
Where one word will do, the presets {", ".join(PRESETS)} need no exploration: `generate --preset`.

Candidates are balanced: no layer has lanes that wait for another. The area is that of an ECP5;
points that do not fit DEVICE are hollow in the picture. --synthesize runs yosys and nextpnr on the
points of the front. It can be stopped at any time: the same command goes on where it
was, since what was built is in the cache of `sstdp-hw build`.

--search looks for weights and hardware together: accuracy, images/s, LUTs and energy of networks
that are fine-tuned for it, on held-back training images. It goes on where it was, also with a
greater N, and in several processes that share the folder (docs/search.md)."""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "network",
        type=Path,
        metavar="NETWORK",
        help="network file (.safetensors), run folder or ready:NAME; of --search a run folder",
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
    parser.add_argument(
        "--weights", default=ROM.kind,
        choices=[kind for kind, store in STORES.items() if not store.external],
        help="where weights stand, as of `generate` (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--plot", type=Path, metavar="FILE", help="picture, .png, .svg or .pdf")
    parser.add_argument(
        "--synthesize", action="store_true", help="build the points of the front, for real figures"
    )
    parser.add_argument(
        "--device", default="ecp5-85k", metavar="DEVICE",
        help="what points should fit, and are built for (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--clock", type=float, default=DEFAULT_CLOCK_MHZ, metavar="MHZ",
        help="clock that images/s of estimated points are counted with (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
        help="estimates and builds at once (default: one per core)",
    )  # fmt: skip
    add_cluster(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("build/explore"), metavar="DIR",
        help="folder for the accelerators of --synthesize (default: build/explore)",
    )  # fmt: skip
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="folder of the build cache")
    add_search(parser)


def _run(options: argparse.Namespace) -> Result:
    if options.search is not None:
        return search(options)
    from ..exploration.plot import Front, check_plot, plot
    from ..synthesis.targets import find_device

    for name in ("samples", "jobs"):
        if getattr(options, name) < 1:
            raise UserError(f"--{name} must be at least 1, not {getattr(options, name)}")
    find_device(options.device)
    if options.cluster is not None and not options.synthesize:
        raise UserError("--cluster is for --synthesize: estimates are made here, in seconds")
    if options.plot is not None:
        check_plot(options.plot)
        check_file(options.plot)
    if options.synthesize:
        check_folder(options.out)
    rate = Goal(clock_mhz=options.clock).images_per_second
    network = Network.load(options.network)
    workload = find_workload(network, options.dataset, options.samples, progress=progress)
    candidates = balanced_configurations(
        network, workload.inference,
        early_exit=not options.no_early_exit, pixels_per_beat=options.pixels_per_beat,
        weights=options.weights,
    )  # fmt: skip
    with progress(f"Estimating {len(candidates)} configurations", len(candidates)) as advance:
        points = estimate(network, workload, candidates, jobs=options.jobs, progress=advance)
    front = pareto_front(points)
    built = []
    if options.synthesize:
        from ..exploration.synthesis import build_points

        with (
            engine_of(options.cluster, options.jobs) as engine,
            progress(f"Building {len(front)} accelerators", len(front)) as advance,
        ):
            built = build_points(
                network, front, options.out, device=options.device, jobs=options.jobs,
                cache=options.cache, done=advance, engine=engine,
            )  # fmt: skip
    name = known_as(network)
    title = f"{name}: Pareto front, cycles of {workload.source}"
    show(_estimates(title, front, rate, options.clock))
    if built:
        show(*_builds(front, built, options.device))
    if options.plot is not None:
        title = f"{name}, {workload.source}"
        plot(Front(title, points, front, built, options.device, options.clock), options.plot)
        print(f"Written: {options.plot}")
    return {
        "network": name,
        "digest": network.digest,
        "workload": workload.source,
        "device": options.device if options.synthesize else None,
        "clock_mhz": options.clock,
        "weights": options.weights,
        "points": [point.to_json() for point in points],
        "front": [
            {**point.to_json(), **({} if real is None else {"built": real.to_json()})}
            for point, real in zip(front, built or repeat(None, len(front)), strict=True)
        ],
    }


def _estimates(
    title: str, front: list[EstimatedPoint], rate: Callable[[EstimatedPoint], float], clock: float
) -> Table:
    headings = (
        "lanes", "pixels a beat", "cycles", "images/s", "LUT", "FF", "block RAM", "ECP5"
    )  # fmt: skip
    rows = [
        (
            point.lanes,
            str(point.configuration.pixels_per_beat),
            number(point.cycles, 1),
            number(rate(point)),
            number(point.area.lut),
            number(point.area.ff),
            number(point.area.bram),
            (smallest(point.area) or "none").removeprefix("ecp5-"),
        )
        for point in front
    ]
    made = table(title, headings, rows)
    made.caption = f"images/s at {clock:g} MHz. ECP5: the smallest that has as much."
    return made


def _builds(front: list[EstimatedPoint], built: list[Built], device: str) -> Iterator[Table | str]:
    """What place and route found, and a line for every point that it did not get to the end of."""
    headings = ("lanes", "pixels a beat", "LUT", "FF", "block RAM", "fmax, MHz", "images/s")
    pairs = list(zip(front, built, strict=True))
    rows = [
        (
            point.lanes,
            str(point.configuration.pixels_per_beat),
            number(real.lut),
            number(real.ff),
            number(real.bram),
            number(real.fmax_mhz, 1),
            number(real.fmax_mhz * 1e6 / point.cycles),
        )
        for point, real in pairs
        if real.error is None
    ]
    yield table(f"Built for {device}, images/s at fmax", headings, rows)
    for point, real in pairs:
        if real.error is not None:
            pixels = point.configuration.pixels_per_beat
            yield f"not built: lanes {point.lanes}, {pixels} pixels a beat: {real.error}"


explore = Verb(
    summary="estimate a network's configurations: cycles against LUTs and block RAMs",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
