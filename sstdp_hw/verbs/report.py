"""The verb ``report``."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import written_whole
from sstdp_hw.base.progress import progress
from sstdp_hw.base.tables import show
from sstdp_hw.command.verb import Result, Verb
from sstdp_hw.report.document import markdown
from sstdp_hw.report.run_report import RunReport, collect
from sstdp_hw.report.run_sections import sections

FILE_NAME, PAGE_NAME = "report.md", "report.html"
SAMPLES = 1000
PAGE_MODULE = "sstdp_hw.report.page.write"

DESCRIPTION = """\
Show what the steps of a run gave and write it to RUN/report.md. Read are, as far as they are there:

  train.json, quantize.json, evaluate.json  of train, quantize, evaluate --json
  accelerator/manifest.json, results.json   of generate and simulate
  accelerator/build/*/utilisation.json      of build

  sstdp-hw report RUN

  sstdp-hw report RUN --html

--html writes RUN/report.html beside it: one file with charts, rasters of single images, the
hardware's cycles and the proof, which opens in any browser without a network. RUN may also be the
folder of an accelerator alone.

What has not run is listed with the command that runs it, and so is a file that belongs to an older
network than the others."""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument(
        "--html", action="store_true", help=f"write {PAGE_NAME} as well, charts and all"
    )
    parser.add_argument(
        "--samples", type=int, default=SAMPLES, metavar="N",
        help="test images that --html runs through the reference (default: %(default)d)",
    )  # fmt: skip


def _run(options: argparse.Namespace) -> Result:
    if options.samples < 1:
        raise UserError(f"Samples must be at least 1, not {options.samples}")
    if options.html:
        import_module(PAGE_MODULE)  # before the work: what it needs is in an extra
    result = write_report(options.run)
    return (
        result | {"page": str(write_page(options.run, options.samples))} if options.html else result
    )


def write_page(run: Path, samples: int = SAMPLES) -> Path:
    """Write the report of a run as one HTML file.

    Parameters
    ----------
    samples : int
        Test images to run through the reference, at most.
    """
    from sstdp_hw.report.page.evidence import gather
    from sstdp_hw.report.page.write import page

    report = collect(run)
    evidence = gather(report, samples, progress)
    name = evidence.network.name if evidence.network else run.resolve().name
    try:
        text = page(name, evidence)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{run}: a result file must be as its step wrote it, and is not ({error}); run the "
            "step again"
        ) from None
    if collect(run) != report:
        raise UserError(f"{run}: must not change while it is read, and did; report again")
    path = run / PAGE_NAME
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"Written: {path}, {len(text.encode()) / 1e6:.1f} MB")
    return path


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
