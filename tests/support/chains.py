"""Tasks that can be sent to a process: one that does not end there, one that ends it."""

from __future__ import annotations

import os
import signal

from sstdp_hw.base.files import written_whole


def endless(fifo, file, _advance):
    """Has a file half written when it tells the number of its process, and stays there."""
    with written_whole(file) as temporary:
        temporary.write_text("half")
        fifo.write_text(f"{os.getpid()}\n")
        while True:
            signal.pause()


def dies(_shared, item, _advance):
    """Of some items; of the others it tells the process, and what it may compute with."""
    if item == "dies":
        os._exit(3)
    if item == "raises":
        raise ValueError(item)
    return os.getpid(), os.environ["OMP_NUM_THREADS"]
