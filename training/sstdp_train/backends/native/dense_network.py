"""All fully connected layers in two compiled passes, one forward and one backward; needs numba.

The same sums in the same order as layer by layer in `dense_layer`, so the results are the same to
the bit. What is saved is what stands between the layers: input spikes are sorted once for both
passes, a spike of a hidden neuron goes straight on as an event of the next layer, and an image can
end at its decision, as in the accelerator.

Numbers of all layers lie side by side in one row per image (`Starts`, `Spikes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...rule.layer_rule import LayerRule
from .arrays import array_of, arrays_of
from .compiled import njit
from .dense_sums import add_errors_by_event, add_errors_by_neuron, add_events, send_back
from .errors import Rules, gate_errors, normalize_errors
from .events import EventList, event_list, fired_list, hold, list_fired, list_spikes, sort_by_time

SHORT = 16  # neurons that do not fill a vector instruction


class Starts(NamedTuple):
    """Where the numbers of each layer begin in a row.

    Members
    -------
    neurons : int64 [layers + 1]
        Those of layer l are ``neurons[l]`` to ``neurons[l + 1]``.
    events : int64 [layers + 2]
        Those that layer l receives begin at ``events[l]``; the first ones are the pixels'.
    """

    neurons: Any
    events: Any


class Spikes(NamedTuple):
    """What the forward pass leaves for the backward pass, of a batch, or of one image: one row.

    Members
    -------
    spike_times, excess : float32 [batch, neurons]
    events : int32 [batch, events]
        Those of each layer in order of time, then of index.
    steps : uint8 [batch, events]
        The time of each event.
    counts : int64 [batch, layers + 1]
        How many events each layer receives, and how many output neurons fire.
    """

    spike_times: Any
    excess: Any
    events: Any
    steps: Any
    counts: Any


@njit(cache=True, nogil=True)
def _walk(
    weights: Any, t_max: int, until_decision: bool, starts: Any, total: int, potentials: Any,
    image: Any, fired: Any,
) -> None:  # fmt: skip
    """One image: all steps, and in each of them one layer after the other.

    ``total`` is how many pixels spike; ``fired`` is room.
    """
    spike_times, excess, events, steps, counts = image
    first_neuron, first_event = starts
    firing = fired.neurons
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
            at, own = first_event[layer], first_event[layer + 1]
            first = first_neuron[layer]
            v = potentials[first : first_neuron[layer + 1]]
            add_events(v, weights[layer], events, at + before, at + after)
            before = counts[layer + 1]
            after = before + list_fired(v, fired)
            for k in range(after - before):
                neuron = first + firing[k]
                spike_times[neuron] = step
                excess[neuron] = potentials[neuron]
                potentials[neuron] = -np.inf  # never again
                events[own + before + k] = firing[k]
                steps[own + before + k] = step
            counts[layer + 1] = after
        if counts[0] == total or (until_decision and counts[depth] > 0):
            return


@njit(cache=True, nogil=True)
def _forward(
    times: Any, weights: Any, thresholds: Any, t_max: int, until_decision: bool, starts: Any,
    spikes: Any,
) -> None:  # fmt: skip
    room, fired = event_list(times.shape[1], t_max), fired_list(thresholds.shape[0])
    potentials = np.empty(thresholds.shape[0], np.float32)
    silent = np.float32(t_max)
    for s in range(times.shape[0]):
        image = Spikes(
            spikes.spike_times[s], spikes.excess[s], spikes.events[s], spikes.steps[s],
            spikes.counts[s],
        )  # fmt: skip
        total = list_spikes(times[s], t_max, room)
        sort_by_time(
            times[s], total, EventList(room.spiking, image.events, image.steps, room.places)
        )
        image.counts[:] = 0
        image.spike_times[:] = silent
        for j in range(potentials.shape[0]):
            potentials[j] = -thresholds[j]
        _walk(weights, t_max, until_decision, starts, total, potentials, image, fired)
        for j in range(potentials.shape[0]):
            if image.spike_times[j] == silent:
                image.excess[j] = potentials[j]


@njit(cache=True, nogil=True)
def _send_on(
    sent: Any, own: Any, by_neuron: Any, own_times: Any, times: Any, held: Any, rules: Any,
    layer: int,
) -> None:  # fmt: skip
    """Errors of a layer's neurons to those before it; ``held`` is room for a time of each."""
    silent, factor, wake_silent = np.float32(rules.t_max), rules.units[layer], rules.wake_silent
    hold(held, times, rules.t_max, np.float32(0))  # never late
    send_back(sent, own, by_neuron, own_times, held)
    # A gradient of spike times is minus that of the drive: two signs on the way, and none left.
    for i in range(sent.shape[0]):
        sent[i] *= factor if wake_silent or times[i] < silent else np.float32(0)


