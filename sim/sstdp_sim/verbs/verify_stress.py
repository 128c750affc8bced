"""The verb ``verify stress``."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from sstdp_hw.base.errors import UserError
from sstdp_hw.command.verb import Result, Verb, VerbFailed
from sstdp_hw.engine.options import engine_of

from .playing import add_jobs, add_played_images, check_at_least_one, check_seed, played_images

if TYPE_CHECKING:
    from sstdp_hw.contract.directory import GeneratedDirectory

    from ..simulation.coverage import Coverage

DESCRIPTION = """\
Play so many random beats or somewhat more: whole images, all bright ones, packets of every length,
with and without tlast, gaps, backpressure, long idle times, resets at any moment. Each kind of
traffic comes at least once, in whole packets. Every packet must get its one answer. Where weights
are loaded, two networks are loaded in turn meanwhile, and images of the memories that are wrong.
Where they stand in an external memory it is slow, stalls, and answers with errors; then an answer
is right, or flagged.

  sstdp-hw verify stress build/accelerator --beats 1000000
  sstdp-hw verify stress build/accelerator --beats 100000 --coverage

With --coverage it tells how much of the Verilog they reach, by module: lines, branches, and bits
that rose and fell; DIR/coverage.json names what they do not."""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory", type=Path, metavar="DIR", help="what `sstdp-hw generate` wrote"
    )
    parser.add_argument(
        "--beats", type=int, required=True, metavar="N", help="how many beats to play, at least"
    )
    parser.add_argument(
        "--coverage", action="store_true", help="tell what the beats reach in the Verilog"
    )
    add_played_images(parser)
    add_jobs(parser)


def _run(options: argparse.Namespace) -> Result:
    from sstdp_hw.base import locks
    from sstdp_hw.base.progress import progress
    from sstdp_hw.base.tables import counted
    from sstdp_hw.contract.directory import GeneratedDirectory
    from sstdp_hw.contract.file_names import COVERAGE_FILE

    from ..simulation.coverage import Coverage
    from ..stress.beats import kept_of, play

    check_at_least_one(jobs=options.jobs, beats=options.beats, samples=options.samples)
    if options.coverage and options.cluster is not None:
        raise UserError("Coverage is counted by one simulator here; leave --cluster out")
    check_seed(options.seed)
    coverage = Coverage() if options.coverage else None
    with ExitStack() as held:
        if coverage is not None:  # else nothing is written into the folder
            held.enter_context(locks.reading(options.directory))
        directory = GeneratedDirectory.load(options.directory)
        if coverage is not None:
            held.enter_context(locks.output(directory.path / COVERAGE_FILE))
        images = played_images(directory, options)
        kept = kept_of(directory, images, options.beats, seed=options.seed)
        with (
            engine_of(options.cluster, options.jobs) as engine,
            progress(f"Playing at least {options.beats:,} beats", options.beats) as advance,
        ):
            result = play(
                directory, images, options.beats, seed=options.seed, coverage=coverage,
                engine=engine, kept=kept, progress=advance,
            )  # fmt: skip
        kept.discard()
        if coverage is not None:
            _show_coverage(directory, coverage)
    loads = ""
    if result["loads"]:
        loads = f", {result['loads']:,} loads of weights and {result['loads_refused']:,} refused"
    flagged = result["bus_errors"]
    errors = f", of them flagged by bus errors {flagged:,}" if flagged else ""
    print(
        f"Played {result['beats']:,} beats (at least {options.beats:,} asked) in "
        f"{counted(result['runs'], 'run')}: {counted(result['packets'], 'packet')}, "
        f"{counted(result['resets'], 'reset')}, {counted(result['answers'], 'answer')}{loads}"
        f"{errors}; {counted(len(result['findings']), 'finding')}"
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


verify_stress = Verb(
    summary="play random traffic; every packet must get its one answer",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
