"""The command ``sstdp-hw``: finds the verbs, runs one, turns errors into one line.

Exit status: 0 done; 1 the verb ran and the answer is no (a mismatch); 2 bad input, or an output
that cannot be written; 130 interrupted, 141 nobody reads the output any more, 129 the terminal is
gone, 143 terminated.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NoReturn

from .. import __version__
from ..base.destination import check_file
from ..base.errors import UserError
from ..base.files import write_json
from ..base.progress import say
from .completion import SHELLS, script
from .help_text import HelpFormatter
from .interruption import Interruption, Terminated, signals_raised
from .next_step import next_step
from .standard_streams import OutputLost, standard_streams
from .verb import GROUP, Result, Verb, VerbFailed, named_verb, with_subverbs

ORDER = (
    "train", "import", "quantize", "export", "ready", "evaluate", "explore", "generate", "memory",
    "simulate", "verify", "build", "flash", "run", "board-test", "report", "demo",
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


class _Parser(argparse.ArgumentParser):
    """A parser whose refusal is one line: the usage of a verb with many options hides it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}; `{self.prog} --help` tells what there is\n")


class _PrintCompletion(argparse.Action):
    """An option like ``--version``: prints, and the program is done."""

    def __init__(self, *arguments: Any, verbs: dict[str, Verb], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.verbs = verbs

    def __call__(self, parser: argparse.ArgumentParser, *arguments: Any, **_: Any) -> None:
        try:
            sys.stdout.write(script(self.verbs, arguments[1]))
        except UserError as error:
            parser.exit(2, f"sstdp-hw: error: {error}\n")
        parser.exit(0)


def make_parser(verbs: dict[str, Verb]) -> argparse.ArgumentParser:
    """The parser with one subcommand per verb and subverb, each with ``--json``."""
    parser = _Parser(
        prog="sstdp-hw",
        description="From a spiking network trained with SSTDP to a proven FPGA accelerator. "
        "Each verb reads and writes files and can be used alone.",
        epilog="Start with `sstdp-hw demo`; `sstdp-hw VERB --help` explains a verb.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "--print-completion", choices=SHELLS, action=_PrintCompletion, verbs=verbs,
        help="print what the shell reads to complete verbs and options (docs/terminal.md)",
    )  # fmt: skip
    commands = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in with_subverbs(verbs).items():
        # Subverbs are listed by their verb.
        listed: dict[str, Any] = {"help": verb.summary} if name in verbs else {}
        sub = commands.add_parser(
            name, description=verb.description, formatter_class=HelpFormatter, **listed
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
    options = _options(verbs, arguments)
    result = with_subverbs(verbs)[options.verb].run(options)
    if options.json:
        write_json(options.json, result)
    return result


def _options(verbs: dict[str, Verb], arguments: Sequence[str]) -> argparse.Namespace:
    return make_parser(verbs).parse_args(named_verb(verbs, arguments))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    try:
        with standard_streams():
            verbs = find_verbs()
            options = _options(verbs, sys.argv[1:] if arguments is None else arguments)
            with signals_raised() as interruption:
                return _run(with_subverbs(verbs), options, interruption)
    except OutputLost as lost:
        if lost.reader_left:
            return 141
        with suppress(OSError):  # the messages may go to the same place
            print(f"sstdp-hw: error: {lost}", file=sys.stderr)
        return 2


def _run(verbs: dict[str, Verb], options: argparse.Namespace, interruption: Interruption) -> int:
    """Run one verb; every outcome is a status, and an error a line."""
    name = f"sstdp-hw {options.verb}"
    try:
        try:
            if options.json:
                check_file(options.json)
            result, status = verbs[options.verb].run(options), 0
        except VerbFailed as failure:
            result, status = failure.result, 1
            print(f"{name}: {failure}", file=sys.stderr)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("sstdp_"):
                raise  # a slip in this program, not in the installation
            raise UserError(_missing(error)) from None
        if options.json:
            write_json(options.json, result)
        if status == 0 and (command := next_step(options, result)):
            say(f"Next: {command}")
        return status
    except KeyboardInterrupt:
        return _stopped(f"{name}: interrupted", 130)
    except Terminated as ended:
        return _stopped(f"{name}: terminated", ended.status)
    except Exception as error:
        if interruption.interrupted:  # what a library, or a tool that heard it too, made of it
            return _stopped(f"{name}: interrupted", 130)
        if isinstance(error, MemoryError):
            print(f"{name}: error: memory is too small: {error}", file=sys.stderr)
        elif isinstance(error, UserError | OSError):
            print(f"{name}: error: {error}", file=sys.stderr)
        else:
            raise
        return 2


def _stopped(text: str, status: int) -> int:
    warnings.simplefilter("ignore")  # about what was made and is not going to be used
    print(text, file=sys.stderr)
    return status
