"""The sums over events in code compiled for the CPU by numba; importing needs numba.

Forward, each sample's inputs are counting-sorted by spike time; every event adds one contiguous
weight row to the membrane potentials, and potentials are compared once per occupied step. Backward,
every event adds the row of errors of the neurons it reached in time. Each number is one sum in a
fixed order: results do not depend on the machine's load or thread count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from sstdp_hw.layers import Array

from .rows_native import (
    add_four_rows,
    add_row,
    add_scaled_where_early,
    array_of,
    positive,
    select_late,
)
from .stack_native import NativeStackPass, fire_stack

@njit(cache=True, nogil=True)
def _record(v: Any, spike_times: Any, excess: Any, step: Any) -> None:
    """Note the neurons above threshold, and keep them from ever getting there again."""
    for j in range(v.shape[0]):
        if v[j] > 0:
            spike_times[j] = step
            excess[j] = v[j]
            v[j] = -np.inf


@njit(cache=True, nogil=True)
def _sort(times: Any, t_max: int, order: Any, ends: Any) -> None:
    """Counting sort: ``order`` gets the inputs by time, ``ends[t]`` where those of ``t`` end."""
    ends[:] = 0
    for i in range(times.shape[0]):
        if times[i] < t_max:
            ends[times[i] + 1] += 1
    for t in range(t_max):
        ends[t + 1] += ends[t]
    for i in range(times.shape[0]):
        if times[i] < t_max:
            order[ends[times[i]]] = i
            ends[times[i]] += 1


@njit(cache=True, nogil=True)
def _fire(
    times: Any, weight: Any, threshold: Any, t_max: int, spike_times: Any, excess: Any
) -> None:
    order = np.empty(times.shape[1], np.int64)
    ends = np.empty(t_max + 1, np.int64)
    v = np.empty(weight.shape[1], np.float32)
    silent = np.float32(t_max)
    for sample in range(times.shape[0]):
        _sort(times[sample], t_max, order, ends)
        for j in range(v.shape[0]):
            v[j] = -threshold[j]
        spike_times[sample, :] = silent
        event = 0
        for step in range(t_max):
            end = ends[step]
            if event == end and step > 0:  # step 0 is compared without events: theta may be below 0
                continue
            while event + 4 <= end:
                add_four_rows(
                    v, weight[order[event]], weight[order[event + 1]],
                    weight[order[event + 2]], weight[order[event + 3]],
                )  # fmt: skip
                event += 4
            while event < end:
                add_row(v, weight[order[event]])
                event += 1
            if positive(v):
                _record(v, spike_times[sample], excess[sample], np.float32(step))
        for j in range(v.shape[0]):
            if spike_times[sample, j] == silent:
                excess[sample, j] = v[j]


@njit(cache=True, nogil=True)
def _sum_over_samples(times: Any, spike_times: Any, error: Any, t_max: int, total: Any) -> None:
    order = np.empty(times.shape[1], np.int64)
    ends = np.empty(t_max + 1, np.int64)
    late = np.empty(error.shape[1], np.float32)
    total[:] = 0
    for sample in range(times.shape[0]):
        _sort(times[sample], t_max, order, ends)
        event = 0
        for step in range(t_max):
            if event < ends[step]:
                select_late(late, error[sample], spike_times[sample], np.float32(step))
            while event < ends[step]:
                add_row(total[order[event]], late)
                event += 1


@njit(cache=True, nogil=True)
def _sum_over_neurons(
    times: Any, spike_times: Any, error: Any, by_neuron: Any, t_max: int, total: Any
) -> None:
    held = np.empty(times.shape[1], np.float32)
    for sample in range(times.shape[0]):
        total[sample, :] = 0
        for i in range(held.shape[0]):
            held[i] = times[sample, i] if times[sample, i] < t_max else 0  # never late
        for j in range(error.shape[1]):
            if error[sample, j] != 0:
                add_scaled_where_early(
                    total[sample], error[sample, j], by_neuron[j], held, spike_times[sample, j]
                )


@dataclass(frozen=True)
class NativePass:
    """One batch through one layer; see `kernels.Pass`.

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


class NativeKernel:
    """See `kernels.Kernel`."""

    name = "native"

    def fire(self, times: Tensor, weight: Tensor, threshold: Tensor, t_max: int) -> NativePass:
        own = array_of(times.to(torch.uint8))
        spike_times = torch.empty(len(times), weight.shape[1])
        excess = torch.empty_like(spike_times)
        _fire(own, array_of(weight), array_of(threshold), t_max, spike_times.numpy(), excess.numpy())
        return NativePass(own, t_max, spike_times, excess)

    def fire_stack(
        self, times: Tensor, weights: Sequence[Tensor], thresholds: Sequence[Tensor], t_max: int,
        until_decision: bool,
    ) -> NativeStackPass:  # fmt: skip
        return fire_stack(times, weights, thresholds, t_max, until_decision)


KERNEL = NativeKernel()
