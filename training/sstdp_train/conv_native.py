"""The sums over events of a convolution in code compiled for the CPU by numba.

Channels lie side by side in memory. So do the neurons that one event reaches in one row of the
output: for every row of the kernel an event adds one contiguous span of weights, as long as the
kernel is wide times the channels. For that the columns of the kernel are stored from right to left
(`Spans`). Errors go the other way, from neuron to inputs, whose span in one row of the image is
contiguous too; only neurons that have an error are looked at, and behind pooling most have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from sstdp_hw.layers import Array

from .architecture import Geometry
from .rows_native import array_of, list_spikes, positive, sort_by_time


@njit(cache=True, nogil=True)
def _add_span(v: Any, at: Any, weight: Any, start: Any, length: Any) -> None:
    to, of = np.uint64(at), np.uint64(start)  # unsigned: no wrap-around, so vector instructions
    for j in range(np.uint64(length)):
        v[to + j] += weight[of + j]


@njit(cache=True, nogil=True)
def _add_span_where_late(
    total: Any, at: Any, error: Any, spike_times: Any, start: Any, length: Any, step: Any
) -> None:
    to, of = np.uint64(at), np.uint64(start)
    for j in range(np.uint64(length)):
        total[to + j] += error[of + j] if spike_times[of + j] >= step else np.float32(0)


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
def _add_events(v: Any, weight: Any, events: Any, start: int, end: int, g: Any, ys: Any, xs: Any
) -> None:  # fmt: skip
    """Add the kernels of ``events[start:end]`` around the positions where they are."""
    width, channels, out_width, neurons, height, columns = g[1], g[2], g[4], g[5], g[6], g[7]
    for k in range(start, end):
        event = events[k]
        place, channel = event // channels, event % channels
        y, x = place // width, place % width
        length = xs[x, 1] * neurons
        at = (ys[y, 0] * out_width + xs[x, 0]) * neurons
        of = ((channel * height + ys[y, 2]) * columns + xs[x, 2]) * neurons
        for _ in range(ys[y, 1]):
            _add_span(v, at, weight, of, length)
            at += out_width * neurons
            of -= g[8] * columns * neurons


@njit(cache=True, nogil=True)
def _fire(
    times: Any, weight: Any, threshold: Any, t_max: int, g: Any, ys: Any, xs: Any,
    spike_times: Any, excess: Any,
) -> None:  # fmt: skip
    inputs, cells, neurons = times.shape[1], spike_times.shape[1], threshold.shape[0]
    found = np.empty(max(inputs, cells) + 1, np.int32)
    events, steps = np.empty(inputs, np.int32), np.empty(inputs, np.uint8)
    places = np.empty(t_max + 1, np.int64)
    words = np.empty(cells // 8 + 1, np.uint64)
    v = np.empty(cells, np.float32)
    silent = np.float32(t_max)
    for sample in range(times.shape[0]):
        total = list_spikes(times[sample], t_max, found)
        sort_by_time(times[sample], found, total, places, events, steps)
        for at in range(0, cells, neurons):
            for j in range(neurons):
                v[at + j] = -threshold[j]
        spike_times[sample, :] = silent
        event = 0
        for step in range(t_max):
            end = event
            while end < total and steps[end] == step:
                end += 1
            if event == end and step > 0:  # step 0 is compared without events: theta may be below 0
                continue
            _add_events(v, weight, events, event, end, g, ys, xs)
            event = end
            for k in range(positive(v, words, found)):
                j = found[k]
                spike_times[sample, j] = step
                excess[sample, j] = v[j]
                v[j] = -np.inf  # never again
        for j in range(cells):
            if spike_times[sample, j] == silent:
                excess[sample, j] = v[j]


@njit(cache=True, nogil=True)
def _sum_over_samples(
    times: Any, spike_times: Any, error: Any, t_max: int, g: Any, ys: Any, xs: Any, rows: Any,
    by_event: Any, by_neuron: Any,
) -> None:  # fmt: skip
    """``by_event`` [channels, kernel height, columns, neurons] and ``by_neuron`` [neurons, kernel
    height, kernel width, channels] are two parts of one sum: of each image, that which takes fewer
    spans."""
    inputs, cells = times.shape[1], error.shape[1]
    found = np.empty(inputs + 1, np.int32)
    by_event[:], by_neuron[:] = 0, 0
    for sample in range(times.shape[0]):
        total = list_spikes(times[sample], t_max, found)
        if total <= np.count_nonzero(error[sample]):
            for k in range(total):
                _gather(by_event, error[sample], spike_times[sample], found[k],
                        np.float32(times[sample, found[k]]), g, ys, xs)  # fmt: skip
        else:
            for j in range(cells):
                if error[sample, j] != 0:
                    step = min(spike_times[sample, j], np.float32(t_max - 1))
                    _scatter(by_neuron, times[sample], j, np.uint8(step), error[sample, j], g, rows)


@njit(cache=True, nogil=True)
def _gather(
    total: Any, error: Any, spike_times: Any, event: Any, step: Any, g: Any, ys: Any, xs: Any
) -> None:
    """Add the errors of the neurons that an event reached in time to its weights."""
    width, channels, out_width, neurons, height, columns = g[1], g[2], g[4], g[5], g[6], g[7]
    place, channel = event // channels, event % channels
    y, x = place // width, place % width
    length = xs[x, 1] * neurons
    at = (ys[y, 0] * out_width + xs[x, 0]) * neurons
    of = ((channel * height + ys[y, 2]) * columns + xs[x, 2]) * neurons
    for _ in range(ys[y, 1]):
        _add_span_where_late(total, of, error, spike_times, at, length, step)
        at += out_width * neurons
        of -= g[8] * columns * neurons


@njit(cache=True, nogil=True)
def _scatter(total: Any, times: Any, j: int, step: Any, error: Any, g: Any, rows: Any) -> None:
    """Add a neuron's error to its weights from inputs that came in time."""
    width, channels, out_width, neurons, height, columns = g[1], g[2], g[4], g[5], g[6], g[7]
    place, neuron = j // neurons, j % neurons
    row, column = place // out_width, g[3] + place % out_width
    length = rows[column, 1] * channels
    for k in range(rows[row, 1]):
        at = ((rows[row, 0] + k) * width + rows[column, 0]) * channels
        of = ((neuron * height + rows[row, 2] + k) * columns + rows[column, 2]) * channels
        _add_where_early(total, of, times, at, length, step, error)


