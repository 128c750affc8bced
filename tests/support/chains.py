"""A chain of a study that can be sent to a process, and does not end there."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from sstdp_hw.base.files import written_whole


@dataclass(frozen=True)
class Endless:
    """Has a file half written when it tells the number of its process, and stays there."""

    file: Path
    fifo: Path

    @property
    def entry(self):
        with written_whole(self.file) as temporary:
            temporary.write_text("half")
            self.fifo.write_text(f"{os.getpid()}\n")
            while True:
                signal.pause()
