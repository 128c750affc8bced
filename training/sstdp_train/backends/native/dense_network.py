"""A whole stack of layers in two compiled passes, one forward and one backward; needs numba.

The same sums in the same order as layer by layer in `kernel_native`, so the results are the same to
the bit. What is saved is what stands between the layers: input spikes are sorted once for both
passes, a spike of a hidden neuron goes straight on as an event of the next layer, and an image can
end at its decision, as in the accelerator.

Numbers of all layers lie side by side in one row per image. Neurons of layer l are ``first[l]`` to
``first[l + 1]`` of it. Events lie likewise, the pixels' before those of layer 0: those that layer l
receives begin at ``lists[l]``, in order of time and then of index, and ``steps`` holds the time of
each. ``counts[image, l]`` says how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from sstdp_hw.network.layers import Array

from .compiled import njit
from .rows import (
    add_errors,
    add_errors_by_neuron,
    add_events,
    array_of,
    hold,
    list_spikes,
    positive,
    send_back,
    sort_by_time,
)

if TYPE_CHECKING:
    from ...rule.spike_once import LayerRule

SHORT = 16  # neurons that do not fill a vector instruction


@njit(cache=True, nogil=True)
def _walk(
    weights: Any, t_max: int, until_decision: bool, first: Any, lists: Any, total: int,
    potentials: Any, spike_times: Any, excess: Any, events: Any, steps: Any, counts: Any,
    words: Any, found: Any,
) -> None:  # fmt: skip
    """One image: all steps, and in each of them one layer after the other."""
    depth = len(weights)
    for step in range(t_max):
        before = counts[0]
        after = before
        while after < total and steps[after] == step:
            after += 1
        counts[0] = after
        for layer in range(depth):
            if before == after and step > 0:
                break  # no event; in step 0 a threshold below 0 needs none
            at, own = lists[layer], lists[layer + 1]
            v = potentials[first[layer] : first[layer + 1]]
            add_events(v, weights[layer], events, at + before, at + after)
            before = counts[layer + 1]
            after = before + positive(v, words, found)
            for k in range(after - before):
                neuron = first[layer] + found[k]
                spike_times[neuron] = step
                excess[neuron] = potentials[neuron]
                potentials[neuron] = -np.inf  # never again
                events[own + before + k] = found[k]
                steps[own + before + k] = step
            counts[layer + 1] = after
        if counts[0] == total or (until_decision and counts[depth] > 0):
            return


@njit(cache=True, nogil=True)
def _forward(
    times: Any, weights: Any, thresholds: Any, t_max: int, until_decision: bool, first: Any,
    lists: Any, spike_times: Any, excess: Any, events: Any, steps: Any, counts: Any,
) -> None:  # fmt: skip
    found = np.empty(times.shape[1] + thresholds.shape[0] + 1, np.int32)
    words = np.empty(thresholds.shape[0] // 8 + 1, np.uint64)
    places = np.empty(t_max + 1, np.int64)
    potentials = np.empty(thresholds.shape[0], np.float32)
    silent = np.float32(t_max)
    for s in range(times.shape[0]):
        total = list_spikes(times[s], t_max, found)
        sort_by_time(times[s], found, total, places, events[s], steps[s])
        counts[s, :] = 0
        spike_times[s, :] = silent
        for j in range(potentials.shape[0]):
            potentials[j] = -thresholds[j]
        _walk(
            weights, t_max, until_decision, first, lists, total, potentials, spike_times[s],
            excess[s], events[s], steps[s], counts[s], words, found,
        )  # fmt: skip
        for j in range(potentials.shape[0]):
            if spike_times[s, j] == silent:
                excess[s, j] = potentials[j]


@njit(cache=True, nogil=True, error_model="numpy")
def gate_row(error: Any, excess: Any, unit: Any, reach: Any, triangle: bool) -> None:
    """Keep of errors what the gate lets through; it closes at ``reach`` [neurons]. They may be of
    several positions of these neurons."""
    neurons = reach.shape[0]
    for at in range(0, error.shape[0], neurons):
        for j in range(neurons):
            distance = abs(excess[at + j] * unit) / reach[j]
            share = np.float32(1) - distance
            # At a threshold of 0 a distance may be 0/0, which is not below 1 either.
            passing = share if share > 0 else np.float32(0)
            error[at + j] *= passing if triangle else np.float32(distance < 1)


@njit(cache=True, nogil=True, error_model="numpy")
def normalize_row(error: Any, batch: int) -> None:
    total = np.float64(0)  # in order, so that it is the same whatever a vector instruction holds
    for j in range(error.shape[0]):
        total += np.float64(error[j]) * np.float64(error[j])
    length = (np.float32(np.sqrt(total)) + np.float32(1e-10)) * np.float32(batch)
    for j in range(error.shape[0]):
        error[j] /= length


@njit(cache=True, nogil=True)
def _send_on(
    sent: Any, own: Any, by_neuron: Any, own_times: Any, times: Any, held: Any, t_max: int,
    factor: Any, wake_silent: bool,
) -> None:  # fmt: skip
    """Errors of a layer's neurons to those before it; ``held`` is room for a time of each."""
    silent = np.float32(t_max)
    hold(held, times, t_max, np.float32(0))  # never late
    send_back(sent, own, by_neuron, own_times, held)
    # A gradient of spike times is minus that of the drive: two signs on the way, and none left.
    for i in range(sent.shape[0]):
        sent[i] *= factor if wake_silent or times[i] < silent else np.float32(0)


