"""The embedded engine for work that computes for long: processes that take one task after another.

One that dies takes no other with it, and another takes its place.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from ..base.errors import UserError
from ..base.waiting import HEARD_SECONDS, signals_held
from .turns import Turns
from .work import Advance, Share, Work

#: Of numerical libraries, which read them when they are loaded: one thread a process.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

#: From the request to a process to end until its end by force: a batch of images may take a while.
GRACE_SECONDS = 10.0


@dataclass
class Apart:
    """See `Session`."""

    work: Work
    slots: int
    shared: Any
    opened: None = None
    remote: bool = False
    _processes: dict[Connection, BaseProcess] = field(default_factory=dict)
    _busy: dict[Connection, int] = field(default_factory=dict)

    @property
    def present(self) -> int:
        return self.slots

    def shares(self) -> list[Share]:
        return []

    def map(
        self, items: Sequence[Any], *, given: Any = None, units: Sequence[int] | None = None,
        advance: Advance | None = None, done: Callable[[int, Any], None] | None = None,
        after: Sequence[int | None] | None = None, lost: Callable[[int, str], None] | None = None,
    ) -> list[Any]:  # fmt: skip
        results: dict[int, Any] = {}
        turns = Turns(len(items), after)
        try:
            while turns.waiting or self._busy:
                while turns.waiting and len(self._busy) < self.slots:
                    number = turns.waiting.popleft()
                    item = items[number]
                    self._begin(number, item if given is None else (given, item))
                for connection in wait(list(self._busy), HEARD_SECONDS):
                    assert isinstance(connection, Connection)
                    number = self._busy.pop(connection)
                    try:
                        made = connection.recv()
                    except (EOFError, ConnectionResetError):
                        self._lose(number, self._ended(connection), lost)
                        for behind in turns.lost(number):
                            self._lose(behind, "the one before it was lost", lost)
                        continue
                    results[number] = made
                    if advance:
                        advance(1 if units is None else units[number])
                    if done:
                        done(number, made)
                    turns.done(number)
        finally:  # nothing is left on an interrupt
            self._end()
        return [results.get(number) for number in range(len(items))]

    def _begin(self, number: int, item: Any) -> None:
        idle = [connection for connection in self._processes if connection not in self._busy]
        with signals_held():  # or a process might run that is not known here
            connection = idle[0] if idle else self._start()
            self._busy[connection] = number
        try:
            connection.send(item)
        except BrokenPipeError:
            return  # it has died, which is seen where its answer is waited for

    def _start(self) -> Connection:
        """A process, and our end of its pipe.

        Spawned, not forked: a fork would inherit the threads of libraries in an unknown state.
        """
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(self.work, self.shared, theirs), daemon=True
        )  # fmt: skip
        with _one_thread_in_children():
            process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        self._processes[ours] = process
        return ours

    def _ended(self, connection: Connection) -> str:
        """What became of a process that died."""
        process = self._processes.pop(connection)
        connection.close()
        process.join()
        return f"its process ended with status {process.exitcode}"

    def _lose(self, number: int, why: str, lost: Callable[[int, str], None] | None) -> None:
        if lost is None:
            raise UserError(f"Task {number + 1} cannot be done: {why}")
        lost(number, why)

    def _end(self) -> None:
        with signals_held():
            for connection, process in self._processes.items():
                if connection in self._busy:
                    process.terminate()
                connection.close()  # an idle one ends of it
            for process in self._processes.values():
                process.join(GRACE_SECONDS)
                process.kill()
                process.join()
            self._processes.clear()
            self._busy.clear()


def _serve(work: Work, shared: Any, front: Connection) -> None:
    """In the process: tasks until the front closes its end. A task that raises ends the process,
    with its traceback on stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the front ends this process
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    with work.opened(shared) as opened:
        while True:
            try:
                item = front.recv()
            except EOFError:
                return
            front.send(work.function(opened, item, lambda _count: None))
            sys.stderr.flush()


def _leave(number: int, _frame: object) -> None:
    """Once: a second signal must not stop the clearing away."""
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


@contextmanager
def _one_thread_in_children() -> Iterator[None]:
    """Numerical libraries read these when they are loaded, so the child must be born with them."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