@njit(cache=True, nogil=True)
def _backward(
    by_neuron: Any, rules: Any, starts: Any, spikes: Any, short: Any, gradients: Any, errors: Any
) -> None:
    """``errors`` holds in the last layer what arrives there; the others are found on the way.

    The gradient of a ``short`` layer is [out, in].
    """
    t_max, triangle, normalize, _, units, gated, reach, push = rules
    first_neuron, first_event = starts
    spike_times, excess, events, steps, counts = spikes
    depth, batch = len(gradients), errors.shape[0]
    room = np.empty(errors.shape[1], np.float32)
    for layer in range(depth):
        gradients[layer][:] = 0
    for s in range(batch):
        for layer in range(depth - 1, -1, -1):
            a, b = first_neuron[layer], first_neuron[layer + 1]
            own, times = errors[s, a:b], spike_times[s, a:b]
            if normalize:
                normalize_errors(own, batch)
            if gated[layer]:
                gate_errors(own, excess[s, a:b], units[layer], reach[a:b], triangle)
            if layer > 0:
                before = first_neuron[layer - 1]
                _send_on(
                    errors[s, before:a], own, by_neuron[layer], times, spike_times[s, before:a],
                    room[before:a], rules, layer,
                )  # fmt: skip
            for j in range(b - a):
                own[j] -= push[a + j]
            if short[layer]:
                before = first_neuron[layer - 1]
                hold(room[before:a], spike_times[s, before:a], t_max, np.float32(np.inf))
                add_errors_by_neuron(gradients[layer], own, times, room[before:a])
            else:
                start, end = first_event[layer], first_event[layer] + counts[s, layer]
                add_errors_by_event(
                    gradients[layer], own, times, room[a:b], events[s, start:end],
                    steps[s, start:end],
                )  # fmt: skip


@dataclass(frozen=True)
class NativeDenseNetworkPass:
    """One batch through fully connected layers; see `rule.backend.NetworkPass`."""

    weights: Sequence[Tensor]
    starts: Starts
    all_spike_times: Tensor
    all_excess: Tensor
    spikes: Spikes

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
        errors[:, self.starts.neurons[-2] :] = error
        _backward(
            arrays_of([NOTHING, *(weight.t() for weight in self.weights[1:])]),
            Rules.of(rules, reaches, pushes, self.starts.neurons), self.starts, self.spikes,
            np.array(short), arrays_of(gradients), errors.numpy(),
        )  # fmt: skip
        return [
            gradient.t().contiguous() if is_short else gradient
            for gradient, is_short in zip(gradients, short, strict=True)
        ], self._by_layer(errors)


class NativeDenseNetwork:
    """See `rule.backend.NetworkBackend`."""

    def fire(
        self, times: Tensor, weights: Sequence[Tensor], thresholds: Sequence[Tensor], t_max: int,
        until_decision: bool,
    ) -> NativeDenseNetworkPass:  # fmt: skip
        batch = len(times)
        neurons = np.cumsum([0, *(weight.shape[1] for weight in weights)])
        starts = Starts(neurons, np.array([0, *(neurons + len(weights[0]))]))
        spike_times, excess = torch.empty(batch, neurons[-1]), torch.empty(batch, neurons[-1])
        spikes = Spikes(
            spike_times.numpy(), excess.numpy(),
            events=np.empty((batch, starts.events[-1]), np.int32),
            steps=np.empty((batch, starts.events[-1]), np.uint8),
            counts=np.empty((batch, len(weights) + 1), np.int64),
        )  # fmt: skip
        _forward(
            array_of(times.to(torch.uint8)), arrays_of(weights),
            np.concatenate(arrays_of(thresholds)), t_max, until_decision, starts, spikes,
        )  # fmt: skip
        return NativeDenseNetworkPass(weights, starts, spike_times, excess, spikes)


NOTHING = torch.empty(1, 1)
