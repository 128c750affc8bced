"""Work that no other work waits for, spread over processes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import active_children, get_context
from typing import TypeVar

from .waiting import completed

Item = TypeVar("Item")
Made = TypeVar("Made")


def in_processes(
    function: Callable[[Item], Made],
    items: Sequence[Item],
    jobs: int,
    *,
    done: Callable[[int], None] | None = None,
) -> list[Made]:
    """``function`` of every item, in order, in at most ``jobs`` processes with a quiet stderr.

    Parameters
    ----------
    function : callable
        Of a module, so that it can be sent to a process; its result likewise.
    done : callable, optional
        Called with 1 whenever an item is done.

    Raises
    ------
    Exception
        The first that ``function`` raised; what has not begun by then is left out.
    """
    workers = max(1, min(jobs, len(items)))
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_be_quiet) as pool:
        try:
            # They begin without hearing Ctrl-C, until they are quiet.
            heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                futures = [pool.submit(function, item) for item in items]
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, heard)
            for future in completed(futures):
                future.result()
                if done:
                    done(1)
        except BaseException:  # also SIGTERM, which only this process may have got
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in active_children():
                if worker.pid is not None:
                    os.kill(worker.pid, signal.SIGINT)
            raise
        return [future.result() for future in futures]


def _be_quiet() -> None:
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _interrupt(number: int, frame: object) -> None:
    """Once, whatever follows while work is cleared away: Ctrl-C comes from the terminal and from
    this program's first process, and the pool terminates all workers when one has ended, also
    those that have not got to hear Ctrl-C: what they started must end with them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
