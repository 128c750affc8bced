"""What runs on a worker of the cluster: one task, told what it is made of by content hash."""

from __future__ import annotations

import pickle
import tempfile
import threading
import time
import traceback
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from distributed import get_worker

from ..base.files import sha256
from ..base.programs import Stopped, stoppable
from .identity import OWN, difference, identity
from .work import Work

_LOOK_SECONDS = 1.0  # a task that is not wanted any more ends after so long, and its programs


@dataclass(frozen=True)
class Done:
    """A result, and who made it in how many seconds."""

    made: Any
    worker: str
    seconds: float


@dataclass(frozen=True)
class Failed:
    """Why there is none: in one line, and in full. ``refused``: the worker is not like the front,
    and must not be asked again."""

    worker: str
    text: str
    log: str
    refused: bool = False


def packed(work: Work, shared: Any) -> bytes:
    """What all tasks share, for the wire."""
    return zlib.compress(pickle.dumps((work, shared), protocol=5), 1)


def _check(data: bytes, digest: str) -> None:
    if sha256(data) != digest:
        raise ValueError("what was sent must have the SHA-256 that it was sent under")


@lru_cache(maxsize=2)
def _unpacked(_digest: str, data: bytes) -> tuple[Work, Any]:
    work, shared = pickle.loads(zlib.decompress(data))
    return work, shared


@lru_cache(maxsize=4)
def _given(_digest: str, data: bytes) -> Any:
    return pickle.loads(data)


def carry_out(
    data: bytes, digest: str, item: bytes, wanted: Mapping[str, str], more: bytes | None = None,
    more_digest: str = "",
) -> Done | Failed:  # fmt: skip
    """Carry out one task.

    Parameters
    ----------
    data : bytes
        As `packed`, of the SHA-256 ``digest``.
    item : bytes
        Pickled.
    wanted : mapping of str to str
        `identity` of the front.
    more, more_digest
        What some tasks share beside that, pickled, and its SHA-256.
    """
    worker, start = str(get_worker().name), time.monotonic()
    # Where Dask clears away what a worker left that was killed.
    tempfile.tempdir = get_worker().local_directory
    if differs := difference(wanted, identity(tuple(set(wanted) - OWN))):
        return Failed(worker, differs, differs, refused=True)
    try:
        _check(data, digest)
        if more is not None:
            _check(more, more_digest)
        work, shared = _unpacked(digest, data)
        with stoppable() as stop, _watched(stop), work.opened(shared) as opened:
            found = pickle.loads(item)
            if more is not None:
                found = (_given(more_digest, more), found)
            made = work.function(opened, found, lambda _count: None)
    except (Exception, Stopped) as error:
        text = str(error) or type(error).__name__
        return Failed(worker, text.splitlines()[0], traceback.format_exc())
    return Done(made, worker, time.monotonic() - start)


@contextmanager
def _watched(stop: threading.Event) -> Iterator[None]:
    """Set ``stop`` when the task of this thread is not wanted any more: a thread cannot be ended
    from outside, but its programs can."""
    worker, ended = get_worker(), threading.Event()
    key = worker.get_current_task()

    def look() -> None:
        while not ended.wait(_LOOK_SECONDS):
            task = worker.state.tasks.get(key)
            if task is None or task.state == "cancelled":
                stop.set()
                return

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
