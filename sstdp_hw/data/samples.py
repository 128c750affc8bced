"""One split of a data set."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..network.chain import INPUT_NAMES, PIXELS
from ..network.layers import Array

Split = Literal["train", "test"]


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled images, or spike times.

    Parameters
    ----------
    name : str
        Of the data set.
    images : uint8 array [N, C, H, W]
        Pixels, or where ``input_kind`` is spikes, spike times.
    labels : int64 array [N]
    class_names : tuple of str
    input_kind : str
        For which kind of network they are: one of `sstdp_hw.network.chain.INPUT_KINDS`.
    t_max : int, optional
        The spike time that means silent, where it is known.
    """

    name: str
    images: Array
    labels: Array
    class_names: tuple[str, ...]
    input_kind: str = PIXELS
    t_max: int | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int | None) -> Samples:
        """The first ``count`` samples, or all for None."""
        return self.part(slice(count))

    def part(self, chosen: slice | Array) -> Samples:
        """Some of the samples."""
        return replace(self, images=self.images[chosen], labels=self.labels[chosen])

    @property
    def what(self) -> str:
        """What the samples are, for messages."""
        return INPUT_NAMES[self.input_kind]

    @property
    def digest(self) -> str:
        """SHA-256 of images and labels."""
        digest = hashlib.sha256(np.ascontiguousarray(self.images).tobytes())
        digest.update(self.labels.astype("<i8").tobytes())
        return digest.hexdigest()
