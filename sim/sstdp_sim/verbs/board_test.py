"""The verb ``board-test``."""

from __future__ import annotations

import argparse
from pathlib import Path

from sstdp_hw.command.verb import Result, Verb, VerbFailed

DESCRIPTION = """\
Test a board and its line: which design it has, numbers that must come back, requests that are
damaged on purpose, ten known images against the reference, and images a second against what the
line allows. Exits with status 1 and names the first step that fails.

  sstdp-hw board-test DIR --port /dev/ttyUSB0
  sstdp-hw board-test DIR --port sim --no-throughput

A simulated board is slower than its line, so its throughput says something about the machine only;
that step can be left out."""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory", type=Path, metavar="DIR", help="what `sstdp-hw generate` wrote"
    )
    parser.add_argument("--port", required=True, metavar="PORT", help="as of `sstdp-hw run`")
    parser.add_argument(
        "--baud", type=int, default=1_000_000, metavar="N",
        help="speed of the bitstream's serial port (default: 1000000)",
    )  # fmt: skip
    parser.add_argument(
        "--no-throughput", action="store_true", help="leave out how fast images are answered"
    )


def _run(options: argparse.Namespace) -> Result:
    from sstdp_hw.base.progress import progress
    from sstdp_hw.contract.directory import GeneratedDirectory

    from ..board.check import CHECKS
    from ..board.host import Host

    directory = GeneratedDirectory.load(options.directory)
    result: Result = {"port": options.port, "baud": options.baud}
    with Host(directory, options.port, options.baud) as host:
        host.load(progress)
        for name, check in CHECKS.items():
            if name == "throughput" and options.no_throughput:
                continue
            result[name] = check(host)
            told = ", ".join(f"{key} {value}" for key, value in result[name].items())
            print(f"{name.replace('_', ' '):10} {told}", flush=True)
    failed = [name for name in CHECKS if name in result and result[name]["wrong"]]
    if failed:
        raise VerbFailed(
            f"{options.port}: {failed[0].replace('_', ' ')} failed; see the table above", result
        )
    return result


board_test = Verb(
    summary="test a board and its line: loop-back, framing, known images, throughput",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
