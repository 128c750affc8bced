"""Waiting for work in other threads and processes in such a way that a signal is heard.

Python's handler of a signal runs in the main thread, between two of its steps. A signal that comes
just before that thread begins to wait, or that the system hands to another thread, does not end the
wait: without a limit it would be heard when the work is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from typing import TypeVar

Made = TypeVar("Made")

HEARD_SECONDS = 0.5  # a signal is heard after so long at most


def completed(futures: Iterable[Future[Made]]) -> Iterator[Future[Made]]:
    """Each as it is done."""
    left = set(futures)
    while left:
        done, left = wait(left, HEARD_SECONDS, FIRST_COMPLETED)
        yield from done


def mapped(
    pool: Executor, function: Callable[..., Made], *items: Iterable[object]
) -> Iterator[Made]:
    """As ``pool.map``: all begin now, results come in order, and an error leaves out what has not
    begun."""
    futures = [pool.submit(function, *each) for each in zip(*items, strict=True)]
    return _results(futures)


def _results(futures: list[Future[Made]]) -> Iterator[Made]:
    try:
        for future in futures:
            while not wait([future], HEARD_SECONDS).done:
                pass
            yield future.result()
    finally:
        for future in futures:
            future.cancel()
