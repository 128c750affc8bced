"""Waiting for work in other threads and processes in such a way that a signal is heard.

Python's handler of a signal runs in the main thread, between two of its steps. A signal that comes
just before that thread begins to wait, or that the system hands to another thread, does not end the
wait: without a limit it would be heard when the work is done.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager
from typing import Any, TypeVar

Made = TypeVar("Made")

#: Signals that a verb ends well after; `sstdp_hw.command.interruption` makes exceptions of them.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
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
    """As ``pool.map``: results come in order, and an error leaves out what has not begun."""
    futures: list[Future[Made]] = []
    try:
        with signals_held():  # or a thread might run that the pool does not know yet
            futures += [pool.submit(function, *each) for each in zip(*items, strict=True)]
        for future in futures:
            while not wait([future], HEARD_SECONDS).done:
                pass
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def signals_held() -> Iterator[None]:
    """Signals that end this program and come meanwhile are heard at the end."""
    came: list[tuple[int, Any]] = []
    before: dict[int, Any] = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in ENDING:
                if callable(handler := signal.getsignal(number)):
                    before[number] = handler
                    signal.signal(number, lambda *one: came.append(one))
        yield
    finally:
        for changed, handler in before.items():
            signal.signal(changed, handler)
        for heard, frame in came:
            before[heard](heard, frame)
