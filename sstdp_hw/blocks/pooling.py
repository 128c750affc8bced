"""First-spike pooling as hardware: a filter with a mark for every pooled cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from ..network.layers import Array, Pool2d, Shape
from .feature_map import FeatureMap
from .map_parameters import MapParameters
from .pipeline import POOL_STAGES, STAMP_LATENCY, stamp_width
from .place import Place
from .weight_store import WeightStore


@dataclass(frozen=True, eq=False)
class PoolParameters(MapParameters):
    """First-spike pooling: of every window the first event passes.

    Parameters
    ----------
    layer : Pool2d
    """

    layer: Pool2d

    kind = "pool2d"

    @classmethod
    def create(cls, layer: Pool2d, place: Place, lanes: Iterator[int], store: WeightStore) -> Self:
        """The block of a layer in its place; takes no ``lanes`` and has no weights to store."""
        return cls(*MapParameters.surroundings(place), layer)

    @property
    def shape(self) -> Shape:
        """Of the output."""
        return self.layer.output_shape(self.arriving.shape)

    @cached_property
    def leaving(self) -> FeatureMap:
        """How the spikes of the layer are numbered; the mark of a cell stands at its index."""
        return self.numbered(self.shape, self.arriving.shape[0])

    @property
    def cells(self) -> int:
        """Marks, one for every index of a pooled event."""
        return self.leaving.count

    @property
    def stamp_width(self) -> int:
        """Bits of a mark, which tells in which image the cell was last passed."""
        return stamp_width(self.cells)

    @property
    def memory_bits(self) -> int:
        """Bits of the marks."""
        return self.cells * self.stamp_width

    @property
    def latency(self) -> int:
        """Cycles from an event to its write into the queue, one after the step's next event."""
        return self.places_latency + POOL_STAGES + STAMP_LATENCY + 1

    @property
    def most_cycles(self) -> int:
        """Cycles that an image can take here, with room to spare."""
        return self.inputs + self.cells + self.latency

    def cell(self, axis: int) -> Array:
        """Window of every row (axis 0) or column (axis 1) of the input, -1 for none: int64."""
        size, kernel = self.arriving.shape[1 + axis], self.layer.kernel[axis]
        windows = np.arange(size) // kernel
        return np.where(windows < self.shape[1 + axis], windows, -1)

    @property
    def pooled(self) -> Array:
        """Index of the pooled event for every index of an event, -1 outside all windows: int64."""
        channel, y, x = self.coordinates
        window_y, window_x = self.cell(0)[y], self.cell(1)[x]
        index = window_y * self.leaving.row + window_x * self.leaving.column + channel
        return np.where((window_y < 0) | (window_x < 0), -1, index)
