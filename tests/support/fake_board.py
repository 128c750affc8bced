"""A board in Python behind a pseudo-terminal, which can be told to misbehave; its answers are those
of the reference."""

import os
import pty
import select
import threading
import tty

from sstdp_hw.contract.board_identity import Identity
from sstdp_hw.contract.serial_protocol import (
    ECHO,
    EVENTS_START,
    QUESTION_START,
    REQUEST_START,
    Answer,
    Status,
    encode_answer,
)


class FakeBoard:
    """Answers ``words[n]`` to the n-th request with new contents, and the same to the same.

    Parameters
    ----------
    directory : GeneratedDirectory
    words : list of int
    identity : Identity, optional
        None: an earlier version, to which a question is noise.
    first : dict of int to callable
        By sample: what its first answer's 8 bytes become.
    always : dict of int to callable
        The same, of every answer.
    """

    def __init__(self, directory, words, *, told=True, first=None, always=None):
        self.identity = Identity(
            directory.inputs, directory.input_kind, directory.memory_bytes, 12, 20,
            directory.manifest["verilog_sha256"],
        ) if told else None  # fmt: skip
        self.words, self.first, self.always = words, dict(first or {}), dict(always or {})
        self.seen = []
        master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.port = os.ttyname(self.slave)
        self.master = master
        self.stop, self.wake = os.pipe()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        os.close(self.wake)
        self.thread.join()
        for file in (self.master, self.slave, self.stop):
            os.close(file)

    def _serve(self):
        data = b""
        while True:
            ready, _, _ = select.select([self.master, self.stop], [], [])
            if self.stop in ready:
                return
            data += os.read(self.master, 4096)
            while (size := self._size(data)) and len(data) >= size:
                request, data = data[:size], data[size:]
                os.write(self.master, self._answer(request))

    def _size(self, data):
        if len(data) < 4:
            return 0
        number = int.from_bytes(data[1:4], "little")
        return 6 + {REQUEST_START: number, EVENTS_START: 4 * number, QUESTION_START: 0}[data[0]]

    def _answer(self, request):
        if request[0] == QUESTION_START:
            number = int.from_bytes(request[1:4], "little")
            if self.identity is None:
                return encode_answer(Answer(Status.NOISE, 64))
            word = number if number & ECHO else self.identity.words()[number]
            return encode_answer(Answer(Status.ANSWER, word))
        if request not in self.seen:
            self.seen.append(request)
        place = self.seen.index(request)
        answer = encode_answer(Answer(Status.RESULT, self.words[place]))
        change = self.first.pop(place, None) or self.always.get(place)
        return change(answer) if change else answer
