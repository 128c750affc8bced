"""How much of a serial line the host of `run` uses: images a second against the line's limit.

    python benchmarks/serial_line.py DIR [--baud 1000000] [--latency 0.016] [--images 500]

A stand-in behind a pseudo-terminal keeps the times of a board: a byte takes ten bits on either
wire, an image the most cycles that it can, 12 to a bit, and the USB adapter hands answers on only
every ``--latency`` seconds (an FT231X by default every 16 ms). Its answers are those of the
reference, so they are compared, too. What is measured is the host.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import select
import threading
import time
import tty
from pathlib import Path

import numpy as np

from sstdp_hw.contract.board_identity import Identity
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.serial_protocol import (
    ECHO,
    QUESTION_START,
    Answer,
    Status,
    encode_answer,
)
from sstdp_hw.reference import inference as reference
from sstdp_sim.board.check import known_images
from sstdp_sim.board.host import NO_ANSWER, Host

CYCLES_OF_A_BIT = 12


class Line:
    """A board that takes its time; ``words`` are its answers to images, in order."""

    def __init__(self, directory: GeneratedDirectory, words, baud: int, latency: float):
        self.identity = Identity(
            directory.inputs, directory.input_kind, directory.memory_bytes, CYCLES_OF_A_BIT, 50,
            directory.manifest["verilog_sha256"],
        )  # fmt: skip
        self.words, self.bit, self.latency = iter(words), 1 / baud, latency
        self.compute = directory.parameters.most_board_cycles * self.bit / CYCLES_OF_A_BIT
        self.size = directory.inputs + 6
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.port = os.ttyname(self.slave)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        data, free, answered, waiting = b"", 0.0, 0.0, []
        while True:
            now = time.monotonic()
            due = b"".join(answer for at, answer in waiting if at <= now)
            waiting = [(at, answer) for at, answer in waiting if at > now]
            if due:
                os.write(self.master, due)
            wait = max(0.0, waiting[0][0] - now) if waiting else None
            if not select.select([self.master], [], [], wait)[0]:
                continue
            data += os.read(self.master, 65536)
            while data:
                size = 6 if data[0] == QUESTION_START else self.size
                if len(data) < size:
                    break
                request, data = data[:size], data[size:]
                free = max(free, time.monotonic()) + 10 * size * self.bit
                asks = request[0] == QUESTION_START
                answered = max(answered, free + self.compute * (not asks)) + 80 * self.bit
                # The adapter's next hand-over.
                at = answered if not self.latency else -(-answered // self.latency) * self.latency
                waiting.append((at, encode_answer(self._answer(request, asks))))

    def _answer(self, request: bytes, asks: bool) -> Answer:
        if not asks:
            return Answer(Status.RESULT, next(self.words))
        number = int.from_bytes(request[1:4], "little")
        return Answer(Status.ANSWER, number if number & ECHO else self.identity.words()[number])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--baud", type=int, default=1_000_000)
    parser.add_argument("--latency", type=float, default=0.016)
    parser.add_argument("--images", type=int, default=500)
    options = parser.parse_args()
    directory = GeneratedDirectory.load(options.directory)
    images = known_images(directory.network, options.images)
    found = reference.run(directory.network, images)
    times = found.decision_times.astype(np.int64)
    words = found.classes.astype(np.int64) | times << 8 | found.silent.astype(np.int64) << 16
    line = Line(directory, words.tolist(), options.baud, options.latency)
    with Host(directory, line.port, options.baud) as host:
        start = time.monotonic()
        played = host.play(images)
        seconds = time.monotonic() - start
        limit = 1 / host.port.seconds(directory.inputs + 6)
    print(
        json.dumps(
            {
                "images": len(images),
                "wrong": int((played.words != words).sum()),
                "unanswered": int((played.words == NO_ANSWER).sum()),
                "resynchronized": played.resynchronized,
                "images_per_second": round(len(images) / seconds, 2),
                "limit": round(limit, 2),
                "share": round(len(images) / seconds / limit, 4),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
