"""Ctrl-C, SIGTERM and SIGHUP (the terminal is gone) while a verb runs: exceptions, so that what it
began is cleared away."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ..base.waiting import ENDING


class Terminated(BaseException):
    """SIGTERM or SIGHUP, as an exception.

    Members
    -------
    status : int
        What a shell calls the end by this signal.
    """

    def __init__(self, number: int) -> None:
        self.status = 128 + number
        super().__init__(signal.Signals(number).name)


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
        """The handler of SIGTERM and SIGHUP; a second one must not stop the clearing."""
        for each in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        raise Terminated(number)


@contextmanager
def signals_raised() -> Iterator[Interruption]:
    """Raise KeyboardInterrupt and `Terminated` for the signals, unless they are to be ignored; in a
    thread other than the main one, change nothing."""
    found = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield found
        return
    before = {}
    for number in ENDING:
        handler = found.interrupt if number == signal.SIGINT else found.terminate
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    try:
        yield found
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)
