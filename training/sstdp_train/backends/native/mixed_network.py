"""Networks with convolutions in two compiled passes, one forward and one backward; needs numba.

What `dense_network` is for fully connected layers: the same sums as layer by layer, in another
order. Every image goes through all layers step by step, so it ends at its decision, and a spike of
a hidden neuron is at once an event of the next layer. A pooled cell passes its first spike on. Of a
layer behind which cells are pooled, only one neuron per cell can have an error from above (its
*winner*, see `network.layers.FirstSpikePool`), so ``V - theta`` is kept for winners alone.

Numbers of all layers lie side by side in one row per image (`mixed_tables.MixedTables`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...recipes.architecture import PooledLayer
from ...rule.layer_rule import LayerRule
from .arrays import array_of
from .compiled import njit
from .conv_sums import add_errors_by_event, add_errors_by_neuron, add_events, send_back
from .errors import Rules, gate_errors, normalize_errors
from .events import event_list, fired_list, list_fired, list_spikes, sort_by_time
from .mixed_tables import MixedLayout


class Spikes(NamedTuple):
    """What the forward pass leaves for the backward pass.

    Members
    -------
    presented : uint8 [batch, pixels]
        Input spike times, up to the step at which the image ended.
    spike_times : uint8 [batch, neurons]
    cell_times : uint8 [batch, cells]
        The first spike of each pooled cell.
    winners : int32 [batch, cells]
        Neurons, counted within their layer.
    excess : float32 [batch, cells]
        Of winners.
    """

    presented: Any
    spike_times: Any
    cell_times: Any
    winners: Any
    excess: Any


class Sums(NamedTuple):
    """What the backward pass adds up.

    Members
    -------
    by_event, by_neuron : tuple of flat float32 arrays
        Two parts of the sum over samples of each layer; see `mixed_tables.MixedLayout`.
    errors : float32 [thresholds]
        Of all samples and positions.
    """

    by_event: Any
    by_neuron: Any
    errors: Any


@njit(cache=True, nogil=True)
def _forward(
    times: Any, weights: Any, thresholds: Any, t_max: int, until_decision: bool, tables: Any,
    spikes: Any,
) -> None:  # fmt: skip
    presented, spike_times, cell_times, winners, excess = spikes
    first_neuron, first_cell, _, cell_of, first_in, pools, convs = tables
    depth, pixels, neurons = len(weights), times.shape[1], spike_times.shape[1]
    inputs, fired = event_list(pixels, t_max), fired_list(neurons)
    events, steps, firing = inputs.events, inputs.steps, fired.neurons
    arriving = np.empty(pixels + neurons, np.int32)
    v = np.empty(neurons, np.float32)
    for s in range(times.shape[0]):
        total = list_spikes(times[s], t_max, inputs)
        sort_by_time(times[s], total, inputs)
        spike_times[s, :] = t_max
        cell_times[s, :] = t_max
        winners[s, :] = first_in
        v[:] = thresholds
        event = 0
        for step in range(t_max):
            count = 0
            while event < total and steps[event] == step:
                arriving[count] = events[event]
                event += 1
                count += 1
            for layer in range(depth):
                if count == 0 and step > 0:
                    break  # no event; in step 0 a threshold below 0 needs none
                a = first_neuron[layer]
                own = v[a : first_neuron[layer + 1]]
                add_events(own, weights[layer], arriving, 0, count, convs[layer])
                fire = list_fired(own, fired)
                count = 0
                for k in range(fire):
                    j = firing[k]
                    spike_times[s, a + j] = step
                    cell = cell_of[a + j]
                    if cell >= 0 and cell_times[s, cell] == t_max:
                        cell_times[s, cell] = step
                        winners[s, cell] = j
                        excess[s, cell] = own[j]
                        arriving[count] = cell - first_cell[layer]
                        count += 1
                    elif cell >= 0 and cell_times[s, cell] == step and own[j] > excess[s, cell]:
                        winners[s, cell] = j
                        excess[s, cell] = own[j]
                    own[j] = -np.inf  # never again
            decided = until_decision and cell_times[s, first_cell[depth - 1] :].min() < t_max
            if event == total or decided:
                break
        for i in range(pixels):
            presented[s, i] = times[s, i] if times[s, i] <= step else t_max
        for layer in range(depth):
            a, b = first_cell[layer], first_cell[layer + 1]
            _find_closest(
                excess[s, a:b], winners[s, a:b], cell_times[s, a:b], t_max,
                v[first_neuron[layer] : first_neuron[layer + 1]], convs[layer], pools[layer],
            )  # fmt: skip


@njit(cache=True, nogil=True)
def _find_closest(
    excess: Any, winners: Any, cell_times: Any, t_max: int, v: Any, conv: Any, pool: Any
) -> None:
    """The neuron closest to firing of every silent pooled cell; ``winners`` has the first ones."""
    width, channels = conv.out_width, conv.neurons
    for cell in range(excess.shape[0]):
        if cell_times[cell] == t_max:
            start = winners[cell]
            excess[cell] = v[start]
            for dy in range(pool[0]):
                for dx in range(pool[1]):
                    j = start + (dy * width + dx) * channels
                    if v[j] > excess[cell]:
                        excess[cell], winners[cell] = v[j], j


@njit(cache=True, nogil=True)
def _send_on(
    sent: Any, error: Any, winners: Any, spike_times: Any, weight: Any, times: Any, held: Any,
    rules: Any, layer: int, conv: Any,
) -> None:  # fmt: skip
    """Errors of a layer's winners to the cells before it, whose times are ``times``; ``held`` is
    room for a time of each."""
    t_max, unit, wake_silent = rules.t_max, rules.units[layer], rules.wake_silent
    for i in range(sent.shape[0]):
        sent[i] = 0
        held[i] = times[i] if times[i] < t_max else 0  # never late
    for cell in range(error.shape[0]):
        if error[cell] != 0:
            j = winners[cell]
            send_back(sent, error[cell], weight, held, j, np.float32(spike_times[j]), conv)
    # A gradient of spike times is minus that of the drive: two signs on the way, and none left.
    for i in range(sent.shape[0]):
        sent[i] *= unit if wake_silent or times[i] < t_max else np.float32(0)


@njit(cache=True, nogil=True)
def _push(error: Any, push: Any) -> None:
    for at in range(0, error.shape[0], push.shape[0]):
        for j in range(push.shape[0]):
            error[at + j] -= push[j]


@njit(cache=True, nogil=True)
def _add_up(total: Any, error: Any) -> None:
    for at in range(0, error.shape[0], total.shape[0]):
        for j in range(total.shape[0]):
            total[j] += error[at + j]


@njit(cache=True, nogil=True)
def _backward(error: Any, weights: Any, rules: Any, tables: Any, spikes: Any, sums: Any) -> None:
    """Send ``error`` [batch, out] of the last layer back; ``weights`` are by neuron."""
    presented, spike_times, cell_times, winners, excess = spikes
    first_neuron, first_cell, first_threshold, _, _, _, convs = tables
    t_max, triangle, normalize, _, units, gated, reach, push = rules
    by_event, by_neuron, errors = sums
    depth, batch, neurons = len(weights), error.shape[0], spike_times.shape[1]
    most = max(presented.shape[1], cell_times.shape[1])
    inputs = event_list(most, t_max)
    events, steps = inputs.events, inputs.steps
    room, own, late = (
        np.empty(most, np.float32),
        np.empty(neurons, np.float32),
        np.empty(neurons, np.float32),
    )
    arrived, sent = np.empty(most, np.float32), np.empty(most, np.float32)
    pushed = np.empty(depth, np.bool_)
    for layer in range(depth):
        pushed[layer] = push[first_threshold[layer] : first_threshold[layer + 1]].any()
        by_event[layer][:], by_neuron[layer][:] = 0, 0
    errors[:] = 0
    for s in range(batch):
        arrived[: error.shape[1]] = error[s]
        for layer in range(depth - 1, -1, -1):
            conv = convs[layer]
            a, b = first_cell[layer], first_cell[layer + 1]
            above, of_neurons = (
                arrived[: b - a],
                own[: first_neuron[layer + 1] - first_neuron[layer]],
            )
            fired = spike_times[s, first_neuron[layer] : first_neuron[layer + 1]]
            c, d = first_threshold[layer], first_threshold[layer + 1]
            if normalize:
                normalize_errors(above, batch)
            if gated[layer]:
                gate_errors(above, excess[s, a:b], units[layer], reach[c:d], triangle)
            times = presented[s]
            if layer > 0:
                times = cell_times[s, first_cell[layer - 1] : a]
                _send_on(
                    sent[: times.shape[0]], above, winners[s, a:b], fired, weights[layer], times,
                    room, rules, layer, conv,
                )  # fmt: skip
            of_neurons[:] = 0
            for k in range(b - a):
                of_neurons[winners[s, a + k]] = above[k]
            if pushed[layer]:
                _push(of_neurons, push[c:d])
            _add_up(errors[c:d], of_neurons)
            total = list_spikes(times, t_max, inputs)
            if total <= np.count_nonzero(of_neurons):
                sort_by_time(times, total, inputs)
                add_errors_by_event(
                    by_event[layer], of_neurons, fired, late[: of_neurons.shape[0]],
                    events, steps, total, conv,
                )  # fmt: skip
            else:
                add_errors_by_neuron(by_neuron[layer], of_neurons, fired, times, t_max, conv)
            arrived, sent = sent, arrived


@dataclass(frozen=True)
class NativeMixedNetworkPass:
    """One batch through a network with convolutions; see `rule.backend.NetworkPass`.

    Members
    -------
    spike_times : list of Tensor
        uint8 [batch, height, width, channels], or [batch, neurons]; float32 for the last layer.
    excess : list of float32 Tensor [batch, pooled cells]
        Of winners.
    """

    layout: MixedLayout
    weights: Sequence[Tensor]
    spikes: Spikes

    @property
    def spike_times(self) -> list[Tensor]:
        times, first, found = self.spikes.spike_times, self.layout.tables.first_neuron, []
        for index, layer in enumerate(self.layout.layers):
            of_layer = times[:, first[index] : first[index + 1]]
            found.append(torch.from_numpy(of_layer.reshape(len(times), *layer.shape)))
        return [*found[:-1], found[-1].to(torch.float32)]

    @property
    def excess(self) -> list[Tensor]:
        first = self.layout.tables.first_cell
        return [
            torch.from_numpy(self.spikes.excess[:, first[index] : first[index + 1]])
            for index in range(len(self.layout.layers))
        ]

    def send_back(
        self, error: Tensor, rules: Sequence[LayerRule], reaches: Sequence[Tensor | None],
        pushes: Sequence[Tensor | None],
    ) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
        layout, first = self.layout, self.layout.tables.first_threshold
        by_event, by_neuron = (
            tuple(np.empty(count, np.float32) for count in layout.weight_counts) for _ in range(2)
        )
        sums = Sums(by_event, by_neuron, np.empty(first[-1], np.float32))
        _backward(
            array_of(error), layout.by_neuron(self.weights),
            Rules.of(rules, reaches, pushes, first), layout.tables, self.spikes, sums,
        )  # fmt: skip
        added_up = torch.from_numpy(sums.errors)[None]
        return layout.together(by_event, by_neuron), [
            *added_up.split(np.diff(first).tolist(), dim=1)
        ]


class NativeMixedNetwork:
    """See `rule.backend.NetworkBackend`."""

    def __init__(self, layers: Sequence[PooledLayer]) -> None:
        self.layout = MixedLayout(layers)

    def fire(
        self, times: Tensor, weights: Sequence[Tensor], thresholds: Sequence[Tensor], t_max: int,
        until_decision: bool,
    ) -> NativeMixedNetworkPass:  # fmt: skip
        layout, batch = self.layout, len(times)
        own = array_of(times.to(torch.uint8).flatten(1))
        neurons, cells = layout.tables.first_neuron[-1], layout.tables.first_cell[-1]
        spikes = Spikes(
            presented=np.empty_like(own),
            spike_times=np.empty((batch, neurons), np.uint8),
            cell_times=np.empty((batch, cells), np.uint8),
            winners=np.empty((batch, cells), np.int32),
            excess=np.empty((batch, cells), np.float32),
        )
        start = [
            np.tile(-array_of(threshold), int(np.prod(layer.geometry.outputs[:2])))
            for layer, threshold in zip(layout.layers, thresholds, strict=True)
        ]
        _forward(
            own, layout.by_event(weights), np.concatenate(start), t_max, until_decision,
            layout.tables, spikes,
        )  # fmt: skip
        return NativeMixedNetworkPass(layout, weights, spikes)
