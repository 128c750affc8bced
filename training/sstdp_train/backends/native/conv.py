"""The sums over events of one convolution in code compiled for the CPU by numba.

For networks with convolutions `chain_native` takes all layers in one pass; this is the same for a
single layer, and what that is compared with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sstdp_hw.network.layers import Array

from ...recipes.architecture import Geometry
from .compiled import njit
from .rows import array_of, list_spikes, positive, sort_by_time
from .spans import Spans, add_errors_by_event, add_errors_by_neuron, add_kernels, send_kernel_back


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
            add_kernels(v, weight, events, event, end, g, ys, xs)
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
    inputs = times.shape[1]
    found, late = np.empty(inputs + 1, np.int32), np.empty(error.shape[1], np.float32)
    events, steps = np.empty(inputs, np.int32), np.empty(inputs, np.uint8)
    places = np.empty(t_max + 1, np.int64)
    by_event[:], by_neuron[:] = 0, 0
    for sample in range(times.shape[0]):
        total = list_spikes(times[sample], t_max, found)
        if total <= np.count_nonzero(error[sample]):
            sort_by_time(times[sample], found, total, places, events, steps)
            add_errors_by_event(
                by_event, error[sample], spike_times[sample], late, events, steps, total, g, ys, xs
            )
        else:
            add_errors_by_neuron(
                by_neuron, error[sample], spike_times[sample], times[sample], t_max, g, rows
            )


@njit(cache=True, nogil=True)
def _sum_over_neurons(
    times: Any, spike_times: Any, error: Any, weight: Any, t_max: int, g: Any, rows: Any, total: Any
) -> None:
    held = np.empty(times.shape[1], np.float32)
    total[:] = 0
    for sample in range(times.shape[0]):
        for i in range(held.shape[0]):
            held[i] = times[sample, i] if times[sample, i] < t_max else 0  # never late
        for j in range(error.shape[1]):
            if error[sample, j] != 0:
                fired = spike_times[sample, j]
                send_kernel_back(total[sample], error[sample, j], weight, held, j, fired, g, rows)


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
        in_order = torch.from_numpy(by_event[:, :, self.spans.place])
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
