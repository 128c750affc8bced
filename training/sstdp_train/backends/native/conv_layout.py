"""How the numbers of a convolution lie in memory, as tables of small integers.

Channels lie side by side in memory. So do the neurons that one event reaches in one row of the
output: for every row of the kernel an event adds one contiguous *span* of weights, as long as the
kernel is wide times the channels. For that the columns of the kernel are stored from right to left
(with a stride: in the order of `sstdp_hw.network.reach.Reach`).

A fully connected layer is the convolution whose kernel covers its input.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from sstdp_hw.network.layers import Array
from sstdp_hw.network.reach import Reach

from ...recipes.architecture import Geometry

FIRST, COUNT, KERNEL = 0, 1, 2  # columns of the tables below


class ConvTables(NamedTuple):
    """A geometry, as compiled code takes it.

    Members
    -------
    height, width, channels, out_height, out_width, neurons, kernel_height, kernel_width : int
    stride : int
        Down; the one across is in the tables.
    reached_rows : int64 [height, 3]
        For every input row the first output row that it reaches, their count, and the kernel row
        for the first.
    reached_columns : int64 [width, 3]
        The same for columns, with the place in `ConvLayout.order` for the kernel column.
    window_rows : int64 [out_height, 3]
        For every output row the first input row in its window, their count, and the kernel row for
        the first.
    window_columns : int64 [out_width, 3]
        The same for columns.
    """

    height: int
    width: int
    channels: int
    out_height: int
    out_width: int
    neurons: int
    kernel_height: int
    kernel_width: int
    stride: int
    reached_rows: Any
    reached_columns: Any
    window_rows: Any
    window_columns: Any


@dataclass(frozen=True)
class ConvLayout:
    """The layout of one geometry.

    An input in column x reaches output columns that lie side by side. Kernel columns are stored in
    that order, so that their weights lie side by side as well.
    """

    geometry: Geometry

    def _reach(self, axis: int) -> Reach:
        g = self.geometry
        return Reach(g.inputs[axis], g.kernel[axis], g.stride[axis], g.padding[axis])

    @cached_property
    def order(self) -> Array:
        """Kernel columns as they are stored."""
        return self._reach(1).order

    @cached_property
    def place(self) -> Array:
        """Where each kernel column is in `order`."""
        return self._reach(1).places

    @cached_property
    def tables(self) -> ConvTables:
        g, rows, columns = self.geometry, self._reach(0), self._reach(1)
        return ConvTables(
            *g.inputs, *g.outputs, *g.kernel, g.stride[0],
            reached_rows=_reached(rows, rows.offset),
            reached_columns=_reached(columns, columns.place),
            window_rows=self._windows(0),
            window_columns=self._windows(1),
        )  # fmt: skip

    def _windows(self, axis: int) -> Array:
        g = self.geometry
        start = np.arange(g.outputs[axis]) * g.stride[axis] - g.padding[axis]
        first = np.clip(start, 0, g.inputs[axis])
        end = np.clip(start + g.kernel[axis], 0, g.inputs[axis])
        return np.stack([first, end - first, first - start], 1).astype(np.int64)


def _reached(reach: Reach, start: Array) -> Array:
    first = np.where(reach.count > 0, reach.first, 0)
    return np.stack([first, reach.count, start], 1).astype(np.int64)
