"""Networks with convolutions in two compiled passes, one forward and one backward; needs numba.

What `stack_native` is for fully connected layers: the same sums as layer by layer, in another
order. Every image goes through all layers step by step, so it ends at its decision, and a spike of
a hidden neuron is at once an event of the next layer. A pooled cell passes its first spike on. Of a
layer behind which cells are pooled, only one neuron per cell can have an error from above (its
*winner*, see `layers.FirstSpikePool`), so ``V - theta`` is kept for winners alone.

Numbers of all layers lie side by side in one row per image: neurons of layer l are ``first[l]`` to
``first[l + 1]``, its pooled cells ``pooled_first[l]`` to ``pooled_first[l + 1]``, its thresholds
and pushes ``own_first[l]`` to ``own_first[l + 1]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from sstdp_hw.network.layers import Array

from ...recipes.architecture import Link
from .compiled import njit
from .dense_network import gate_row, normalize_row
from .layout import Chain
from .rows import array_of, list_spikes, positive, sort_by_time
from .spans import add_errors_by_event, add_errors_by_neuron, add_kernels, send_kernel_back

if TYPE_CHECKING:
    from ...rule.spike_once import LayerRule


@njit(cache=True, nogil=True)
def _forward(
    times: Any, weights: Any, thresholds: Any, t_max: int, until_decision: bool, first: Any,
    pooled_first: Any, pooled_of: Any, first_of: Any, pools: Any, numbers: Any, ys: Any, xs: Any,
    presented: Any, spike_times: Any, pooled_times: Any, winners: Any, excess: Any,
) -> None:  # fmt: skip
    depth, inputs, cells = len(weights), times.shape[1], spike_times.shape[1]
    found = np.empty(inputs + cells + 1, np.int32)
    arriving = np.empty(inputs + cells, np.int32)
    events, steps = np.empty(inputs, np.int32), np.empty(inputs, np.uint8)
    places = np.empty(t_max + 1, np.int64)
    words = np.empty(cells // 8 + 1, np.uint64)
    v = np.empty(cells, np.float32)
    for s in range(times.shape[0]):
        total = list_spikes(times[s], t_max, found)
        sort_by_time(times[s], found, total, places, events, steps)
        spike_times[s, :] = t_max
        pooled_times[s, :] = t_max
        winners[s, :] = first_of
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
                a = first[layer]
                own = v[a : first[layer + 1]]
                add_kernels(own, weights[layer], arriving, 0, count, numbers[layer], ys[layer],
                            xs[layer])  # fmt: skip
                fired = positive(own, words, found)
                count = 0
                for k in range(fired):
                    j = found[k]
                    spike_times[s, a + j] = step
                    cell = pooled_of[a + j]
                    if cell >= 0 and pooled_times[s, cell] == t_max:
                        pooled_times[s, cell] = step
                        winners[s, cell] = j
                        excess[s, cell] = own[j]
                        arriving[count] = cell - pooled_first[layer]
                        count += 1
                    elif cell >= 0 and pooled_times[s, cell] == step and own[j] > excess[s, cell]:
                        winners[s, cell] = j
                        excess[s, cell] = own[j]
                    own[j] = -np.inf  # never again
            decided = until_decision and pooled_times[s, pooled_first[depth - 1] :].min() < t_max
            if event == total or decided:
                break
        for i in range(inputs):
            presented[s, i] = times[s, i] if times[s, i] <= step else t_max
        for layer in range(depth):
            a, b = pooled_first[layer], pooled_first[layer + 1]
            _find_closest(
                excess[s, a:b], winners[s, a:b], pooled_times[s, a:b], t_max,
                v[first[layer] : first[layer + 1]], numbers[layer, 4], pools[layer],
            )  # fmt: skip


@njit(cache=True, nogil=True)
def _find_closest(
    excess: Any, winners: Any, pooled_times: Any, t_max: int, v: Any, width: int, pool: Any
) -> None:
    """The neuron closest to firing of every silent pooled cell; ``winners`` has the first ones."""
    channels = pool[2]
    for cell in range(excess.shape[0]):
        if pooled_times[cell] == t_max:
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
    t_max: int, unit: Any, wake_silent: bool, g: Any, rows: Any,
) -> None:  # fmt: skip
    """Errors of a layer's winners to the cells before it, whose times are ``times``."""
    for i in range(sent.shape[0]):
        sent[i] = 0
        held[i] = times[i] if times[i] < t_max else 0  # never late
    for cell in range(error.shape[0]):
        if error[cell] != 0:
            j = winners[cell]
            send_kernel_back(
                sent, error[cell], weight, held, j, np.float32(spike_times[j]), g, rows
            )
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
def _backward(
    error: Any, weights: Any, units: Any, gated: Any, reach: Any, triangle: bool, normalize: bool,
    wake_silent: bool, pushed: Any, push: Any, first: Any, pooled_first: Any, own_first: Any,
    numbers: Any, ys: Any, xs: Any, rows: Any, presented: Any, spike_times: Any, pooled_times: Any,
    winners: Any, excess: Any, t_max: int, by_event: Any, by_neuron: Any, sums: Any,
) -> None:  # fmt: skip
    depth, batch, cells = len(weights), error.shape[0], spike_times.shape[1]
    most = max(presented.shape[1], pooled_times.shape[1])
    found, events = np.empty(most + 1, np.int32), np.empty(most, np.int32)
    steps, places = np.empty(most, np.uint8), np.empty(t_max + 1, np.int64)
    room, own, late = (
        np.empty(most, np.float32),
        np.empty(cells, np.float32),
        np.empty(cells, np.float32),
    )
    arrived, sent = np.empty(most, np.float32), np.empty(most, np.float32)
    for layer in range(depth):
        by_event[layer][:], by_neuron[layer][:] = 0, 0
    sums[:] = 0
    for s in range(batch):
        arrived[: error.shape[1]] = error[s]
        for layer in range(depth - 1, -1, -1):
            a, b = pooled_first[layer], pooled_first[layer + 1]
            above, cells_of = arrived[: b - a], own[: first[layer + 1] - first[layer]]
            fired = spike_times[s, first[layer] : first[layer + 1]]
            c, d = own_first[layer], own_first[layer + 1]
            if normalize:
                normalize_row(above, batch)
            if gated[layer]:
                gate_row(above, excess[s, a:b], units[layer], reach[c:d], triangle)
            times = presented[s]
            if layer > 0:
                times = pooled_times[s, pooled_first[layer - 1] : a]
                _send_on(
                    sent[: times.shape[0]], above, winners[s, a:b], fired, weights[layer], times,
                    room, t_max, units[layer], wake_silent, numbers[layer], rows[layer],
                )  # fmt: skip
            cells_of[:] = 0
            for k in range(b - a):
                cells_of[winners[s, a + k]] = above[k]
            if pushed[layer]:
                _push(cells_of, push[c:d])
            _add_up(sums[c:d], cells_of)
            total = list_spikes(times, t_max, found)
            if total <= np.count_nonzero(cells_of):
                sort_by_time(times, found, total, places, events, steps)
                add_errors_by_event(
                    by_event[layer], cells_of, fired, late[: cells_of.shape[0]], events, steps,
                    total, numbers[layer], ys[layer], xs[layer],
                )  # fmt: skip
            else:
                add_errors_by_neuron(
                    by_neuron[layer], cells_of, fired, times, t_max, numbers[layer], rows[layer]
                )
            arrived, sent = sent, arrived


