"""Answers on disk as they come: what was interrupted goes on where it was.

They lie in the cache, under a hash of all that they depend on, until the results are written. So
they are of use to the same command alone, and to it whatever engine it takes.
"""

from __future__ import annotations

import contextlib
import io
import shutil
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from sstdp_hw.base.caches import cache_folder
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import sha256, written_whole

from ..simulation.packets import Answers

_ARRAYS = ("words", "cycles", "first_beats", "spikes", "resets", "loads", "refused")
_KEPT = 20  # interrupted runs that wait to be taken up


@dataclass(frozen=True)
class Kept:
    """What is finished of one run.

    Parameters
    ----------
    key : str
        Hash of all that the answers depend on.
    """

    key: str

    @property
    def folder(self) -> Path:
        return cache_folder() / "simulated" / self.key

    def find(self, segment: int, count: int) -> Answers | None:
        """The answers to a segment of so many packets; None if they are not there, or damaged."""
        try:
            data = (self.folder / f"{segment}.npz").read_bytes()
            digest, packed = data[:64].decode(), data[64:]
            if sha256(packed) != digest:
                return None
            with np.load(io.BytesIO(packed), allow_pickle=False) as file:
                arrays = {name: file[name] for name in _ARRAYS}
                extra, violated = (bool(file[name]) for name in ("extra", "violated"))
        except (OSError, ValueError, KeyError, BadZipFile):
            return None
        if len(arrays["words"]) > count:
            return None
        return Answers(**arrays, extra=extra, violated=violated)

    def keep(self, segment: int, answers: Answers) -> None:
        """A disk that is full is no reason to end: the run goes on without."""
        packed = io.BytesIO()
        arrays = {name: getattr(answers, name) for name in (*_ARRAYS, "extra", "violated")}
        np.savez(packed, **arrays)
        data = packed.getvalue()
        path = self.folder / f"{segment}.npz"
        with contextlib.suppress(OSError, UserError), written_whole(path) as temporary:
            temporary.write_bytes(sha256(data).encode() + data)

    def discard(self) -> None:
        """The results are written."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            others = sorted(self.folder.parent.iterdir(), key=lambda path: path.stat().st_mtime)
            for path in others[:-_KEPT]:
                shutil.rmtree(path, ignore_errors=True)