@njit(cache=True, nogil=True)
def _sum_over_neurons(
    times: Any, spike_times: Any, error: Any, weight: Any, t_max: int, g: Any, rows: Any, total: Any
) -> None:
    """``weight`` [neurons, kernel height, kernel width, channels]."""
    width, channels, out_width, neurons, height, columns = g[1], g[2], g[4], g[5], g[6], g[7]
    held = np.empty(times.shape[1], np.float32)
    total[:] = 0
    for sample in range(times.shape[0]):
        for i in range(held.shape[0]):
            held[i] = times[sample, i] if times[sample, i] < t_max else 0  # never late
        for j in range(error.shape[1]):
            if error[sample, j] == 0:
                continue
            place, neuron = j // neurons, j % neurons
            row, column = place // out_width, g[3] + place % out_width
            length = rows[column, 1] * channels
            for k in range(rows[row, 1]):
                at = ((rows[row, 0] + k) * width + rows[column, 0]) * channels
                of = ((neuron * height + rows[row, 2] + k) * columns + rows[column, 2]) * channels
                _add_span_where_early(
                    total[sample], weight, of, held, at, length, spike_times[sample, j],
                    error[sample, j],
                )  # fmt: skip


@dataclass(frozen=True)
class Spans:
    """The spans of a geometry, as tables of small integers.

    An input in column x reaches the ``count`` output columns from ``first`` on. The kernel column
    for the first of them is the largest that fits, and it falls by the stride from one to the next.
    Kernel columns that are a multiple of the stride apart are therefore stored side by side, from
    right to left, and ``start`` is where the span begins among them.
    """

    geometry: Geometry

    @cached_property
    def order(self) -> Array:
        """Kernel columns as they are stored."""
        width, stride = self.geometry.kernel[1], self.geometry.stride[1]
        groups = [np.arange(width)[rest::stride][::-1] for rest in range(min(stride, width))]
        return np.concatenate(groups)

    @cached_property
    def numbers(self) -> Array:
        """Height, width and channels of the input and of the output, kernel size, stride down."""
        g = self.geometry
        return np.array([*g.inputs, *g.outputs, *g.kernel, g.stride[0]], np.int64)

    @cached_property
    def of_rows(self) -> Array:
        """For every input row the first output row, their count, and the kernel row for it."""
        return self._of_inputs(0)

    @cached_property
    def of_columns(self) -> Array:
        """The same for columns, with the place in `order` for the kernel column."""
        table = self._of_inputs(1)
        place = np.argsort(self.order)
        table[:, 2] = np.where(table[:, 1] > 0, place[table[:, 2]], 0)
        return table

    def _of_inputs(self, axis: int) -> Array:
        g = self.geometry
        at = np.arange(g.inputs[axis]) + g.padding[axis]
        kernel, stride = g.kernel[axis], g.stride[axis]
        first = np.maximum(0, -((kernel - 1 - at) // stride))
        last = np.minimum(at // stride, g.outputs[axis] - 1)
        count = np.maximum(0, last - first + 1)
        within = np.where(count > 0, at - first * stride, 0)
        return np.stack([np.where(count > 0, first, 0), count, within], 1).astype(np.int64)

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


@dataclass(frozen=True)
class NativeConvPass:
    """One batch through one convolution; see `kernels.Pass`.

    Members
    -------
    times : uint8 [batch, height * width * channels]
    """

    spans: Spans
    times: Array
    t_max: int
    spike_times: Tensor
    excess: Tensor

    @property
    def spiked(self) -> Tensor:
        spiked = torch.from_numpy(self.times < self.t_max)
        return spiked.view(-1, *self.spans.geometry.inputs)

    def sum_over_samples(self, error: Tensor) -> Tensor:
        g = self.spans.geometry
        (height, width), channels, neurons = g.kernel, g.inputs[2], g.outputs[2]
        by_event = np.empty((channels, height, width, neurons), np.float32)
        by_neuron = np.empty((neurons, height, width, channels), np.float32)
        _sum_over_samples(
            self.times, _rows(self.spike_times), _rows(error), self.t_max, self.spans.numbers,
            self.spans.of_rows, self.spans.of_columns, self.spans.of_outputs,
            by_event.reshape(-1), by_neuron.reshape(-1),
        )  # fmt: skip
        total = torch.from_numpy(by_neuron).permute(1, 2, 3, 0)
        in_order = torch.from_numpy(by_event[:, :, np.argsort(self.spans.order)])
        return total + in_order.permute(1, 2, 0, 3)

    def sum_over_neurons(self, error: Tensor, weight: Tensor) -> Tensor:
        total = torch.empty(len(self.times), *self.spans.geometry.inputs)
        _sum_over_neurons(
            self.times, _rows(self.spike_times), _rows(error),
            array_of(weight.permute(3, 0, 1, 2)).reshape(-1), self.t_max, self.spans.numbers,
            self.spans.of_outputs, _rows(total),
        )  # fmt: skip
        return total


def _rows(tensor: Tensor) -> Array:
    return array_of(tensor.flatten(1))


class NativeConvKernel:
    """See `kernels.LayerKernel`."""

    name = "native"

    def __init__(self, geometry: Geometry) -> None:
        self.spans = Spans(geometry)

    def fire(self, times: Tensor, weight: Tensor, threshold: Tensor, t_max: int) -> NativeConvPass:
        own = _rows(times.to(torch.uint8))
        spike_times = torch.empty(len(times), *self.spans.geometry.outputs)
        excess = torch.empty_like(spike_times)
        by_event = array_of(weight.permute(2, 0, 1, 3))[:, :, self.spans.order]
        _fire(
            own, by_event.reshape(-1), array_of(threshold), t_max, self.spans.numbers,
            self.spans.of_rows, self.spans.of_columns, _rows(spike_times), _rows(excess),
        )  # fmt: skip
        return NativeConvPass(self.spans, own, t_max, spike_times, excess)
