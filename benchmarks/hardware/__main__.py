"""``python -m benchmarks.hardware``; exit status 1 if an image mismatches or a goal is missed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.arguments import positive, seeds
from benchmarks.outcome import carried_out
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import write_json, written_whole
from sstdp_hw.base.progress import say
from sstdp_hw.base.tables import show
from sstdp_hw.data import datasets
from sstdp_hw.report.document import markdown

from . import tracked
from .configurations import ENTRIES
from .measurement import SEEDS, measure
from .table import goal_lines, sections

DESCRIPTION = """\
Generate every configuration, co-simulate all test images (back to back and one at a time), place
and route it with three seeds, and write table.md and table.json beside the published figures.

  python -m benchmarks.hardware
  python -m benchmarks.hardware --only tiny,basic --seeds 1
  python -m benchmarks.hardware --renew-record      # the small configuration that tests hold fast

What is there already, made of the same inputs, is kept; an interrupted run goes on.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hardware",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--out", type=Path, default=Path("build/hardware"), metavar="DIR",
        help="default: build/hardware",
    )  # fmt: skip
    parser.add_argument("--only", metavar="NAME,NAME", help="these configurations only")
    parser.add_argument(
        "--seeds", type=seeds, default=SEEDS, metavar="N,N", help="of place and route"
    )
    parser.add_argument(
        "--samples", type=positive, metavar="N", help="first N test images, for a trial"
    )
    parser.add_argument(
        "--renew-record", action="store_true", help=f"measure and write {tracked.RECORD.name} only"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = _parser().parse_args(arguments)
    work = _renewed if options.renew_record else _table
    return carried_out("benchmarks.hardware", lambda: work(options), "the same command goes on")


def _renewed(options: argparse.Namespace) -> int:
    tracked.renew(options.out)
    say(f"Written: {tracked.RECORD}")
    return 0


def _table(options: argparse.Namespace) -> int:
    known = {entry.name: entry for entry in ENTRIES}
    names = options.only.split(",") if options.only else list(known)
    for name in names:
        if name not in known:
            raise UserError(f"Configuration must be one of {', '.join(known)}, not {name!r}")
    measured = []
    for entry in (known[name] for name in names):
        samples = datasets.load(entry.dataset).first(options.samples)
        measured.append((entry, measure(entry, samples, options.out, options.seeds)))
    made = sections(measured)
    with written_whole(options.out / "table.md") as temporary:
        temporary.write_text(markdown("Hardware on MNIST", made), encoding="utf-8")
    write_json(options.out / "table.json", {entry.name: figures for entry, figures in measured})
    show(*(part for section in made for part in section.shown()))
    print(f"Written: {options.out / 'table.md'}, table.json")
    missed = [line for pair in measured for line in goal_lines(*pair) if line[-1] != "reached"]
    wrong = [
        entry.name
        for entry, figures in measured
        if figures["mismatches"] or figures["protocol_findings"]
    ]
    return 1 if missed or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
