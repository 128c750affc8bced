"""The verb ``sstdp-hw explore``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sstdp_hw.base.destination import check_file, check_folder
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.progress import progress
from sstdp_hw.base.tables import number, show, table
from sstdp_hw.blocks.hardware import (
    ARCHITECTURES,
    PIXELS_PER_BEAT,
    SEQUENTIAL,
    STREAMING,
    Configuration,
)
from sstdp_hw.blocks.pipeline import MAX_BATCH
from sstdp_hw.blocks.presets import PRESETS
from sstdp_hw.blocks.weight_store import EXTERNAL, ROM, STORES
from sstdp_hw.command.verb import Result, Verb, VerbFailed
from sstdp_hw.engine.options import add_cluster, engine_of
from sstdp_hw.models.exploration import (
    EstimatedPoint,
    Goal,
    MemorySpeed,
    Workload,
    balanced_configurations,
    engine_configurations,
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

#: Headings of what tells points of several kinds apart, and points with external weights.
KIND, TILING = "architecture, weights", ("buffer, bit", "potentials, bit")

#: In place of an architecture or a kind of weights: all that there are models for.
ANY = "any"

DESCRIPTION = f"""\
Which configurations of a network are worth building: the Pareto front of cycles per image against
LUTs and block RAMs, estimated by the models of docs/cost-model.md before any tool runs.

  sstdp-hw explore ready:mnist-784-400-10-sparse-4bit --plot front.png
  sstdp-hw explore NETWORK --synthesize --jobs 8 --json front.json
  sstdp-hw explore RUN --search 50

A point of the front is built by `generate --lanes N,N --pixels-per-beat N`, with --weights as here,
and the architecture of its row.
Where one word will do, the presets {", ".join(PRESETS)} need no exploration: `generate --preset`.

One engine for all layers, its weights in the bitstream, loaded or in an external memory, and how
large its buffer is there, for images a second that are wanted, block RAMs that there are, and a
memory:

  sstdp-hw explore NETWORK --architecture any --weights any --target-fps 200 \\
      --max-brams 108 --max-bandwidth 100 --memory-latency 40

A point with external weights is built by `generate --architecture sequential --weights external`
with the lanes, --memory-width, --weight-buffer, --potential-memory and --batch of its row.

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
        choices=[*STORES, ANY],
        help="where weights stand, as of `generate`; any: rom, and external where there is one "
        "engine (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--architecture", default=None, choices=[*ARCHITECTURES, ANY],
        help="a processor for every layer, one engine for all, or both (default: streaming; "
        "sequential with --weights external)",
    )  # fmt: skip
    parser.add_argument(
        "--memory-width", type=int, action="append", metavar="BITS",
        help="with external weights: width of their bus, several times for several (default: "
        f"{EXTERNAL.bus.data_width})",
    )  # fmt: skip
    parser.add_argument(
        "--batch", type=int, action="append", metavar="N",
        help="with external weights: images at most that share one fetch, 1 to "
        f"{MAX_BATCH}, several times for several (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--memory-latency", type=int, metavar="N",
        help="with external weights: cycles from an address to its first beat (default: 0)",
    )  # fmt: skip
    parser.add_argument(
        "--memory-interval", type=int, metavar="N",
        help="with external weights: cycles from a beat to the next; 2 is half the rate "
        "(default: 1)",
    )  # fmt: skip
    limits = parser.add_argument_group("limits: points that break one are not on the front")
    limits.add_argument("--target-fps", type=float, metavar="N", help="images per second, at least")
    limits.add_argument("--max-luts", type=int, metavar="N", help="LUT4 equivalents, at most")
    limits.add_argument("--max-brams", type=int, metavar="N", help="block RAMs, at most")
    limits.add_argument(
        "--max-bandwidth", type=float, metavar="MB/S",
        help="megabytes a second from an external memory, at most",
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
    goal = Goal(
        options.target_fps, options.max_luts, options.clock, options.max_brams,
        options.max_bandwidth,
    )  # fmt: skip
    families = _families(options)
    memory = _memory(options, families)
    network = Network.load(options.network)
    workload = find_workload(network, options.dataset, options.samples, progress=progress)
    candidates = [
        found for family in families for found in _candidates(network, workload, family, options)
    ]
    with progress(f"Estimating {len(candidates)} configurations", len(candidates)) as advance:
        points = estimate(
            network, workload, candidates, memory=memory, jobs=options.jobs, progress=advance
        )
    front = pareto_front([point for point in points if goal.reached(point)])
    if not front:
        fastest = min(points, key=lambda point: point.costs)
        raise VerbFailed(
            f"no configuration has {goal}; of {len(points)} the fastest has ({fastest.kind}) "
            f"{goal.describe(fastest)}",
            {"points": [point.to_json() for point in points], "front": []},
        )
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
    show(_estimates(title, front, goal))
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
        **(
            {"memory": vars(memory)}
            if any(weights == EXTERNAL.kind for _, weights in families)
            else {}
        ),
        "points": [_told(point, goal) for point in points],
        "front": [
            {**_told(point, goal), **({} if real is None else {"built": real.to_json()})}
            for point, real in zip(front, built or repeat(None, len(front)), strict=True)
        ],
    }


