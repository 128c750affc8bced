"""Programs that a test stops in the middle: events instead of waiting for a while."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading

LONGEST = 600  # seconds; only a failure takes them


def started(process: subprocess.Popen, fifo: str | os.PathLike) -> str:
    """What is written into the named pipe first; fails if the process ends before that."""
    reader = os.open(fifo, os.O_RDWR)  # the second end, or opening would wait for a writer
    ended = os.pidfd_open(process.pid)
    try:
        ready, _, _ = select.select([reader, ended], [], [])
        assert reader in ready, f"ended with status {process.wait()} before it began"
        return os.read(reader, 1000).decode()
    finally:
        os.close(reader)
        os.close(ended)


class Watched:
    """A process that runs now, no child of this one: whether it has ended.

    Its number will not do: what was killed keeps it until its last parent, or the system, takes
    notice.
    """

    def __init__(self, number: int) -> None:
        self._file = os.pidfd_open(number)

    def ended(self) -> bool:
        """Waits for it."""
        try:
            return bool(select.select([self._file], [], [], LONGEST)[0])
        finally:
            os.close(self._file)


class Began:
    """A named pipe that programs tell the number of their worker; when ``count`` have, a signal
    comes, to another thread than the main one, which waits and is not woken."""

    def __init__(self, folder, count, number, monkeypatch):
        self.fifo = folder / "fifo"
        os.mkfifo(self.fifo)
        monkeypatch.setenv("FIFO", str(self.fifo))
        self._pipe = os.fdopen(os.open(self.fifo, os.O_RDWR))
        self._watched = []
        self._thread = threading.Thread(target=self._listen, args=(count, number))
        self._thread.start()

    def _listen(self, count, number):
        for _ in range(count):
            self._watched.append(Watched(int(self._pipe.readline())))
        signal.raise_signal(number)

    def all_ended(self):
        self._thread.join()
        self._pipe.close()
        return all(each.ended() for each in self._watched)


def waiting_tool(path, fifo):
    """A stand-in for yosys that writes the number of its process into the pipe and works for ever.

    Returns
    -------
    str
        For the environment variable YOSYS.
    """
    os.mkfifo(fifo)
    path.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exit\necho $$ > {fifo}\nexec sleep 10000\n'
    )
    path.chmod(0o755)
    return str(path)