@dataclass(frozen=True)
class NativeChainPass:
    """One batch through a chain; see `kernels.StackPass`.

    Members
    -------
    spike_times : list of Tensor
        uint8 [batch, height, width, channels], or [batch, neurons]; float32 for the last layer.
    excess : list of float32 Tensor [batch, pooled cells]
        Of winners.
    """

    chain: Chain
    t_max: int
    weights: Sequence[Tensor]
    presented: Array
    times: Array
    pooled_times: Array
    winners: Array
    all_excess: Array

    @property
    def spike_times(self) -> list[Tensor]:
        chain, found = self.chain, []
        for index, link in enumerate(chain.links):
            of_layer = self.times[:, chain.first[index] : chain.first[index + 1]]
            found.append(torch.from_numpy(of_layer.reshape(len(self.times), *link.shape)))
        return [*found[:-1], found[-1].to(torch.float32)]

    @property
    def excess(self) -> list[Tensor]:
        first = self.chain.pooled_first
        return [
            torch.from_numpy(self.all_excess[:, first[index] : first[index + 1]])
            for index in range(self.chain.depth)
        ]

    def send_back(
        self, error: Tensor, rules: Sequence[LayerRule], reaches: Sequence[Tensor | None],
        pushes: Sequence[Tensor | None],
    ) -> tuple[list[Tensor], list[Tensor]]:  # fmt: skip
        chain = self.chain
        by_event, by_neuron = (
            tuple(np.empty(count, np.float32) for count in chain.weights_of) for _ in range(2)
        )
        sums = np.empty(chain.own_first[-1], np.float32)
        _backward(
            array_of(error), chain.by_neuron(self.weights),
            np.array([rule.unit for rule in rules], np.float32),
            np.array([rule.gate > 0 for rule in rules]), self._side_by_side(reaches),
            rules[0].gate_shape == "triangle", rules[0].normalize_error, rules[0].wake_silent,
            np.array([push is not None and bool(push.any()) for push in pushes]),
            self._side_by_side(pushes), chain.first, chain.pooled_first, chain.own_first,
            chain.numbers, chain.ys, chain.xs, chain.rows, self.presented, self.times,
            self.pooled_times, self.winners, self.all_excess, self.t_max, by_event, by_neuron, sums,
        )  # fmt: skip
        added_up = torch.from_numpy(sums)[None]
        return chain.together(by_event, by_neuron), [
            *added_up.split(np.diff(chain.own_first).tolist(), dim=1)
        ]

    def _side_by_side(self, of_layers: Sequence[Tensor | None]) -> Array:
        """One number per threshold; 0 for layers that have none."""
        row = np.zeros(self.chain.own_first[-1], np.float32)
        for index, numbers in enumerate(of_layers):
            if numbers is not None:
                row[self.chain.own_first[index] : self.chain.own_first[index + 1]] = array_of(
                    numbers
                )
        return row