@njit(cache=True, nogil=True)
def _backward(
    by_neuron: Any, units: Any, gated: Any, reach: Any, triangle: bool, normalize: bool,
    wake_silent: bool, push: Any, first: Any, lists: Any, spike_times: Any, excess: Any,
    events: Any, steps: Any, counts: Any, t_max: int, short: Any, gradients: Any, errors: Any,
) -> None:  # fmt: skip
    """``errors`` holds in the last layer what arrives there; the others are found on the way.

    The gradient of a ``short`` layer is [out, in].
    """
    depth, batch = len(gradients), errors.shape[0]
    room = np.empty(errors.shape[1], np.float32)
    for layer in range(depth):
        gradients[layer][:] = 0
    for s in range(batch):
        for layer in range(depth - 1, -1, -1):
            a, b = first[layer], first[layer + 1]
            own, times = errors[s, a:b], spike_times[s, a:b]
            if normalize:
                normalize_row(own, batch)
            if gated[layer]:
                gate_row(own, excess[s, a:b], units[layer], reach[a:b], triangle)
            if layer > 0:
                before = first[layer - 1]
                _send_on(
                    errors[s, before:a], own, by_neuron[layer], times, spike_times[s, before:a],
                    room[before:a], t_max, units[layer], wake_silent,
                )  # fmt: skip
            for j in range(b - a):
                own[j] -= push[a + j]
            if short[layer]:
                before = first[layer - 1]
                hold(room[before:a], spike_times[s, before:a], t_max, np.float32(np.inf))
                add_errors_by_neuron(gradients[layer], own, times, room[before:a])
            else:
                start, end = lists[layer], lists[layer] + counts[s, layer]
                add_errors(
                    gradients[layer], own, times, room[a:b], events[s, start:end],
                    steps[s, start:end],
                )  # fmt: skip


@dataclass(frozen=True)
class NativeStackPass:
    """One batch through a stack of layers; see `kernels.StackPass`."""

    t_max: int
    weights: Sequence[Tensor]
    first: Array
    lists: Array
    all_spike_times: Tensor
    all_excess: Tensor
    events: Array
    steps: Array
    counts: Array

    @property
    def spike_times(self) -> list[Tensor]:
        return self._by_layer(self.all_spike_times)

    @property
    def excess(self) -> list[Tensor]:
        return self._by_layer(self.all_excess)

    def _by_layer(self, of_all: Tensor) -> list[Tensor]:
        return [*of_all.split([weight.shape[1] for weight in self.weights], dim=1)]

    def send_back(
        self, error: Tensor, rules: Sequence[LayerRule], reaches: Sequence[Tensor | None],
        pushes: Sequence[Tensor | None],
    ) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
        short = [layer > 0 and weight.shape[1] < SHORT for layer, weight in enumerate(self.weights)]
        gradients = [
            torch.empty(weight.shape[::-1] if is_short else weight.shape)
            for weight, is_short in zip(self.weights, short, strict=True)
        ]
        errors = torch.empty_like(self.all_excess)
        errors[:, self.first[-2] :] = error
        _backward(
            _arrays([NOTHING, *(weight.t() for weight in self.weights[1:])]),
            np.array([rule.unit for rule in rules], np.float32),
            np.array([rule.gate > 0 for rule in rules]), self._side_by_side(reaches),
            rules[0].gate_shape == "triangle", rules[0].normalize_error, rules[0].wake_silent,
            self._side_by_side(pushes), self.first, self.lists, self.all_spike_times.numpy(),
            self.all_excess.numpy(), self.events, self.steps, self.counts, self.t_max,
            np.array(short), _arrays(gradients), errors.numpy(),
        )  # fmt: skip
        return [
            gradient.t().contiguous() if is_short else gradient
            for gradient, is_short in zip(gradients, short, strict=True)
        ], self._by_layer(errors)

    def _side_by_side(self, of_layers: Sequence[Tensor | None]) -> Array:
        """One number per neuron; 0 for layers that have none."""
        row = np.zeros(self.first[-1], np.float32)
        for layer, numbers in enumerate(of_layers):
            if numbers is not None:
                row[self.first[layer] : self.first[layer + 1]] = array_of(numbers)
        return row


def fire_stack(
    times: Tensor, weights: Sequence[Tensor], thresholds: Sequence[Tensor], t_max: int,
    until_decision: bool,
) -> NativeStackPass:  # fmt: skip
    """See `kernels.StackKernel`."""
    batch = len(times)
    first = np.cumsum([0, *(weight.shape[1] for weight in weights)])
    lists = np.array([0, *(first + len(weights[0]))])
    spike_times, excess = torch.empty(batch, first[-1]), torch.empty(batch, first[-1])
    events = np.empty((batch, lists[-1]), np.int32)
    steps = np.empty((batch, lists[-1]), np.uint8)
    counts = np.empty((batch, len(weights) + 1), np.int64)
    _forward(
        array_of(times.to(torch.uint8)), _arrays(weights),
        np.concatenate(_arrays(thresholds)), t_max, until_decision, first, lists,
        spike_times.numpy(), excess.numpy(), events, steps, counts,
    )  # fmt: skip
    return NativeStackPass(t_max, weights, first, lists, spike_times, excess, events, steps, counts)


NOTHING = torch.empty(1, 1)


def _arrays(tensors: Sequence[Tensor]) -> tuple[Array, ...]:
    return tuple(array_of(tensor) for tensor in tensors)
