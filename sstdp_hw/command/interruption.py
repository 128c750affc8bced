"""Ctrl-C and SIGTERM while a verb runs: exceptions, so that what it began is cleared away."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(BaseException):
    """SIGTERM, as an exception."""


class Interruption:
    """What came so far.

    Members
    -------
    interrupted : bool
        An interrupt came, whatever a library made of the exception.
    """

    def __init__(self) -> None:
        self.interrupted = False

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """The handler of SIGINT."""
        self.interrupted = True
        raise KeyboardInterrupt

    def terminate(self, number: int, frame: FrameType | None) -> None:
        """The handler of SIGTERM; a second one must not stop the clearing."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated


@contextmanager
def signals_raised() -> Iterator[Interruption]:
    """Raise KeyboardInterrupt and `Terminated` for the two signals, unless they are to be ignored;
    in a thread other than the main one, change nothing."""
    found = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield found
        return
    before = {}
    for number, handler in (
        (signal.SIGINT, found.interrupt), (signal.SIGTERM, found.terminate),
    ):  # fmt: skip
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    try:
        yield found
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)
