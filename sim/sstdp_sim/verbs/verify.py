"""The verb ``verify``."""

from __future__ import annotations

import argparse
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sstdp_hw.base.errors import UserError
from sstdp_hw.command.verb import Result, Verb, VerbFailed
from sstdp_hw.network.layers import Array

if TYPE_CHECKING:
    from sstdp_hw.contract.directory import GeneratedDirectory

    from ..simulation.coverage import Coverage

DESCRIPTION = """\
Show that the check can fail, that nothing is lost on bad days, or check a record again.

  sstdp-hw verify build/accelerator --mutants 200
  sstdp-hw verify build/accelerator --stress 1000000
  sstdp-hw verify build/accelerator --stress 100000 --coverage
  sstdp-hw verify --check build/accelerator/record.json
  sstdp-hw verify --check build/accelerator/record.json --rerun 100

The first builds faults into the Verilog, one at a time: flipped bits of weights and thresholds,
wrong comparisons, counts that are one off, clears and resets that are missing, lost and doubled
events, lanes that are one place off, swapped tie-breaks. Each is co-simulated with images, gaps,
backpressure, packets of wrong length and resets, until something differs from the reference, from
the cycle model or from the rules of the stream. Survivors are named; those that are proven to
change nothing do not count. Writes DIR/mutants.json; exit status 1 if fewer than 99 % are noticed.

The second plays so many random beats or somewhat more: whole images, all bright ones, packets of
every length, with and without tlast, gaps, backpressure, long idle times, resets at any moment.
Each kind of traffic comes at least once, in whole packets. Every packet must get its one answer.
With --coverage it tells how much of the Verilog they reach, by module: lines, branches, and bits
that rose and fell; DIR/coverage.json names what they do not.

The third computes every hash of the record again and compares all recorded answers with the
reference; --rerun simulates images again."""

GOAL = 0.99


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory", type=Path, nargs="?", metavar="DIR", help="what `sstdp-hw generate` wrote"
    )
    parser.add_argument("--mutants", type=int, metavar="N", help="how many faults to try")
    parser.add_argument("--stress", type=int, metavar="BEATS", help="how many beats to play")
    parser.add_argument(
        "--coverage", action="store_true", help="with --stress: what the beats reach in the Verilog"
    )
    parser.add_argument(
        "--dataset", metavar="NAME", help="images to play (default: random ones alone)"
    )
    parser.add_argument(
        "--samples", type=int, default=100, metavar="N",
        help="images of each kind, from the data set and random (default: 100)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="of mutants, images and traffic")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
        help="simulator processes at once (default: one per core)",
    )  # fmt: skip
    parser.add_argument("--check", type=Path, metavar="RECORD", help="a record to check again")
    parser.add_argument(
        "--rerun", default="0", metavar="N",
        help="with --check: simulate the first N images again, or all (default: 0)",
    )  # fmt: skip


def _run(options: argparse.Namespace) -> Result:
    if [options.check, options.mutants, options.stress].count(None) != 2:
        raise UserError(
            "Verify must have one of --mutants N and --stress BEATS (with DIR) and --check RECORD"
        )
    if options.jobs < 1:
        raise UserError(f"Jobs must be at least 1, not {options.jobs}")
    if options.check:
        return _check(options)
    for name, value in (
        ("Mutants", options.mutants), ("Beats", options.stress), ("Samples", options.samples),
    ):  # fmt: skip
        if value is not None and value < 1:
            raise UserError(f"{name} must be at least 1, not {value}")
    if not 0 <= options.seed < 1 << 30:
        raise UserError(f"Seed must be between 0 and {(1 << 30) - 1}, not {options.seed}")
    if options.coverage and not options.stress:
        raise UserError("Coverage is that of random beats: it must come with --stress BEATS")
    if options.directory is None:
        raise UserError("Verify must have the folder of an accelerator, DIR")
    return _mutants(options) if options.mutants else _stress(options)


def _check(options: argparse.Namespace) -> Result:
    from ..comparison.record import check

    if options.rerun != "all" and not options.rerun.isdecimal():
        raise UserError(f"Rerun must be a number or 'all', not {options.rerun!r}")
    rerun = None if options.rerun == "all" else int(options.rerun)
    result = check(options.check, rerun, options.jobs)
    print(
        f"{options.check}: {result['images']} images of {result['dataset']['name']}, 0 mismatches; "
        f"all files, the data set and {result['reference_checked']} answers are as recorded; "
        f"{result['simulated_again']} images simulated again"
    )
    return result


