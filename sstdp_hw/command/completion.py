"""Completion of the command line by a shell, made from the parsers by shtab."""

from __future__ import annotations

import argparse
import re
from typing import Any

from ..base.errors import UserError
from .verb import Verb

SHELLS = ("bash", "zsh")
#: Metavars behind which stand files, and those behind which stand folders.
FILES = re.compile(r"FILE|NETWORK|GRAPH|NAME\.npz")
FOLDERS = re.compile(r"RUN|DIR|FOLDER|NEW")


def script(verbs: dict[str, Verb], shell: str) -> str:
    """What a shell reads to complete ``sstdp-hw``.

    Raises
    ------
    UserError
        If shtab is missing.
    """
    try:
        import shtab
    except ModuleNotFoundError:
        raise UserError(
            "the Python package shtab is missing; pip install 'sstdp-hw[completion]' brings it"
        ) from None
    parser = argparse.ArgumentParser(prog="sstdp-hw")
    parser.add_argument("--version", action="store_true", help="version")
    parser.add_argument("--print-completion", choices=SHELLS, help="what a shell reads")
    _add(parser.add_subparsers(metavar="VERB"), verbs, {"file": shtab.FILE, "dir": shtab.DIRECTORY})
    return str(shtab.complete(parser, shell=shell)).rstrip() + "\n"


def _add(commands: Any, verbs: Any, places: dict[str, Any]) -> None:
    """The verbs' parsers, subverbs below theirs, where the command line has them side by side."""
    for name, verb in verbs.items():
        parser = commands.add_parser(name, help=verb.summary, description=verb.summary)
        verb.configure(parser)
        parser.add_argument("--json", metavar="FILE", help="also write the result as JSON to FILE")
        for action in parser._actions:
            metavar = str(action.metavar or "")
            if FILES.match(metavar):
                action.complete = places["file"]
            elif FOLDERS.match(metavar):
                action.complete = places["dir"]
        if verb.subverbs:
            # Its own folder, before short forms, would be completed in the place of a part's name.
            parser._actions[:] = [action for action in parser._actions if action.option_strings]
            _add(parser.add_subparsers(metavar="PART"), verb.subverbs, places)
