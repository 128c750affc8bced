"""The serial port: bytes out, answers in, and one line for everything that can be wrong with it."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable
from typing import Any

from sstdp_hw.base.errors import UserError
from sstdp_hw.contract.serial_protocol import ANSWER_BYTES, Answer, decode_answer

#: What a USB adapter keeps bytes back at most, in seconds.
LATENCY = 0.05
#: Bytes that are written at once, and seconds in which a port must take them: the slowest line does
#: in nine. An image of weights as a whole may take minutes.
_PIECE, _WRITE_SECONDS = 1024, 10.0
#: A line that does not fall quiet for so long never will.
_BABBLE_SECONDS = 5.0


class Unplugged(UserError):
    """The port is gone."""


class NoAnswer(Exception):
    """No answer came, or no whole one.

    Parameters
    ----------
    bytes_seen : bytes
        What came instead.
    """

    def __init__(self, bytes_seen: bytes) -> None:
        self.bytes_seen = bytes_seen
        super().__init__(f"{bytes_seen.hex() or 'nothing'} came instead of an answer")


class Port:
    """A serial port, locked against other programs.

    Parameters
    ----------
    name : str
        For example /dev/ttyUSB0.
    baud : int

    Raises
    ------
    UserError
        If pyserial is missing, or the port cannot be opened.
    """

    def __init__(self, name: str, baud: int) -> None:
        try:
            import serial
        except ModuleNotFoundError:
            raise UserError(
                "pyserial is needed and is missing; pip install 'sstdp-hw[all]' brings it"
            ) from None
        self.name, self.baud = name, baud
        self._gone = (serial.SerialException, OSError, TypeError)
        self._buffer = bytearray()
        try:
            self._line: Any = serial.Serial(
                name, baud, timeout=1, write_timeout=_WRITE_SECONDS, exclusive=True
            )
        except (serial.SerialException, OSError, ValueError) as error:
            raise UserError(f"{name}: {_refused(error)}") from None
        except Exception as error:  # termios.error, which only some systems have
            raise UserError(f"{name}: must be a serial port ({error})") from None

    def close(self) -> None:
        """Let others have it."""
        with contextlib.suppress(Exception):  # it may be gone
            self._line.close()

    def seconds(self, count: int) -> float:
        """How long so many bytes take on the line."""
        return 10 * count / self.baud

    def send(self, data: bytes, progress: Callable[[int], None] | None = None) -> None:
        """Write bytes; they may still be on their way when this returns. ``progress`` is called
        with the number of those written since the last call.

        Raises
        ------
        Unplugged
        """
        import serial

        try:
            for first in range(0, len(data), _PIECE):
                piece = data[first : first + _PIECE]
                self._line.write(piece)
                if progress:
                    progress(len(piece))
        except serial.SerialTimeoutException:
            raise UserError(f"{self.name}: takes no bytes; is it another kind of port?") from None
        except self._gone as error:
            raise self._unplugged(error) from None

    def receive(self, timeout: float, pause: float) -> Answer:
        """The next answer.

        Parameters
        ----------
        timeout, pause : float
            Longest wait for its first byte, and for each that follows, in seconds.

        Raises
        ------
        NoAnswer
            If none came, or bytes that are none.
        Unplugged
        """
        wait = timeout
        while len(self._buffer) < ANSWER_BYTES:
            found = self._read(wait)
            if not found:
                raise NoAnswer(bytes(self._buffer))
            self._buffer += found
            wait = pause
        frame = bytes(self._buffer[:ANSWER_BYTES])
        try:
            answer = decode_answer(frame)
        except ValueError:
            raise NoAnswer(bytes(self._buffer)) from None
        del self._buffer[:ANSWER_BYTES]
        return answer

    def fall_quiet(self, seconds: float) -> bytes:
        """Throw away what comes until nothing did for so long; it is returned.

        Raises
        ------
        UserError
            If the line does not fall quiet.
        Unplugged
        """
        seen, self._buffer = bytes(self._buffer), bytearray()
        deadline = time.monotonic() + _BABBLE_SECONDS + seconds
        while found := self._read(seconds):
            seen += found
            if time.monotonic() > deadline:
                raise UserError(
                    f"{self.name}: sends without being asked, so it is no board of ours; name "
                    "another --port"
                )
        return seen

    def _read(self, wait: float) -> bytes:
        """What has come, at least one byte unless the wait is over."""
        try:
            if self._line.timeout != wait:
                self._line.timeout = wait
            found: bytes = self._line.read(max(1, min(self._line.in_waiting, 4096)))
        except self._gone as error:
            raise self._unplugged(error) from None
        return found

    def _unplugged(self, error: BaseException) -> Unplugged:
        return Unplugged(f"{self.name}: unplugged, or switched off ({error})")


def _refused(error: BaseException) -> str:
    """Why a port cannot be opened."""
    number, text = getattr(error, "errno", None), str(error)
    if "exclusively lock" in text or number in (errno.EBUSY, errno.EAGAIN):
        return "another program has it open; end that one, or name another --port"
    if number == errno.EACCES:
        return (
            "may not be opened; become a member of its group (`ls -l` tells which, often dialout) "
            "and log in again"
        )
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return f"no such port; {_there()}"
    if number in (errno.ENOTTY, errno.EISDIR, errno.EINVAL) or "ioctl" in text:
        return f"must be a serial port; {_there()}"
    return f"cannot be opened: {text}"


def _there() -> str:
    """The serial ports of this machine."""
    from serial.tools import list_ports

    found = [port.device for port in list_ports.comports() if os.path.exists(port.device)]
    return f"there are {', '.join(sorted(found))}" if found else "there is none on this machine"