class NativeChain:
    """See `kernels.StackKernel`."""

    def __init__(self, links: Sequence[Link]) -> None:
        self.chain = Chain(links)

    def fire_stack(
        self, times: Tensor, weights: Sequence[Tensor], thresholds: Sequence[Tensor], t_max: int,
        until_decision: bool,
    ) -> NativeChainPass:  # fmt: skip
        chain, batch = self.chain, len(times)
        own = array_of(times.to(torch.uint8).flatten(1))
        cells, pooled = chain.first[-1], chain.pooled_first[-1]
        made = NativeChainPass(
            chain=chain, t_max=t_max, weights=weights, presented=np.empty_like(own),
            times=np.empty((batch, cells), np.uint8),
            pooled_times=np.empty((batch, pooled), np.uint8),
            winners=np.empty((batch, pooled), np.int32),
            all_excess=np.empty((batch, pooled), np.float32),
        )  # fmt: skip
        start = [
            np.tile(-array_of(threshold), int(np.prod(link.geometry.outputs[:2])))
            for link, threshold in zip(chain.links, thresholds, strict=True)
        ]
        _forward(
            own, chain.by_event(weights), np.concatenate(start), t_max, until_decision, chain.first,
            chain.pooled_first, chain.pooled_of, chain.first_of, chain.pools, chain.numbers,
            chain.ys, chain.xs, made.presented, made.times, made.pooled_times, made.winners,
            made.all_excess,
        )  # fmt: skip
        return made
