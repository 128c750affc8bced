"""``python -m benchmarks.study NAME``; exit status 1 if a run was lost, 2 for bad input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.arguments import positive, seeds
from benchmarks.outcome import carried_out
from sstdp_hw.base.progress import say
from sstdp_hw.engine.options import add_cluster, engine_of

from .run import run_study
from .studies import STUDIES
from .table import section

DESCRIPTION = """\
Run a named study: every entry with every seed, then a table with mean and spread.

  python -m benchmarks.study networks --out build/study --jobs 2
  python -m benchmarks.study ablation --seeds 0,1 --only full,no-gate
  python -m benchmarks.study networks --cluster tcp://head:8786

A run that is there already with the same recipe and images is kept, an interrupted one goes on
from its checkpoint, one whose recipe changed is trained again.

"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.study",
        description=DESCRIPTION
        + "\n".join(f"  {study.name:10s} {study.title}" for study in STUDIES.values()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=sorted(STUDIES), metavar="NAME", help=", ".join(STUDIES))
    parser.add_argument(
        "--out", type=Path, default=Path("build/study"), metavar="DIR",
        help="folder that gets a folder NAME (default: build/study)",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=positive, default=2, metavar="N", help="trainings at a time (default: 2)"
    )
    add_cluster(parser)
    parser.add_argument(
        "--seeds", type=seeds, default=(0, 1, 2), metavar="N,N", help="default: 0,1,2"
    )
    parser.add_argument(
        "--epochs", type=positive, metavar="N", help="of every first training, for a trial"
    )
    parser.add_argument(
        "--only", type=_names, default=(), metavar="ENTRY,ENTRY", help="train these entries only"
    )
    parser.add_argument("--dataset", metavar="NAME", help="in place of each entry's own")
    parser.add_argument("--test-dataset", metavar="NAME", help="test images for an .npz file")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="default: cpu")
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = _parser().parse_args(arguments)
    return carried_out("benchmarks.study", lambda: _run(options), "the same command goes on")


def _run(options: argparse.Namespace) -> int:
    study = STUDIES[options.name]
    if options.dataset:
        study = study.on(options.dataset, options.test_dataset)
    with engine_of(options.cluster, options.jobs) as engine:
        result = run_study(
            study, options.out, seeds=options.seeds, only=options.only, epochs=options.epochs,
            device=options.device, engine=engine,
        )  # fmt: skip
    print(section(study, result["rows"], options.seeds).as_markdown())
    print(f"Written: {options.out / study.name / 'study.md'}, study.json")
    for line in result["died"]:
        say(f"{line}; the same command tries again")
    return 1 if result["died"] else 0


if __name__ == "__main__":
    sys.exit(main())
