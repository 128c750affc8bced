"""A whole stack of layers in two compiled passes, one forward and one backward; needs numba.

The same sums in the same order as layer by layer in `kernel_native`, so the results are the same to
the bit. What is saved is what stands between the layers: input spikes are sorted once for both
passes, a spike of a hidden neuron goes straight on as an event of the next layer, and an image can
end at its decision, as in the accelerator.

Arrays of a stack of L layers, as tuples: ``weights[l]`` float32 [fan_in, neurons],
``thresholds[l]`` float32 [neurons], ``spike_times[l]`` and ``excess[l]`` float32 [batch, neurons].
``events[l]`` int32 [batch, fan_in] lists the inputs of layer l that spiked, in order of time and
then of index, ``steps[l]`` uint8 of the same shape the step of each, ``counts`` int32 [L, batch]
how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from .rule import LayerRule


@njit(cache=True, nogil=True)
def _lit(times: Any, t_max: int, found: Any) -> int:
    """List the inputs that spike. No branch: which ones do is hard to predict."""
    count = 0
    for i in range(times.shape[0]):
        found[count] = i
        count += times[i] < t_max
    return count


@njit(cache=True, nogil=True)
def _sort(times: Any, found: Any, count: int, places: Any, events: Any, steps: Any) -> None:
    """Counting sort by time of the first ``count`` inputs in ``found``."""
    places[:] = 0
    for k in range(count):
        places[times[found[k]] + 1] += 1
    for t in range(1, places.shape[0]):
        places[t] += places[t - 1]
    for k in range(count):
        time = times[found[k]]
        events[places[time]] = found[k]
        steps[places[time]] = time
        places[time] += 1


@njit(cache=True, nogil=True)
def _add_events(v: Any, weight: Any, events: Any, start: int, end: int) -> None:
    while start + 4 <= end:
        add_four_rows(
            v, weight[events[start]], weight[events[start + 1]],
            weight[events[start + 2]], weight[events[start + 3]],
        )  # fmt: skip
        start += 4
    while start < end:
        add_row(v, weight[events[start]])
        start += 1


@njit(cache=True, nogil=True)
def _record(v: Any, spike_times: Any, excess: Any, step: Any, fired: Any, count: int) -> int:
    """Note the neurons above threshold behind the ``count`` that have fired; how many have now."""
    for j in range(v.shape[0]):
        if v[j] > 0:
            spike_times[j] = step
            excess[j] = v[j]
            v[j] = -np.inf
            fired[count] = j
            count += 1
    return count


@njit(cache=True, nogil=True)
def _forward(
    times: Any, weights: Any, thresholds: Any, t_max: int, until_decision: bool, potentials: Any,
    spike_times: Any, excess: Any, events: Any, steps: Any, counts: Any, outputs: Any,
) -> None:  # fmt: skip
    depth = len(weights)
    found = np.empty(times.shape[1] + 1, np.int32)
    places = np.empty(t_max + 1, np.int64)
    silent = np.float32(t_max)
    for s in range(times.shape[0]):
        total = _lit(times[s], t_max, found)
        _sort(times[s], found, total, places, events[0][s], steps[0][s])
        for layer in range(depth):
            counts[layer, s] = 0
            spike_times[layer][s, :] = silent
            for j in range(thresholds[layer].shape[0]):
                potentials[layer][j] = -thresholds[layer][j]
        fired, decided = 0, False
        for step in range(t_max):
            before = counts[0, s]
            after = before
            while after < total and steps[0][s, after] == step:
                after += 1
            counts[0, s] = after
            for layer in range(depth):
                v = potentials[layer]
                if before == after and step > 0:
                    break  # no event; at step 0 a threshold below 0 needs none
                _add_events(v, weights[layer], events[layer][s], before, after)
                last = layer == depth - 1
                before = fired if last else counts[layer + 1, s]
                after = before
                if positive(v):
                    into = outputs if last else events[layer + 1][s]
                    after = _record(
                        v, spike_times[layer][s], excess[layer][s], np.float32(step), into, before
                    )
                if last:
                    fired = after
                else:
                    steps[layer + 1][s, before:after] = step
                    counts[layer + 1, s] = after
            decided = until_decision and fired > 0
            if decided or (counts[0, s] == total):
                break
        for layer in range(depth):
            for j in range(thresholds[layer].shape[0]):
                if spike_times[layer][s, j] == silent:
                    excess[layer][s, j] = potentials[layer][j]


@njit(cache=True, nogil=True)
def _add_errors(total: Any, error: Any, spike_times: Any, late: Any, events: Any, steps: Any,
                count: int) -> None:  # fmt: skip
    step = -1
    for k in range(count):
        if steps[k] != step:
            step = steps[k]
            select_late(late, error, spike_times, np.float32(step))
        add_row(total[events[k]], late)


@njit(cache=True, nogil=True, error_model="numpy")
def _gate(error: Any, excess: Any, unit: Any, scale: Any, triangle: bool) -> None:
    """Error times what the gate lets through; ``scale`` is gate * unit * |theta| per neuron."""
    for j in range(error.shape[0]):
        distance = abs(excess[j] * unit) / scale[j]
        if triangle:
            error[j] *= max(np.float32(1) - distance, np.float32(0))
        elif not distance < 1:
            error[j] = 0


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc"})
def _normalize(error: Any, batch: int) -> None:
    total = np.float32(0)
    for j in range(error.shape[0]):
        total += error[j] * error[j]
    length = (np.sqrt(total) + np.float32(1e-10)) * np.float32(batch)
    for j in range(error.shape[0]):
        error[j] /= length


@njit(cache=True, nogil=True)
def _backward(
    by_neuron: Any, units: Any, gates: Any, triangle: bool, normalize: bool,
    wake_silent: bool, pushes: Any, spike_times: Any, excess: Any, events: Any, steps: Any,
    counts: Any, t_max: int, late: Any, gradients: Any, errors: Any,
) -> None:  # fmt: skip
    """``errors[-1]`` holds what arrives at the output layer; the others are found on the way."""
    depth = len(gradients)
    batch = errors[depth - 1].shape[0]
    silent = np.float32(t_max)
    for layer in range(depth):
        gradients[layer][:] = 0
    for s in range(batch):
        own = errors[depth - 1][s]
        for down in range(depth):
            layer = depth - 1 - down
            if normalize:
                _normalize(own, batch)
            if gates[layer].shape[0]:
                _gate(own, excess[layer][s], units[layer], gates[layer], triangle)
            if layer > 0:
                times, sent = spike_times[layer - 1][s], errors[layer - 1][s]
                held = late[layer - 1]
                for i in range(sent.shape[0]):
                    sent[i] = 0
                    held[i] = times[i] if times[i] < silent else np.float32(0)  # never late
                for j in range(own.shape[0]):
                    if own[j] != 0:
                        add_scaled_where_early(
                            sent, own[j], by_neuron[layer][j], held, spike_times[layer][s, j]
                        )
                # The gradient of the spike times is minus that of the drive; so is what comes of it
                for i in range(sent.shape[0]):
                    if wake_silent or times[i] < silent:
                        sent[i] *= units[layer]
                    else:
                        sent[i] = 0
            if pushes[layer].shape[0]:
                for j in range(own.shape[0]):
                    own[j] -= pushes[layer][j]
            _add_errors(
                gradients[layer], own, spike_times[layer][s], late[layer], events[layer][s],
                steps[layer][s], counts[layer, s],
            )  # fmt: skip
            if layer > 0:
                own = errors[layer - 1][s]


@dataclass(frozen=True)
class NativeStackPass:
    """One batch through a stack of layers; see `kernels.StackPass`."""

    t_max: int
    weights: Sequence[Tensor]
    spike_times: list[Tensor]
    excess: list[Tensor]
    events: list[Tensor]
    steps: list[Tensor]
    counts: Tensor

    def send_back(
        self, error: Tensor, rules: Sequence[LayerRule], gates: Sequence[Tensor | None],
        pushes: Sequence[Tensor | None],
    ) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
        gradients = [torch.empty_like(weight) for weight in self.weights]
        errors = [torch.empty_like(times) for times in self.spike_times[:-1]]
        errors.append(error.contiguous())
        by_neuron = [NOTHING[None], *(weight.t() for weight in self.weights[1:])]
        _backward(
            _arrays(by_neuron), np.array([rule.unit for rule in rules], np.float32),
            _arrays_or_nothing(gates), rules[0].gate_shape == "triangle",
            rules[0].normalize_error, rules[0].wake_silent, _arrays_or_nothing(pushes),
            _arrays(self.spike_times), _arrays(self.excess), _arrays(self.events),
            _arrays(self.steps), self.counts.numpy(), self.t_max,
            _arrays([times.new_empty(times.shape[1]) for times in self.spike_times]),
            _arrays(gradients), _arrays(errors),
        )  # fmt: skip
        return gradients, errors


def fire_stack(
    times: Tensor, weights: Sequence[Tensor], thresholds: Sequence[Tensor], t_max: int,
    until_decision: bool,
) -> NativeStackPass:  # fmt: skip
    """See `kernels.StackKernel`."""
    batch, widths = len(times), [weight.shape[1] for weight in weights]
    spike_times = [torch.empty(batch, width) for width in widths]
    excess = [torch.empty(batch, width) for width in widths]
    events = [torch.empty(batch, weight.shape[0], dtype=torch.int32) for weight in weights]
    steps = [torch.empty(batch, weight.shape[0], dtype=torch.uint8) for weight in weights]
    counts = torch.empty(len(weights), batch, dtype=torch.int32)
    _forward(
        array_of(times.to(torch.uint8)), _arrays(weights), _arrays(thresholds), t_max,
        until_decision, _arrays([torch.empty(width) for width in widths]), _arrays(spike_times),
        _arrays(excess), _arrays(events), _arrays(steps), counts.numpy(),
        np.empty(widths[-1], np.int32),
    )  # fmt: skip
    return NativeStackPass(t_max, weights, spike_times, excess, events, steps, counts)


NOTHING = torch.empty(0)


def _arrays(tensors: Sequence[Tensor]) -> tuple[Array, ...]:
    return tuple(array_of(tensor) for tensor in tensors)


def _arrays_or_nothing(tensors: Sequence[Tensor | None]) -> tuple[Array, ...]:
    return _arrays([NOTHING if tensor is None else tensor for tensor in tensors])
