"""One split of a data set."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..network.layers import Array

Split = Literal["train", "test"]


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled images.

    Parameters
    ----------
    name : str
        Of the data set.
    images : uint8 array [N, C, H, W]
    labels : int64 array [N]
    class_names : tuple of str
    """

    name: str
    images: Array
    labels: Array
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int | None) -> Samples:
        """The first ``count`` samples, or all for None."""
        return Samples(self.name, self.images[:count], self.labels[:count], self.class_names)

    @property
    def digest(self) -> str:
        """SHA-256 of images and labels."""
        digest = hashlib.sha256(np.ascontiguousarray(self.images).tobytes())
        digest.update(self.labels.astype("<i8").tobytes())
        return digest.hexdigest()
