"""The embedded engine: threads that start programs, or processes, on this machine; `apart` has
those that last.

Dask could be embedded, too, but takes seconds to start where these take none
(docs/decisions/0023-one-engine.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..base.processes import in_processes
from ..base.programs import working_threads
from ..base.waiting import completed, signals_held
from .apart import Apart
from .work import Advance, Session, Share, Work


@dataclass(frozen=True)
class Local:
    """``jobs`` tasks at once on this machine.

    The first error of a task ends all: on the same machine it would come again.
    """

    jobs: int = 1
    remote: bool = False

    @contextmanager
    def session(self, work: Work, shared: Any, *, jobs: int | None = None) -> Iterator[Session]:
        slots = self.jobs if jobs is None else jobs
        if work.apart:
            yield Apart(work, slots, shared)
            return
        if not work.programs:
            yield _Processes(work, slots, shared=shared)
            return
        with work.opened(shared) as opened:
            yield _Threads(work, slots, opened)


@dataclass
class _Here:
    """What both kinds have alike: no task runs anywhere else."""

    work: Work
    slots: int
    opened: Any = None
    shared: Any = None
    remote: bool = False

    @property
    def present(self) -> int:
        return self.slots

    def map(
        self, items: Sequence[Any], *, given: Any = None, units: Sequence[int] | None = None,
        advance: Advance | None = None, done: Callable[[int, Any], None] | None = None,
        after: Sequence[int | None] | None = None, lost: Callable[[int, str], None] | None = None,
    ) -> list[Any]:  # fmt: skip
        assert after is None and lost is None, "the work is not apart"
        if not items:
            return []
        if given is not None:
            items = [(given, item) for item in items]
        return self._made(items, advance, done or _nobody)

    def _made(
        self, items: Sequence[Any], advance: Advance | None, done: Callable[[int, Any], None]
    ) -> list[Any]:
        raise NotImplementedError

    def shares(self) -> list[Share]:
        return []


class _Threads(_Here):
    """Tasks that start programs, and share what was opened for all."""

    def _made(
        self, items: Sequence[Any], advance: Advance | None, done: Callable[[int, Any], None]
    ) -> list[Any]:
        futures: dict[Future[Any], int] = {}
        with working_threads(min(self.slots, len(items))) as pool:
            try:
                with signals_held():  # or a thread might run that the pool does not know yet
                    for number, item in enumerate(items):
                        task = pool.submit(
                            self.work.function, self.opened, item, advance or _nobody
                        )
                        futures[task] = number
                for future in completed(futures):
                    done(futures[future], future.result())
            finally:
                for future in futures:
                    future.cancel()
        return [future.result() for future in futures]


class _Processes(_Here):
    """Tasks that compute; each opens what is shared."""

    def _made(
        self, items: Sequence[Any], advance: Advance | None, done: Callable[[int, Any], None]
    ) -> list[Any]:
        one = partial(_opened_alone, self.work, self.shared)
        made = in_processes(one, items, self.slots, done=advance)
        for number, result in enumerate(made):
            done(number, result)
        return made


def _nobody(*_told: Any) -> None:
    """Nobody asks for progress, or for what is done."""


def _opened_alone(work: Work, shared: Any, item: Any) -> Any:
    with work.opened(shared) as opened:
        return work.function(opened, item, _nobody)
