"""The verb ``verify record``."""

from __future__ import annotations

import argparse
from pathlib import Path

from sstdp_hw.base.errors import UserError
from sstdp_hw.command.verb import Result, Verb
from sstdp_hw.engine.options import engine_of

from .playing import add_jobs, check_at_least_one

DESCRIPTION = """\
Check a record that `sstdp-hw simulate` wrote: compute every hash again, of the files, the network
and the data set, and compare all recorded answers with the reference.

  sstdp-hw verify record build/accelerator/record.json
  sstdp-hw verify record build/accelerator/record.json --rerun 100

--rerun simulates images again as well, and compares them with what was recorded."""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("record", type=Path, metavar="RECORD", help="record.json in its folder")
    parser.add_argument(
        "--rerun", default="0", metavar="N",
        help="simulate the first N images again, or all (default: 0)",
    )  # fmt: skip
    add_jobs(parser)


def _run(options: argparse.Namespace) -> Result:
    from sstdp_hw.base.tables import counted

    from ..comparison.record import check

    check_at_least_one(jobs=options.jobs)
    if options.rerun != "all" and not options.rerun.isdecimal():
        raise UserError(f"Rerun must be a number or 'all', not {options.rerun!r}")
    rerun = None if options.rerun == "all" else int(options.rerun)
    with engine_of(options.cluster, options.jobs) as engine:
        result = check(options.record, rerun, engine=engine)
    print(
        f"{options.record}: {counted(result['images'], 'image')} of {result['dataset']['name']}, "
        f"0 mismatches; all files, the data set and {result['reference_checked']} answers are as "
        f"recorded; {counted(result['simulated_again'], 'image')} simulated again"
    )
    return result


verify_record = Verb(
    summary="check every hash and answer of a record again",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
