"""The verb ``verify``: its subverbs, and the short forms that stand for them."""

from __future__ import annotations

import argparse
from pathlib import Path

from sstdp_hw.base.errors import UserError
from sstdp_hw.command.verb import Result, Verb

from .playing import add_jobs, add_played_images, check_at_least_one
from .verify_mutants import verify_mutants
from .verify_random import verify_random
from .verify_record import verify_record
from .verify_stress import verify_stress

SUBVERBS = {
    "mutants": verify_mutants, "stress": verify_stress, "random": verify_random,
    "record": verify_record,
}  # fmt: skip
_LIST = "\n".join(f"  {name:9}{verb.summary}" for name, verb in SUBVERBS.items())

DESCRIPTION = f"""\
Show that the check can fail, that nothing is lost on bad days, that any network is answered right,
or check a record again.

  sstdp-hw verify mutants build/accelerator --count 200
  sstdp-hw verify stress build/accelerator --beats 1000000
  sstdp-hw verify random --count 100
  sstdp-hw verify record build/accelerator/record.json

{_LIST}

Each tells more with --help. Short forms of the same, with the options below:

  sstdp-hw verify DIR --mutants N
  sstdp-hw verify DIR --stress BEATS [--coverage]
  sstdp-hw verify --check RECORD [--rerun N]"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory", type=Path, nargs="?", metavar="DIR", help="what `sstdp-hw generate` wrote"
    )
    parser.add_argument("--mutants", type=int, metavar="N", help="how many faults to try")
    parser.add_argument("--stress", type=int, metavar="BEATS", help="how many beats to play")
    parser.add_argument(
        "--coverage", action="store_true", help="with --stress: what the beats reach in the Verilog"
    )
    add_played_images(parser)
    add_jobs(parser)
    parser.add_argument("--check", type=Path, metavar="RECORD", help="a record to check again")
    parser.add_argument(
        "--rerun", default="0", metavar="N",
        help="with --check: simulate the first N images again, or all (default: 0)",
    )  # fmt: skip


def _run(options: argparse.Namespace) -> Result:
    if [options.check, options.mutants, options.stress].count(None) != 2:
        raise UserError(
            "Verify must have one of --mutants N and --stress BEATS (with DIR) and --check RECORD, "
            "or be given mutants, stress or record"
        )
    check_at_least_one(jobs=options.jobs)
    if options.check is not None:
        options.record = options.check
        return SUBVERBS["record"].run(options)
    if options.coverage and options.stress is None:
        raise UserError("Coverage is that of random beats: it must come with --stress BEATS")
    if options.directory is None:
        raise UserError("Verify must have the folder of an accelerator, DIR")
    options.count, options.beats = options.mutants, options.stress
    return SUBVERBS["stress" if options.mutants is None else "mutants"].run(options)


verify = Verb(
    summary="show that the co-simulation can fail; check a record again",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
    subverbs=SUBVERBS,
    short_forms=("--mutants", "--stress", "--check"),
)
