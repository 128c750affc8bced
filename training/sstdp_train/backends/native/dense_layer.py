"""The sums over events of one fully connected layer, compiled for the CPU by numba.

Forward, each sample's inputs are counting-sorted by spike time; every event adds one contiguous
weight row to the membrane potentials, and potentials are compared once per occupied step. Backward,
every event adds the row of errors of the neurons it reached in time. Each number is one sum in a
fixed order: results do not depend on the machine's load or thread count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sstdp_hw.network.layers import Array

from .arrays import array_of
from .compiled import njit
from .dense_sums import add_errors_by_event, add_events, send_back
from .events import event_list, fired_list, hold, list_fired, list_spikes, sort_by_time


@njit(cache=True, nogil=True)
def _fire(
    times: Any, weight: Any, threshold: Any, t_max: int, spike_times: Any, excess: Any
) -> None:
    inputs, fired = event_list(times.shape[1], t_max), fired_list(weight.shape[1])
    events, steps, firing = inputs.events, inputs.steps, fired.neurons
    v = np.empty(weight.shape[1], np.float32)
    silent = np.float32(t_max)
    for sample in range(times.shape[0]):
        total = list_spikes(times[sample], t_max, inputs)
        sort_by_time(times[sample], total, inputs)
        for j in range(v.shape[0]):
            v[j] = -threshold[j]
        spike_times[sample, :] = silent
        event = 0
        for step in range(t_max):
            end = event
            while end < total and steps[end] == step:
                end += 1
            if event == end and step > 0:  # step 0 is compared without events: theta may be below 0
                continue
            add_events(v, weight, events, event, end)
            event = end
            for k in range(list_fired(v, fired)):
                j = firing[k]
                spike_times[sample, j] = step
                excess[sample, j] = v[j]
                v[j] = -np.inf  # never again
        for j in range(v.shape[0]):
            if spike_times[sample, j] == silent:
                excess[sample, j] = v[j]


@njit(cache=True, nogil=True)
def _sum_over_samples(times: Any, spike_times: Any, error: Any, t_max: int, total: Any) -> None:
    inputs = event_list(times.shape[1], t_max)
    late = np.empty(error.shape[1], np.float32)
    total[:] = 0
    for sample in range(times.shape[0]):
        count = list_spikes(times[sample], t_max, inputs)
        sort_by_time(times[sample], count, inputs)
        add_errors_by_event(
            total, error[sample], spike_times[sample], late, inputs.events[:count],
            inputs.steps[:count],
        )  # fmt: skip


@njit(cache=True, nogil=True)
def _sum_over_neurons(
    times: Any, spike_times: Any, error: Any, by_neuron: Any, t_max: int, total: Any
) -> None:
    held = np.empty(times.shape[1], np.float32)
    for sample in range(times.shape[0]):
        hold(held, times[sample], t_max, np.float32(0))  # never late
        send_back(total[sample], error[sample], by_neuron, spike_times[sample], held)


@dataclass(frozen=True)
class NativeDensePass:
    """One batch through one fully connected layer; see `rule.backend.LayerPass`.

    Members
    -------
    times : uint8 [batch, in]
    t_max : int
    """

    times: Array
    t_max: int
    spike_times: Tensor
    excess: Tensor

    @property
    def spiked(self) -> Tensor:
        return torch.from_numpy(self.times < self.t_max)

    def sum_over_samples(self, error: Tensor) -> Tensor:
        total = torch.empty(self.times.shape[1], error.shape[1])
        _sum_over_samples(
            self.times, self.spike_times.numpy(), array_of(error), self.t_max, total.numpy()
        )
        return total

    def sum_over_neurons(self, error: Tensor, weight: Tensor) -> Tensor:
        total = torch.empty(self.times.shape)
        _sum_over_neurons(
            self.times, self.spike_times.numpy(), array_of(error), array_of(weight.t()), self.t_max,
            total.numpy(),
        )  # fmt: skip
        return total


class NativeDenseLayer:
    """See `rule.backend.LayerBackend`."""

    def fire(self, times: Tensor, weight: Tensor, threshold: Tensor, t_max: int) -> NativeDensePass:
        own = array_of(times.to(torch.uint8))
        spike_times = torch.empty(len(times), weight.shape[1])
        excess = torch.empty_like(spike_times)
        _fire(
            own, array_of(weight), array_of(threshold), t_max, spike_times.numpy(), excess.numpy()
        )
        return NativeDensePass(own, t_max, spike_times, excess)
