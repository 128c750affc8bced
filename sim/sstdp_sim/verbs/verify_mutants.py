"""The verb ``verify mutants``."""

from __future__ import annotations

import argparse
from pathlib import Path

from sstdp_hw.command.verb import Result, Verb, VerbFailed
from sstdp_hw.engine.options import engine_of

from .playing import add_jobs, add_played_images, check_at_least_one, check_seed, played_images

DESCRIPTION = """\
Build faults into the Verilog, one at a time: flipped bits of weights and thresholds, wrong
comparisons, counts that are one off, clears and resets that are missing, lost and doubled events,
lanes that are one place off, swapped tie-breaks. Each is co-simulated with images, gaps,
backpressure, packets of wrong length and resets, until something differs from the reference, from
the cycle model or from the rules of the stream.

  sstdp-hw verify mutants build/accelerator --count 200
  sstdp-hw verify mutants build/accelerator --count 200 --dataset digits

Survivors are named; those that are proven to change nothing do not count. Writes DIR/mutants.json;
exit status 1 if fewer than 99 % are noticed."""

GOAL = 0.99


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory", type=Path, metavar="DIR", help="what `sstdp-hw generate` wrote"
    )
    parser.add_argument(
        "--count", type=int, required=True, metavar="N", help="how many faults to try"
    )
    add_played_images(parser)
    add_jobs(parser)


def _run(options: argparse.Namespace) -> Result:
    from sstdp_hw.base import locks
    from sstdp_hw.base.files import write_json
    from sstdp_hw.base.progress import progress
    from sstdp_hw.base.tables import counted
    from sstdp_hw.contract.directory import GeneratedDirectory
    from sstdp_hw.contract.file_names import MUTANTS_FILE
    from sstdp_hw.ready import known_as

    from ..mutants import campaign

    check_at_least_one(jobs=options.jobs, mutants=options.count, samples=options.samples)
    check_seed(options.seed)
    file = options.directory / MUTANTS_FILE
    with locks.reading(options.directory):
        directory = GeneratedDirectory.load(options.directory)
        images = played_images(directory, options)
        kept = campaign.kept_of(directory, images, count=options.count, seed=options.seed)
        with (
            locks.output(file),
            engine_of(options.cluster, options.jobs) as engine,
            progress(f"Playing {counted(options.count, 'mutant')}", options.count) as advance,
        ):
            verdicts = campaign.run(
                directory, images, count=options.count, seed=options.seed, jobs=options.jobs,
                engine=engine, kept=kept, progress=advance,
            )  # fmt: skip
            result = campaign.summary(verdicts) | {
                "name": known_as(directory.network), "seed": options.seed,
                "dataset": options.dataset, "images": len(images),
                "verilog_sha256": directory.manifest["verilog_sha256"],
                "verdicts": [verdict.to_json() for verdict in verdicts],
            }  # fmt: skip
            directory.refuse_changed()
            write_json(file, result)
            kept.discard()
    _show(result)
    print(f"Written: {file}")
    if result["kill_rate"] is not None and result["kill_rate"] < GOAL:
        raise VerbFailed(
            f"{result['survived']} of {result['mutants']} mutants were not noticed and are not "
            f"shown to be equivalent: {result['kill_rate']:.1%} noticed, {GOAL:.0%} asked",
            result,
        )
    return result


def _show(result: Result) -> None:
    from sstdp_hw.base.tables import counted, show, table

    rows = [
        [kind, str(found["mutants"]), str(found["killed"]), str(found["equivalent"])]
        for kind, found in result["kinds"].items()
    ]
    show(table("Mutants", ["kind", "tried", "noticed", "equivalent"], rows))
    rate = "none" if result["kill_rate"] is None else f"{result['kill_rate']:.1%}"
    print(
        f"{counted(result['mutants'], 'mutant')}: {result['killed']} noticed, "
        f"{result['equivalent']} equivalent, {result['survived']} survived; "
        f"noticed of those not equivalent: {rate}"
    )
    for survivor in result["survivors"]:
        print(f"survived: {survivor['text']}")
    for mutant in result["equivalents"]:
        print(f"equivalent: {mutant['text']}")
        print(f"  {mutant['equivalent']}")


verify_mutants = Verb(
    summary="build faults into the Verilog, which must be noticed",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