def _mutants(options: argparse.Namespace) -> Result:
    from sstdp_hw.base import locks
    from sstdp_hw.base.files import write_json
    from sstdp_hw.base.progress import progress
    from sstdp_hw.contract.directory import GeneratedDirectory
    from sstdp_hw.contract.file_names import MUTANTS_FILE

    from ..mutants import campaign

    file = options.directory / MUTANTS_FILE
    with locks.reading(options.directory):
        directory = GeneratedDirectory.load(options.directory)
        images = _images(directory, options)
        with (
            locks.output(file),
            progress(f"Playing {options.mutants} mutants", options.mutants) as advance,
        ):
            verdicts = campaign.run(
                directory, images, count=options.mutants, seed=options.seed, jobs=options.jobs,
                progress=advance,
            )  # fmt: skip
            result = campaign.summary(verdicts) | {
                "name": directory.manifest["name"], "seed": options.seed,
                "dataset": options.dataset, "images": len(images),
                "verilog_sha256": directory.manifest["verilog_sha256"],
                "verdicts": [verdict.to_json() for verdict in verdicts],
            }  # fmt: skip
            directory.refuse_changed()
            write_json(file, result)
    _show(result)
    print(f"Written: {file}")
    if result["kill_rate"] is not None and result["kill_rate"] < GOAL:
        raise VerbFailed(
            f"{result['survived']} of {result['mutants']} mutants were not noticed and are not "
            f"shown to be equivalent: {result['kill_rate']:.1%} noticed, {GOAL:.0%} asked",
            result,
        )
    return result


def _images(directory: GeneratedDirectory, options: argparse.Namespace) -> Array:
    """Random images of two kinds, behind those of the data set, if there is one."""
    from sstdp_hw.data import datasets

    from ..stress.stimulus import hostile_images

    random = np.random.default_rng(options.seed)
    images = hostile_images(directory.network, random, options.samples)
    if options.dataset:
        samples = datasets.load(options.dataset).first(options.samples)
        images = np.concatenate([samples.images.reshape(-1, *images.shape[1:]), images])
    return images


def _stress(options: argparse.Namespace) -> Result:
    from sstdp_hw.base import locks
    from sstdp_hw.base.progress import progress
    from sstdp_hw.contract.directory import GeneratedDirectory
    from sstdp_hw.contract.file_names import COVERAGE_FILE

    from ..simulation.coverage import Coverage
    from ..stress.beats import play

    coverage = Coverage() if options.coverage else None
    with ExitStack() as held:
        if coverage is not None:  # else nothing is written into the folder
            held.enter_context(locks.reading(options.directory))
        directory = GeneratedDirectory.load(options.directory)
        if coverage is not None:
            held.enter_context(locks.output(directory.path / COVERAGE_FILE))
        with progress(f"Playing at least {options.stress:,} beats", options.stress) as advance:
            result = play(
                directory, _images(directory, options), options.stress, seed=options.seed,
                coverage=coverage, progress=advance,
            )  # fmt: skip
        if coverage is not None:
            _show_coverage(directory, coverage)
    print(
        f"Played {result['beats']:,} beats (at least {options.stress:,} asked) in "
        f"{result['runs']} runs: {result['packets']:,} packets, {result['resets']:,} resets, "
        f"{result['answers']:,} answers; {len(result['findings'])} findings"
    )
    if result["findings"]:
        raise VerbFailed(result["findings"][0], result)
    return result


def _show_coverage(directory: GeneratedDirectory, coverage: Coverage) -> None:
    from sstdp_hw.base.files import write_json
    from sstdp_hw.base.tables import show, table
    from sstdp_hw.contract.file_names import COVERAGE_FILE

    from ..simulation.coverage import KINDS, rows

    modules = coverage.to_json()
    sha = directory.manifest["verilog_sha256"]
    directory.refuse_changed()
    path = directory.path / COVERAGE_FILE
    write_json(path, {"verilog_sha256": sha, "modules": modules})
    show(table("Coverage of the Verilog", ["module", *KINDS], rows(modules)))
    print(f"Written: {path}")


def _show(result: Result) -> None:
    from sstdp_hw.base.tables import show, table

    rows = [
        [kind, str(found["mutants"]), str(found["killed"]), str(found["equivalent"])]
        for kind, found in result["kinds"].items()
    ]
    show(table("Mutants", ["kind", "tried", "noticed", "equivalent"], rows))
    rate = "none" if result["kill_rate"] is None else f"{result['kill_rate']:.1%}"
    print(
        f"{result['mutants']} mutants: {result['killed']} noticed, {result['equivalent']} "
        f"equivalent, {result['survived']} survived; noticed of those not equivalent: {rate}"
    )
    for survivor in result["survivors"]:
        print(f"survived: {survivor['text']}")
    for mutant in result["equivalents"]:
        print(f"equivalent: {mutant['text']}")
        print(f"  {mutant['equivalent']}")


verify = Verb(
    summary="show that the co-simulation can fail; check a record again",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
