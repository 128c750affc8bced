"""The verb ``report``."""

from __future__ import annotations

import argparse
from pathlib import Path

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import written_whole
from sstdp_hw.base.tables import show
from sstdp_hw.command.verb import Result, Verb
from sstdp_hw.report.document import markdown
from sstdp_hw.report.run_report import RunReport, collect
from sstdp_hw.report.run_sections import sections

FILE_NAME = "report.md"

DESCRIPTION = """\
Show what the steps of a run gave and write it to RUN/report.md. Read are, as far as they are there:

  train.json, quantize.json, evaluate.json  of train, quantize, evaluate --json
  accelerator/manifest.json, results.json   of generate and simulate
  accelerator/build/*/utilisation.json      of build

  sstdp-hw report RUN

What has not run is listed with the command that runs it, and so is a file that belongs to an older
network than the others."""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run")


def _run(options: argparse.Namespace) -> Result:
    return write_report(options.run)


def write_report(run: Path) -> Result:
    """Print the report of a run, write it as Markdown, and return it as JSON."""
    report = collect(run)
    try:
        made = sections(report)
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(
            f"{run}: a result file must be as its step wrote it, and is not ({error}); run the "
            "step again"
        ) from None
    show(*(part for section in made for part in section.shown()))
    # Each file is whole, but a verb that ran meanwhile may have written some of them anew.
    if collect(run) != report:
        raise UserError(f"{run}: must not change while it is read, and did; report again")
    path = run / FILE_NAME
    title = f"Run {run.resolve().name}"
    with written_whole(path) as temporary:
        temporary.write_text(markdown(title, made), encoding="utf-8")
    print(f"Written: {path}")
    return _as_json(report, path)


def _as_json(report: RunReport, path: Path) -> Result:
    return {
        "run": str(report.run),
        "report": str(path),
        **report.figures(),
        "not_run": report.not_run,
        "stale": list(report.stale),
        "train": report.train,
        "quantize": report.quantize,
        "evaluate": report.evaluate,
        "manifest": report.manifest,
        "results": report.results,
    }


verb = Verb(
    summary="show what a run gave, and what has not run",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
