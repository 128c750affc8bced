"""Loops over the spans of a convolution, compiled by numba.

Channels lie side by side in memory. So do the neurons that one event reaches in one row of the
output: for every row of the kernel an event adds one contiguous span of weights, as long as the
kernel is wide times the channels. For that the columns of the kernel are stored from right to left
(`Spans`). Errors go the other way, from neuron to inputs, whose span in one row of the image is
contiguous too; only neurons that have an error are looked at, and behind pooling most have none.

A fully connected layer is the convolution whose kernel covers its input.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sstdp_hw.network.layers import Array
from sstdp_hw.network.reach import Reach

from ...recipes.architecture import Geometry
from .compiled import njit
from .rows import select_late


@njit(cache=True, nogil=True)
def _add_span(total: Any, at: Any, values: Any, start: Any, length: Any) -> None:
    to, of = np.uint64(at), np.uint64(start)  # unsigned: no wrap-around, so vector instructions
    for j in range(np.uint64(length)):
        total[to + j] += values[of + j]


@njit(cache=True, nogil=True)
def _add_where_early(
    total: Any, at: Any, times: Any, start: Any, length: Any, step: Any, error: Any
) -> None:
    to, of = np.uint64(at), np.uint64(start)
    for j in range(np.uint64(length)):
        total[to + j] += error if times[of + j] <= step else np.float32(0)


@njit(cache=True, nogil=True)
def _add_span_where_early(
    total: Any, weight: Any, start: Any, held: Any, at: Any, length: Any, step: Any, error: Any
) -> None:
    to, of = np.uint64(at), np.uint64(start)
    for j in range(np.uint64(length)):
        total[to + j] += error * weight[of + j] if held[to + j] <= step else np.float32(0)


@njit(cache=True, nogil=True)
def add_kernels(
    v: Any, weight: Any, events: Any, start: int, end: int, g: Any, ys: Any, xs: Any
) -> None:
    """Add the weights of ``events[start:end]`` to the potentials of the neurons they reach."""
    width, channels, out_width, neurons, height, columns = g[1], g[2], g[4], g[5], g[6], g[7]
    for k in range(start, end):
        place, channel = events[k] // channels, events[k] % channels
        y, x = place // width, place % width
        at = (ys[y, 0] * out_width + xs[x, 0]) * neurons
        of = ((channel * height + ys[y, 2]) * columns + xs[x, 2]) * neurons
        for _ in range(ys[y, 1]):
            _add_span(v, at, weight, of, xs[x, 1] * neurons)
            at += out_width * neurons
            of -= g[8] * columns * neurons


@njit(cache=True, nogil=True)
def add_errors_by_event(
    total: Any, error: Any, spike_times: Any, late: Any, events: Any, steps: Any, count: int,
    g: Any, ys: Any, xs: Any,
) -> None:  # fmt: skip
    """Add to the weights of every event the errors of the neurons that it reached in time.

    Events are in order of time; ``late`` is room for an error of each neuron.
    """
    width, channels, out_width, neurons, height, columns = g[1], g[2], g[4], g[5], g[6], g[7]
    step = -1
    for k in range(count):
        if steps[k] != step:
            step = np.int64(steps[k])
            select_late(late, error, spike_times, spike_times.dtype.type(step))
        place, channel = events[k] // channels, events[k] % channels
        y, x = place // width, place % width
        at = (ys[y, 0] * out_width + xs[x, 0]) * neurons
        of = ((channel * height + ys[y, 2]) * columns + xs[x, 2]) * neurons
        for _ in range(ys[y, 1]):
            _add_span(total, of, late, at, xs[x, 1] * neurons)
            at += out_width * neurons
            of -= g[8] * columns * neurons


@njit(cache=True, nogil=True)
def add_errors_by_neuron(
    total: Any, error: Any, spike_times: Any, times: Any, t_max: int, g: Any, rows: Any
) -> None:
    """Add every neuron's error to its weights from inputs that came in time; ``times`` is uint8."""
    width, channels, out_width, neurons, height, columns = g[1], g[2], g[4], g[5], g[6], g[7]
    for j in range(error.shape[0]):
        if error[j] == 0:
            continue
        step = np.uint8(min(np.int64(spike_times[j]), t_max - 1))  # silent inputs are not in time
        place, neuron = j // neurons, j % neurons
        row, column = place // out_width, g[3] + place % out_width
        for k in range(rows[row, 1]):
            at = ((rows[row, 0] + k) * width + rows[column, 0]) * channels
            of = ((neuron * height + rows[row, 2] + k) * columns + rows[column, 2]) * channels
            _add_where_early(total, of, times, at, rows[column, 1] * channels, step, error[j])


@njit(cache=True, nogil=True)
def send_kernel_back(
    sent: Any, error: Any, weight: Any, held: Any, j: int, spike_time: Any, g: Any, rows: Any
) -> None:
    """Add the error of neuron ``j`` to its inputs, where these came in time.

    ``held`` (float32) has the inputs' times, ``weight`` is [neurons, kernel height, kernel width,
    channels].
    """
    width, channels, out_width, neurons, height, columns = g[1], g[2], g[4], g[5], g[6], g[7]
    place, neuron = j // neurons, j % neurons
    row, column = place // out_width, g[3] + place % out_width
    for k in range(rows[row, 1]):
        at = ((rows[row, 0] + k) * width + rows[column, 0]) * channels
        of = ((neuron * height + rows[row, 2] + k) * columns + rows[column, 2]) * channels
        length = rows[column, 1] * channels
        _add_span_where_early(sent, weight, of, held, at, length, spike_time, error)


@dataclass(frozen=True)
class Spans:
    """The spans of a geometry, as tables of small integers.

    An input in column x reaches output columns that lie side by side
    (`sstdp_hw.network.reach.Reach`). Kernel columns are stored in its order, so that their weights
    lie side by side as well.
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
    def numbers(self) -> Array:
        """Height, width and channels of the input and of the output, kernel size, stride down."""
        g = self.geometry
        return np.array([*g.inputs, *g.outputs, *g.kernel, g.stride[0]], np.int64)

    @cached_property
    def of_rows(self) -> Array:
        """For every input row the first output row, their count, and the kernel row for it."""
        reach = self._reach(0)
        return self._table(reach, reach.offset)

    @cached_property
    def of_columns(self) -> Array:
        """The same for columns, with the place in `order` for the kernel column."""
        reach = self._reach(1)
        return self._table(reach, reach.place)

    def _table(self, reach: Reach, start: Array) -> Array:
        first = np.where(reach.count > 0, reach.first, 0)
        return np.stack([first, reach.count, start], 1).astype(np.int64)

    @cached_property
    def of_outputs(self) -> Array:
        """For every output row, then for every output column: the first input row or column in its
        window, their count, and the kernel row or column for the first."""
        tables = []
        for axis in (0, 1):
            g = self.geometry
            start = np.arange(g.outputs[axis]) * g.stride[axis] - g.padding[axis]
            first = np.clip(start, 0, g.inputs[axis])
            end = np.clip(start + g.kernel[axis], 0, g.inputs[axis])
            tables.append(np.stack([first, end - first, first - start], 1))
        return np.concatenate(tables).astype(np.int64)
