"""The verb ``demo``: every step on the embedded default, through the other verbs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.progress import say
from sstdp_hw.base.tables import number, show
from sstdp_hw.command.verb import Result, Verb, VerbFailed
from sstdp_hw.network.network import FILE_NAME
from sstdp_hw.report.document import Section
from sstdp_hw.report.run_report import EVALUATE, collect
from sstdp_hw.report.run_sections import summary

DATASET = "digits"
WEIGHT_WIDTH = 4
BOARD = "ulx3s-85f"
LAST_STEPS = ("simulate", "build", "report")  # their failure leaves the others worth doing

DESCRIPTION = f"""\
The whole chain on scikit-learn's digits: train, fine-tune to {WEIGHT_WIDTH} bits, quantize,
generate Verilog, co-simulate every test image, build a bitstream for {BOARD}, report.

  sstdp-hw demo --out build/demo

Each step is a command that can be run alone; demo prints it. The exit status is 1 if the hardware
differs from the integer reference in a single image, or a step fails."""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("build/demo"), metavar="DIR",
        help="folder to write (default: build/demo)",
    )  # fmt: skip
    parser.add_argument("--board", default=BOARD, metavar="BOARD", help=f"default: {BOARD}")


@dataclass
class _Steps:
    """Runs verbs one after the other and remembers the time each took and what failed."""

    run_verb: Callable[[Sequence[str]], Result]
    total: int
    seconds: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def run(self, name: str, arguments: Sequence[str]) -> None:
        say(f"\n[{len(self.seconds) + 1}/{self.total}] {name}: sstdp-hw {' '.join(arguments)}")
        start = time.monotonic()
        try:
            self.run_verb(arguments)
        except (VerbFailed, UserError) as failure:
            if name not in LAST_STEPS:
                raise UserError(f"step {name}: {failure}") from None
            self.failures.append(f"{name}: {failure}")
            say(f"{name} failed: {failure}")
        self.seconds[name] = round(time.monotonic() - start, 1)
        say(f"{name}: {self.seconds[name]:.1f} s")


def plan(out: Path, board: str) -> list[tuple[str, list[str]]]:
    """The steps of the demo: name and command line of each."""
    plain, run = str(out / "float"), str(out / "quantized")
    network, accelerator = f"{run}/{FILE_NAME}", f"{run}/accelerator"
    width, again = str(WEIGHT_WIDTH), ["--overwrite"]  # a demo may be repeated
    return [
        ("train", ["train", "--dataset", DATASET, "--recipe", DATASET, "--out", plain, *again]),
        ("fine-tune", ["train", "--init", plain, "--weight-width", width, "--out", run, *again]),
        ("quantize", ["quantize", run, "--weight-width", width, "--out", network]),
        ("evaluate", ["evaluate", network, "--dataset", DATASET, "--json", f"{run}/{EVALUATE}"]),
        ("generate", ["generate", network, "--out", accelerator]),
        ("simulate", ["simulate", accelerator, "--dataset", DATASET, "--samples", "all"]),
        ("build", ["build", accelerator, "--board", board]),
        ("report", ["report", run]),
    ]


def _run(options: argparse.Namespace) -> Result:
    from sstdp_hw.command.cli import find_verbs, run_verb

    verbs = find_verbs()
    start = time.monotonic()
    commands = plan(options.out, options.board)
    steps = _Steps(lambda arguments: run_verb(verbs, arguments), len(commands))
    for name, arguments in commands:
        steps.run(name, arguments)
    report = collect(options.out / "quantized")
    figures = report.figures()
    seconds = round(time.monotonic() - start, 1)
    rows = [(name, number(taken, 1)) for name, taken in [*steps.seconds.items(), ("all", seconds)]]
    show(
        *Section("Time of each step", ("step", "seconds"), rows).shown(),
        *summary(figures).shown(),
    )
    result = {
        "out": str(options.out),
        **figures,
        "seconds": {**steps.seconds, "total": seconds},
        "failures": steps.failures,
    }
    if steps.failures:
        raise VerbFailed("; ".join(steps.failures), result)
    return result


verb = Verb(
    summary="all of the above on handwritten digits, in minutes",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
