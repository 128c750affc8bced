"""Progress on long work, on stderr; where that is no terminal, one line at start and end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_console = Console(stderr=True)


@contextmanager
def progress(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar of ``total`` units; yield the function that advances it.

    Without a terminal one line when it starts and one when it ends (with the seconds it took), so
    that logs stay readable.
    """
    if not _console.is_terminal:
        start = time.monotonic()
        say(f"{description} ...")
        yield lambda _count: None
        say(f"{description}: {time.monotonic() - start:.1f} s")
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=_console) as bars:
        task = bars.add_task(description, total=total)
        yield lambda count: bars.advance(task, count)


def say(text: str) -> None:
    """One line of status for a person, on stderr."""
    _console.print(text, highlight=False, markup=False, soft_wrap=True)
