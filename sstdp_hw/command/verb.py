"""What a command-line verb is. Packages publish theirs as entry points of the group `GROUP`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

GROUP = "sstdp_hw.verbs"

Result = dict[str, Any]


class VerbFailed(Exception):
    """The verb ran to its end and the answer is no, for example a mismatch in co-simulation.

    The command line prints the one-line text, still writes ``result`` to ``--json``, and exits with
    status 1 (2 is kept for bad input).
    """

    def __init__(self, text: str, result: Result) -> None:
        super().__init__(text)
        self.result = result


@dataclass(frozen=True)
class Verb:
    """One verb of the command line.

    Parameters
    ----------
    summary : str
        One line for the list of verbs.
    description : str
        What the verb reads and writes, with an example command; shown by ``--help``.
    configure : callable
        Adds the verb's arguments to its parser. Must import nothing heavy.
    run : callable
        Does the work and returns a JSON-serializable result, which ``--json FILE`` writes.
    """

    summary: str
    description: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Result]
