"""Progress on long work, on stderr; where that is no terminal, a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.theme import Theme

#: Blue and cyan, which nobody takes for each other; rich's own bar goes from magenta to green.
THEME = Theme({
    "bar.complete": "blue", "bar.finished": "bright_blue", "bar.pulse": "blue",
    "progress.download": "none", "progress.remaining": "cyan",
})  # fmt: skip
_console = Console(stderr=True, theme=THEME)
LINE_SECONDS = 30.0  # between two lines in a log, at least


class _Rate(ProgressColumn):
    """Units in a second, over the last of them."""

    def render(self, task: Task) -> str:
        return f"{task.speed:,.1f}/s" if task.speed else ""


@contextmanager
def progress(
    description: str, total: int, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[int], None]]:
    """Show a bar of ``total`` units; yield the function that advances it.

    Without a terminal one line when it starts, one when it ends (with the seconds it took), and in
    between one every `LINE_SECONDS`, so that logs stay readable.
    """
    if not _console.is_terminal:
        start = said = clock()
        done = 0

        def count(units: int) -> None:
            nonlocal said, done
            now, done = clock(), done + units
            if now - said >= LINE_SECONDS:
                said = now
                left = (
                    f", {done / (now - start):,.1f} a second, about "
                    f"{_rounded(remaining(now - start, done, total))} left"
                    if done
                    else ""
                )
                say(f"{description}: {done:,} of {total:,} after {now - start:.0f} s{left}")

        say(f"{description} ...")
        yield count
        say(f"{description}: {clock() - start:.1f} s")
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=_console) as bars:
        task = bars.add_task(description, total=total)
        yield lambda count: bars.advance(task, count)


def remaining(seconds: float, done: int, total: int) -> float:
    """Seconds for the units that are left, at the pace so far."""
    return seconds * max(total - done, 0) / done


def _rounded(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def say(text: str) -> None:
    """One line of status for a person, on stderr."""
    _console.print(text, highlight=False, markup=False, soft_wrap=True)
