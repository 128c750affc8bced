"""Standard output and error of the command line: what happens where they take no text.

A character that their encoding has not becomes a question mark, as in `ls`. A reader that went away
ends the program, as SIGPIPE ends others. A full disk under the output is an error, told when the
work is done; under the messages for a person it is not, they are lost.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO


class OutputLost(BaseException):
    """Text could not be written. Not an `OSError`: whoever handles one speaks of a file."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output cannot be written: {error.strerror}")
        self.reader_left = isinstance(error, BrokenPipeError)


class _Guarded:
    """A text stream that raises no `OSError`.

    Members
    -------
    lost : OSError or None
        What kept text from being written.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._lose(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        self.lost = self.lost or error
        _discard(self._stream)
        if isinstance(error, BrokenPipeError):
            raise OutputLost(error) from None


def _discard(stream: TextIO) -> None:
    """Let what the stream still holds go nowhere, or Python would try again at its end."""
    with suppress(OSError, ValueError):  # a stream of a test has no file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


@contextmanager
def standard_streams() -> Iterator[None]:
    """Guard ``sys.stdout`` and ``sys.stderr``; what they hold is written at the end.

    Raises
    ------
    OutputLost
    """
    before = sys.stdout, sys.stderr
    output, messages = _guarded(sys.stdout), _guarded(sys.stderr)
    with suppress(AttributeError):  # of a test's stream
        output.reconfigure(errors="replace")  # the messages have escapes for such characters
    sys.stdout, sys.stderr = output, messages
    status: SystemExit | None = None
    try:
        try:
            yield
        except SystemExit as end:  # of `--help`, whose text may be lost as well
            status = end
        finally:
            messages.flush()
            output.flush()
        if output.lost:
            raise OutputLost(output.lost)
        if status:
            raise status
    finally:
        sys.stdout, sys.stderr = before


def _guarded(stream: TextIO | None) -> _Guarded:
    if stream is None:  # closed by the caller: its number must not become that of another file
        stream = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    return _Guarded(stream)
