"""Programs that this one starts, and their end when it is to end itself.

Each leads a process group of its own, and the whole group is ended: make leaves its compilers
behind, a script that stands for a tool leaves the tool. Ctrl-C at a terminal reaches this program
alone, which passes it on.
"""

from __future__ import annotations

import codecs
import io
import os
import resource
import select
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from threading import Event

from .waiting import HEARD_SECONDS, signals_held

#: From the request to the end by force. A compiler needs a moment for its temporary files.
GRACE_SECONDS = 2.0

_stop: ContextVar[Event | None] = ContextVar("stop", default=None)


class Stopped(BaseException):
    """What a thread was doing is not wanted any more; no failure that is worth another attempt."""


@contextmanager
def working_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads for work that starts programs; an exception in the block ends these programs, too.

    Without that the end of the block, and with it an interrupt, would wait for all of them.
    """
    stop = Event()
    with ThreadPoolExecutor(count, initializer=_stop.set, initargs=(stop,)) as pool:
        try:
            yield pool
        except BaseException:
            stop.set()
            raise


@contextmanager
def stoppable() -> Iterator[Event]:
    """An event; once it is set, what `run_program` runs in this thread ends with `Stopped`."""
    stop = Event()
    token = _stop.set(stop)
    try:
        yield stop
    finally:
        _stop.reset(token)


def run_program(
    command: Sequence[str], folder: Path | str, environment: Mapping[str, str], *,
    heard: Callable[[str], object], processor_seconds: int | None = None,
) -> int:  # fmt: skip
    """Run a program in ``folder``, without input, and return its exit status. Its temporary files
    lie there, too, so that those of a program that was ended go with the folder.

    Parameters
    ----------
    heard : callable
        Called with every line that it prints, on stdout or stderr, with the line's end.
    processor_seconds : int, optional
        It is ended after so many; other work on the machine does not count.

    Raises
    ------
    OSError
        If it cannot be started.
    Stopped
        If the block of the thread's `working_threads` was left; the program has ended, or was not
        started.
    """
    stop = _stop.get()
    refuse_stopped()
    process = None
    try:
        with signals_held():  # or it might run and not be known here
            process = subprocess.Popen(
                command, cwd=folder, env={**environment, "TMPDIR": os.path.abspath(folder)},
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        if processor_seconds is not None:
            limits = (processor_seconds, processor_seconds + 1)
            resource.prlimit(process.pid, resource.RLIMIT_CPU, limits)
        for line in _lines(process, stop):
            heard(line)
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(HEARD_SECONDS)
            _refuse_stopped(stop)
    except BaseException:
        if process is not None and process.returncode is None:
            _end(process)
        raise
    finally:
        if process is not None and process.stdout is not None:
            process.stdout.close()


def _lines(process: subprocess.Popen[bytes], stop: Event | None) -> Iterator[str]:
    """Until all who can write have closed the pipe, or the program has ended: what it leaves
    behind, as a compiler's cache does, may keep the pipe open for ever."""
    assert process.stdout is not None
    decoder = io.IncrementalNewlineDecoder(
        codecs.getincrementaldecoder("utf-8")(errors="replace"), translate=True
    )
    ready, begun = select.poll(), ""
    ready.register(process.stdout, select.POLLIN)
    while True:
        ended = process.poll() is not None  # before the look at the pipe: what it said is in there
        found = ready.poll(0 if ended else 1000 * HEARD_SECONDS)
        _refuse_stopped(stop)
        data = os.read(process.stdout.fileno(), 1 << 16) if found else b""
        if not data and (found or ended):
            break
        *lines, begun = (begun + decoder.decode(data)).split("\n")
        yield from (line + "\n" for line in lines)
    if begun := begun + decoder.decode(b"", final=True):
        yield begun


def refuse_stopped() -> None:
    """Raise `Stopped` if what this thread does is not wanted any more."""
    _refuse_stopped(_stop.get())


def _refuse_stopped(stop: Event | None) -> None:
    if stop is not None and stop.is_set():
        raise Stopped


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and all that it has started."""
    with signals_held():  # a second Ctrl-C must not leave anything behind
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
