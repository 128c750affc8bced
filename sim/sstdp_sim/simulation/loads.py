"""Images of the memories that are played to an accelerator whose weights are loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sstdp_hw.network.layers import Array

from .loading_harness import LOADED, OFFERED, RECORD_BYTES, REFUSED


@dataclass(frozen=True, eq=False)
class Load:
    """One image of the memories.

    Parameters
    ----------
    words : uint32 array
        ``tlast`` comes with the last one.
    before : int
        It is offered when so many packets have been taken to be sent, this many have gone before.
    """

    words: Array
    before: int = 0


@dataclass(frozen=True, eq=False)
class Loads:
    """All of them, in order.

    Parameters
    ----------
    loads : sequence of Load
    waits : bool
        One is offered when all packets before it have been answered, and no packet is sent while
        one of them is due. Else packets go on, and are held back by the accelerator alone.
    """

    loads: Sequence[Load]
    waits: bool = True

    @property
    def records(self) -> int:
        return sum(len(load.words) for load in self.loads)

    def to_bytes(self) -> bytes:
        """A record for each word, for the harness."""
        parts = []
        for load in self.loads:
            records = np.zeros((len(load.words), RECORD_BYTES), np.uint8)
            records[:, :4] = np.array([load.before], ">u4").view(np.uint8)
            records[-1, 4] = 1
            records[:, 5:] = load.words.astype(">u4")[:, None].view(np.uint8)
            parts.append(records.tobytes())
        return b"".join(parts)

    def numbered(self, first_records: Array) -> Array:
        """Numbers of the loads whose first records these are."""
        starts = np.cumsum([0, *(len(load.words) for load in self.loads)])
        return np.searchsorted(starts, first_records)


@dataclass(frozen=True)
class Patch:
    """A flipped bit of every image of the memories, and what makes its CRC right again.

    Parameters
    ----------
    word : int
        Which word of the image.
    mask, crc_mask : int
        What is flipped in it, and in the last word.
    """

    word: int = 0
    mask: int = 0
    crc_mask: int = 0

    def applied(self, words: Array) -> Array:
        """The image of the memories with what is flipped."""
        found: Array = words.copy()
        found[self.word] ^= np.uint32(self.mask)
        found[-1] ^= np.uint32(self.crc_mask)
        return found

    def settings(self) -> dict[str, int]:
        """For the harness."""
        return {"patched_word": self.word, "patch": self.mask, "crc_patch": self.crc_mask}


def what_happened(table: Array, loads: Loads) -> tuple[Array, Array, Array]:
    """What the harness wrote down besides answers: which loads took effect, int64 [L, 4] of
    (answers before, number of the load, cycle in which it was offered, and of its end); which were
    refused, int64 [R, 2] of (number of the load, why); and the table without those lines."""
    kinds = table[:, 0]
    answers = np.cumsum(kinds >= 0)
    loaded = np.flatnonzero(kinds == LOADED)
    effect = np.stack(
        [
            answers[loaded], loads.numbered(table[loaded, 1]), table[loaded + 1, 1],
            table[loaded, 2],
        ],
        axis=1,
    )  # fmt: skip
    refused = table[kinds == REFUSED]
    told = np.stack([loads.numbered(refused[:, 1]), refused[:, 2]], axis=1)
    return effect, told, table[~np.isin(kinds, (LOADED, OFFERED, REFUSED))]
