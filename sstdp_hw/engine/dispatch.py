"""Hands tasks to the workers of a cluster and takes their results, whatever happens to them."""

from __future__ import annotations

import pickle
import queue
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from distributed import KilledWorker

from ..base.caches import cache_folder
from ..base.errors import UserError
from ..base.files import written_whole
from ..base.progress import say
from ..base.waiting import HEARD_SECONDS
from .turns import Turns
from .work import Advance, Share, Work
from .worker import Done, Failed, carry_out

#: Attempts at a task, each on another worker where there is one.
ATTEMPTS = 3
_AHEAD = 4  # tasks for each slot that the scheduler knows of; more would only fill its memory
_LOOK_SECONDS, _SAY_SECONDS = 5.0, 60.0  # between looks at the workers; between two lines

_numbers = count()  # of tasks of this process: none is ever taken for another


@dataclass
class ClusterSession:
    """See `Session`; ``cluster`` is the `Cluster`, ``given`` what all tasks share, there."""

    cluster: Any
    work: Work
    given: Any
    digest: str
    here: dict[str, str]
    opened: None = None
    remote: bool = True
    _running: dict[Any, int] = field(default_factory=dict)
    _shares: dict[str, list[float]] = field(default_factory=dict)
    _finished: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    _looked: float = 0.0
    _slots: int = 0
    _said: float = 0.0
    seconds: float = 0.0  # in which there was work

    @property
    def slots(self) -> int:
        return int(max(self.present, self.cluster.expected))

    @property
    def present(self) -> int:
        """Threads of all workers that are asked, at least one."""
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._looked = time.monotonic()
            self._slots = sum(each["nthreads"] for each in self.cluster.workers().values())
            if not self._slots and time.monotonic() - self._said > _SAY_SECONDS:
                self._said = time.monotonic()
                say(f"Cluster {self.cluster.name}: waiting for workers.")
        return max(1, self._slots)

    def map(
        self, items: Sequence[Any], *, given: Any = None, units: Sequence[int] | None = None,
        advance: Advance | None = None, done: Callable[[int, Any], None] | None = None,
        after: Sequence[int | None] | None = None, lost: Callable[[int, str], None] | None = None,
    ) -> list[Any]:  # fmt: skip
        more = () if given is None else self.cluster.sent(pickle.dumps(given, protocol=5))
        results: dict[int, Any] = {}
        start = time.monotonic()
        failures: dict[int, list[Failed]] = {}
        turns, gone = Turns(len(items), after), []
        waiting = turns.waiting
        while waiting or self._running:
            while waiting and len(self._running) < _AHEAD * self.present:
                number = waiting.popleft()
                self._submit(number, items[number], more, failures.get(number, []))
            try:
                future = self._finished.get(timeout=HEARD_SECONDS)
            except queue.Empty:
                self._refuse_gone()
                continue
            if future not in self._running:
                continue  # of an earlier call that was left
            number = self._running.pop(future)
            outcome = self._outcome(future)
            if isinstance(outcome, Done):
                size = 1 if units is None else units[number]
                self._count(outcome, size)
                results[number] = outcome.made
                if advance:
                    advance(size)
                if done:
                    done(number, outcome.made)
                turns.done(number)
            elif outcome.refused:
                self._refuse(outcome)
                waiting.appendleft(number)
            else:
                failures.setdefault(number, []).append(outcome)
                if len(failures[number]) < ATTEMPTS:
                    waiting.appendleft(number)
                else:
                    gone.append(number)
                    say(f"Task {number + 1} of {len(items)} failed {ATTEMPTS} times; others go on.")
                    if lost:
                        lost(number, self._why(number, failures[number]))
                    for behind in turns.lost(number):
                        gone.append(behind)
                        if lost:
                            lost(behind, "the one before it was lost")
        self.seconds += time.monotonic() - start
        if gone and not lost:
            raise UserError(
                f"Cluster {self.cluster.name}: {len(gone)} of {len(items)} tasks failed {ATTEMPTS} "
                f"times; the first, {gone[0] + 1}, {self._why(gone[0], failures[gone[0]])}; the "
                "others are done, and the same command goes on with what is missing"
            )
        return [results.get(number) for number in range(len(items))]

    def shares(self) -> list[Share]:
        return [
            Share(name, int(tasks), int(units), round(seconds, 3))
            for name, (tasks, units, seconds) in sorted(self._shares.items())
        ]

    def end(self) -> None:
        """Nothing that runs is wanted any more; workers end it."""
        running = list(self._running)
        self._running.clear()
        if running:
            with suppress(Exception):  # a scheduler that is gone
                self.cluster.client.cancel(running, force=True)

    def _submit(self, number: int, item: Any, more: tuple[Any, ...], failed: list[Failed]) -> None:
        workers = self.cluster.workers() if failed or self.cluster.refused else {}
        tried = {failure.worker for failure in failed}
        others = [address for address, each in workers.items() if str(each["name"]) not in tried]
        future = self.cluster.client.submit(
            carry_out, self.given, self.digest, pickle.dumps(item, protocol=5), self.here, *more,
            key=f"sstdp-task-{self.digest[:16]}-{id(self):x}-{next(_numbers)}",
            workers=others or list(workers) or None, priority=-number, pure=False,
        )  # fmt: skip
        self._running[future] = number
        future.add_done_callback(self._finished.put)

    def _outcome(self, future: Any) -> Done | Failed:
        if future.cancelled():
            self._gone()
        error = future.exception()
        if error is None:
            found: Done | Failed = future.result()
            return found
        self.cluster.compare(self.here, self.work.tools)  # a worker that is new and wrong, maybe
        if isinstance(error, KilledWorker):
            return Failed(str(error.last_worker), "the worker died of it", str(error))
        return Failed("unknown", f"{type(error).__name__}: {error}".splitlines()[0], str(error))

    def _count(self, outcome: Done, size: int) -> None:
        share = self._shares.setdefault(outcome.worker, [0, 0, 0.0])
        for place, value in enumerate((1, size, outcome.seconds)):
            share[place] += value

    def _refuse(self, outcome: Failed) -> None:
        for address, each in self.cluster.workers().items():
            if str(each["name"]) == outcome.worker:
                self.cluster.refuse(address, outcome.worker, outcome.text)
        self.cluster.compare(self.here, self.work.tools)

    def _refuse_gone(self) -> None:
        if self.cluster.client.status != "running":
            self._gone()
        _ = self.present  # says if there is none

    def _gone(self) -> None:
        raise UserError(
            f"Cluster {self.cluster.name}: the scheduler has gone; what was finished is kept, and "
            "the same command goes on with it"
        )

    def _why(self, number: int, failed: list[Failed]) -> str:
        """In a line, of a task that failed too often; its log is put beside the caches."""
        log = cache_folder() / "cluster" / f"{self.digest[:16]}-{number}.log"
        text = "\n\n".join(f"worker {each.worker}: {each.text}\n{each.log}" for each in failed)
        kept = ""
        with suppress(OSError, UserError), written_whole(log) as temporary:
            temporary.write_text(text, encoding="utf-8")
            kept = f" (its log: {log})"
        return f"last on worker {failed[-1].worker}: {failed[-1].text}{kept}"
