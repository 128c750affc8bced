"""Which outputs of a convolution an input reaches along one axis, and through which weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Reach:
    """What the inputs of one axis reach: outputs side by side, and kernel rows or columns for them.

    From one output to the next the kernel offset falls by the stride. In `places` such offsets
    stand side by side, so that a walk counts up through outputs and weights alike.

    Parameters
    ----------
    size, kernel, stride, padding : int
        Of one axis.
    """

    size: int
    kernel: int
    stride: int
    padding: int

    @property
    def outputs(self) -> int:
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def first(self) -> Array:
        """The first output that each input reaches: int64 [size]."""
        reach = np.arange(self.size) + self.padding - self.kernel + self.stride
        found: Array = np.maximum(reach // self.stride, 0)
        return found

    @property
    def count(self) -> Array:
        """How many outputs each input reaches, 0 where the stride leaves it out: int64 [size]."""
        last = np.minimum((np.arange(self.size) + self.padding) // self.stride, self.outputs - 1)
        found: Array = np.maximum(last - self.first + 1, 0)
        return found

    @property
    def order(self) -> Array:
        """Kernel offsets in the order of their places: int64 [kernel]."""
        offsets = range(self.kernel)
        return np.array(sorted(offsets, key=lambda k: (k % self.stride, -k)), np.int64)

    @property
    def places(self) -> Array:
        """Where each kernel offset stands in `order`: int64 [kernel]."""
        return np.argsort(self.order)

    @property
    def offset(self) -> Array:
        """Kernel offset for each input's first output, 0 if there is none: int64 [size]."""
        found = np.arange(self.size) + self.padding - self.first * self.stride
        return np.where(self.count > 0, found, 0)

    @property
    def place(self) -> Array:
        """Place of the kernel offset for each input's first output, 0 if there is none: int64."""
        found: Array = np.where(self.count > 0, self.places[self.offset], 0)
        return found