def _families(options: argparse.Namespace) -> list[tuple[str, str]]:
    """Architectures with kinds of weights that are asked for."""
    external = options.weights == EXTERNAL.kind
    asked = options.architecture or (SEQUENTIAL if external else STREAMING)
    if external and asked == STREAMING:
        raise UserError(
            "--weights external goes with --architecture sequential or any, not streaming"
        )
    architectures = ARCHITECTURES if asked == ANY else (asked,)
    weights = (ROM.kind, EXTERNAL.kind) if options.weights == ANY else (options.weights,)
    return [
        (architecture, kind) for architecture in architectures for kind in weights
        if architecture == SEQUENTIAL or not STORES[kind].external
    ]  # fmt: skip


def _memory(options: argparse.Namespace, families: list[tuple[str, str]]) -> MemorySpeed:
    """How fast an external memory is.

    Raises
    ------
    UserError
        If it is told, or its width, or a limit of its bandwidth, and there is none.
    """
    if not any(weights == EXTERNAL.kind for _, weights in families):
        for name in (
            "memory_width", "batch", "memory_latency", "memory_interval", "max_bandwidth",
        ):  # fmt: skip
            if getattr(options, name) is not None:
                raise UserError(
                    f"--{name.replace('_', '-')} goes with external weights, and none are asked "
                    "for; add --weights external"
                )
    given = {"latency": options.memory_latency, "interval": options.memory_interval}
    return MemorySpeed(**{name: value for name, value in given.items() if value is not None})


def _candidates(
    network: Network, workload: Workload, family: tuple[str, str], options: argparse.Namespace
) -> list[Configuration]:
    architecture, weights = family
    chosen = {
        "early_exit": not options.no_early_exit, "pixels_per_beat": options.pixels_per_beat,
        "weights": weights,
    }  # fmt: skip
    if architecture == STREAMING:
        return balanced_configurations(network, workload.inference, **chosen)
    widths = options.memory_width or (EXTERNAL.bus.data_width,)
    return engine_configurations(
        network, workload.inference, memory_widths=widths,
        batches=options.batch or (EXTERNAL.batch,), **chosen,
    )  # fmt: skip


def _told(point: EstimatedPoint, goal: Goal) -> dict[str, Any]:
    """A point with what follows from the clock."""
    found = point.to_json()
    if point.image_bytes:
        found["megabytes_per_second"] = round(goal.bandwidth(point), 3)
    return found


def _estimates(title: str, front: list[EstimatedPoint], goal: Goal) -> Table:
    several, outside = _several(front), any(point.image_bytes for point in front)
    headings = [
        "lanes", "pixels a beat", "cycles", "images/s", "LUT", "FF", "block RAM", "ECP5"
    ]  # fmt: skip
    if several:
        headings.insert(0, KIND)
    if outside:
        headings += [*TILING, "bytes an image", "MB/s"]
    rows = []
    for point in front:
        chosen = point.configuration
        row = [
            point.lanes,
            str(chosen.pixels_per_beat),
            number(point.cycles, 1),
            number(goal.images_per_second(point)),
            number(point.area.lut),
            number(point.area.ff),
            number(point.area.bram),
            (smallest(point.area) or "none").removeprefix("ecp5-"),
        ]
        if several:
            row.insert(0, point.kind)
        if outside:
            there = point.image_bytes > 0
            speed = number(goal.bandwidth(point), 1) if there else "0"
            row += [*_tiling(point), number(point.image_bytes), speed]
        rows.append(tuple(row))
    if not several and outside:
        title += f"; {front[0].kind}"
    made = table(title, tuple(headings), rows)
    made.caption = f"images/s at {goal.clock_mhz:g} MHz. ECP5: the smallest that has as much."
    return made


def _several(front: list[EstimatedPoint]) -> bool:
    """Whether a table has to say of which kind a point is."""
    return len({point.kind for point in front}) > 1


def _tiling(point: EstimatedPoint) -> tuple[str, str]:
    """The cells of `TILING`, empty for weights on the chip."""
    if not point.image_bytes:
        return "", ""
    chosen = point.configuration
    return number(chosen.weight_buffer), number(chosen.potential_memory or None)


def _builds(front: list[EstimatedPoint], built: list[Built], device: str) -> Iterator[Table | str]:
    """What place and route found, and a line for every point that it did not get to the end of."""
    several, outside = _several(front), any(point.image_bytes for point in front)
    headings = (
        *((KIND,) if several else ()), "lanes", "pixels a beat", *(TILING if outside else ()),
        "LUT", "FF", "block RAM", "fmax, MHz", "images/s",
    )  # fmt: skip
    pairs = list(zip(front, built, strict=True))
    rows = [
        (
            *((point.kind,) if several else ()),
            point.lanes,
            str(point.configuration.pixels_per_beat),
            *(_tiling(point) if outside else ()),
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
            kind = f"{point.kind}, " if several else ""
            yield f"not built: {kind}lanes {point.lanes}, {pixels} pixels a beat: {real.error}"


explore = Verb(
    summary="estimate a network's configurations: cycles against LUTs and block RAMs",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
