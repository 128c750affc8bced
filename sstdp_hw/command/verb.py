"""What a command-line verb is. Packages publish theirs as entry points of the group `GROUP`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
    subverbs : mapping of str to Verb
        Parts that do one thing each, called as ``sstdp-hw VERB SUBVERB``; their descriptions, too,
        have an example.
    short_forms : tuple of str
        Options of the verb itself that stand for a subverb.
    """

    summary: str
    description: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Result]
    subverbs: Mapping[str, Verb] = field(default_factory=dict)
    short_forms: tuple[str, ...] = ()


def with_subverbs(verbs: Mapping[str, Verb]) -> dict[str, Verb]:
    """All verbs, and behind each its subverbs, under names like ``verify stress``."""
    found = {}
    for name, verb in verbs.items():
        found[name] = verb
        found |= {f"{name} {part}": subverb for part, subverb in verb.subverbs.items()}
    return found


def named_verb(verbs: Mapping[str, Verb], arguments: Sequence[str]) -> list[str]:
    """The arguments with the name of a subverb joined to that of its verb, as `with_subverbs`
    calls it; unless a folder of that name stands alone before a short form."""
    match arguments:
        case [name, part, *rest] if name in verbs and part in verbs[name].subverbs:
            short = any(text.partition("=")[0] in verbs[name].short_forms for text in rest)
            if not (short and rest[0].startswith("-")):
                return [f"{name} {part}", *rest]
    return list(arguments)
