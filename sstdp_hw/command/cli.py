"""The command ``sstdp-hw``: finds the verbs, runs one, turns errors into one line.

Exit status: 0 done; 1 the verb ran and the answer is no (a mismatch); 2 bad input; 130 interrupted,
143 terminated.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from .. import __version__
from ..base.errors import UserError
from ..base.files import write_json
from .verb import GROUP, Result, Verb, VerbFailed

ORDER = (
    "train", "quantize", "ready", "evaluate", "explore", "generate", "simulate", "verify", "build",
    "report", "demo",
)  # fmt: skip


def find_verbs() -> dict[str, Verb]:
    """All verbs that the installed packages publish, in the order of the flow."""
    found = {point.name: point for point in entry_points(group=GROUP)}
    names = [name for name in ORDER if name in found] + sorted(set(found) - set(ORDER))
    return {name: _load(found[name]) for name in names}


def _load(point: EntryPoint) -> Verb:
    """The verb of an entry point, or one that names the package that is missing here."""
    try:
        loaded = point.load()
    except ModuleNotFoundError as error:
        text = _missing(error)
        return Verb(f"not available: {text}", text, lambda _: None, _Refuse(text))
    assert isinstance(loaded, Verb), point
    return loaded


@dataclass(frozen=True)
class _Refuse:
    text: str

    def __call__(self, options: argparse.Namespace) -> Result:
        raise UserError(self.text)


def _missing(error: ModuleNotFoundError) -> str:
    return f"the Python package {error.name} is missing; pip install 'sstdp-hw[all]' brings it"


def make_parser(verbs: dict[str, Verb]) -> argparse.ArgumentParser:
    """The parser with one subcommand per verb, each with ``--json``."""
    parser = argparse.ArgumentParser(
        prog="sstdp-hw",
        description="From a spiking network trained with SSTDP to a proven FPGA accelerator. "
        "Each verb reads and writes files and can be used alone.",
        epilog="Start with `sstdp-hw demo`; `sstdp-hw VERB --help` explains a verb.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in verbs.items():
        sub = commands.add_parser(
            name,
            help=verb.summary,
            description=verb.description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        verb.configure(sub)
        sub.add_argument(
            "--json", type=Path, metavar="FILE", help="also write the result as JSON to FILE"
        )
    return parser


def run_verb(verbs: dict[str, Verb], arguments: Sequence[str]) -> Result:
    """Run one verb as the command line would and return its result.

    Raises
    ------
    UserError, VerbFailed
        From the verb.
    """
    options = make_parser(verbs).parse_args(arguments)
    result = verbs[options.verb].run(options)
    if options.json:
        write_json(options.json, result)
    return result


class _Terminated(BaseException):
    """SIGTERM, as an exception, so that what a verb began is cleared away as after Ctrl-C."""


@contextmanager
def _sigterm_raised() -> Iterator[None]:
    """Turn SIGTERM into `_Terminated`; in a thread other than the main one, change nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not stop the clearing
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    verbs = find_verbs()
    options = make_parser(verbs).parse_args(arguments)
    with _sigterm_raised():
        return _run(verbs, options)


def _run(verbs: dict[str, Verb], options: argparse.Namespace) -> int:
    """Run one verb; every outcome is a status, and an error a line."""
    try:
        try:
            result, status = verbs[options.verb].run(options), 0
        except VerbFailed as failure:
            result, status = failure.result, 1
            print(f"sstdp-hw {options.verb}: {failure}", file=sys.stderr)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("sstdp_"):
                raise  # a slip in this program, not in the installation
            raise UserError(_missing(error)) from None
        if options.json:
            write_json(options.json, result)
        return status
    except UserError as error:
        print(f"sstdp-hw {options.verb}: error: {error}", file=sys.stderr)
        return 2
    except MemoryError as error:
        print(f"sstdp-hw {options.verb}: error: memory is too small: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"sstdp-hw {options.verb}: interrupted", file=sys.stderr)
        return 130
    except _Terminated:
        print(f"sstdp-hw {options.verb}: terminated", file=sys.stderr)
        return 143
