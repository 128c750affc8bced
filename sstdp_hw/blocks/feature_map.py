"""How the events of a feature map are numbered on their way to the next layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..network.layers import Array, Shape
from .widths import index_width


@dataclass(frozen=True)
class FeatureMap:
    """An event's index is ``y * row + x * column + channel``.

    A convolution or a pooling layer wants `fields`, from which it takes coordinates without
    arithmetic; a fully connected layer has a row of weights for every index and wants few of them,
    `packed`.

    Parameters
    ----------
    shape : (channels, height, width)
    column, row : int
        Distance of the indices of two neighbours in x and in y.
    """

    shape: Shape
    column: int
    row: int

    @classmethod
    def fields(cls, shape: Shape, channels: int) -> FeatureMap:
        """Coordinates in bit fields: channel lowest, then x, then y.

        ``channels`` may exceed those of ``shape``, for lanes without a neuron.
        """
        column = 1 << (channels - 1).bit_length()
        return cls(shape, column, column << (shape[2] - 1).bit_length())

    @classmethod
    def packed(cls, shape: Shape, channels: int) -> FeatureMap:
        """Without gaps, but for channels beyond those of ``shape``."""
        return cls(shape, channels, channels * shape[2])

    @property
    def widths(self) -> tuple[int, int, int]:
        """Bits of channel, x and y in the numbering of `fields`."""
        channel = self.column.bit_length() - 1
        column = self.row.bit_length() - 1 - channel
        return channel, column, (self.shape[1] - 1).bit_length()

    @property
    def count(self) -> int:
        """Indices that an event may carry."""
        _, height, width = self.shape
        return (height - 1) * self.row + (width - 1) * self.column + self.column

    @property
    def index_width(self) -> int:
        """Bits of an index."""
        return index_width(self.count)

    @property
    def indices(self) -> Array:
        """Index of every neuron, neurons in C order: int64."""
        channel, y, x = np.indices(self.shape).reshape(3, -1).astype(np.int64)
        found: Array = y * self.row + x * self.column + channel
        return found

    @property
    def neurons(self) -> Array:
        """Neuron in C order behind every index, -1 for none: int64 [count]."""
        found = np.full(self.count, -1, np.int64)
        found[self.indices] = np.arange(int(np.prod(self.shape)))
        return found
