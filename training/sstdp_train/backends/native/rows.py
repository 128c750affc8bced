"""Loops over one row of numbers, compiled by numba: what the native kernel spends its time in.

They are functions of their own: on whole, contiguous rows LLVM turns them into vector instructions,
which it does not for the same lines inside the loop over events. Rows of a matrix are named by
number: a view of a row would count its references, which costs as much as adding it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from sstdp_hw.network.layers import Array

from .compiled import njit


@njit(cache=True, nogil=True)
def add_row(v: Any, rows: Any, a: Any) -> None:
    for j in range(v.shape[0]):
        v[j] += rows[a, j]


@njit(cache=True, nogil=True)
def add_four_rows(v: Any, rows: Any, a: Any, b: Any, c: Any, d: Any) -> None:
    for j in range(v.shape[0]):
        v[j] += (rows[a, j] + rows[b, j]) + (rows[c, j] + rows[d, j])


@njit(cache=True, nogil=True)
def add_events(v: Any, weight: Any, events: Any, start: int, end: int) -> None:
    """Add the weight rows of ``events[start:end]``, four at a time."""
    while start + 4 <= end:
        add_four_rows(
            v, weight, events[start], events[start + 1], events[start + 2], events[start + 3]
        )
        start += 4
    while start < end:
        add_row(v, weight, events[start])
        start += 1


@njit(cache=True, nogil=True)
def add_to_row(rows: Any, a: Any, values: Any) -> None:
    for j in range(values.shape[0]):
        rows[a, j] += values[j]


@njit(cache=True, nogil=True)
def _mark_positive(marks: Any, v: Any) -> None:
    for j in range(v.shape[0]):
        marks[j] = v[j] > 0


@njit(cache=True, nogil=True)
def positive(v: Any, words: Any, found: Any) -> int:
    """List the numbers of those above 0; how many.

    They are marked with a byte each, and eight marks are looked at as one number, for few steps
    have any. ``words`` is room for these (uint64), ``found`` for one place more than there are
    neurons.
    """
    marks = words.view(np.uint8)
    _mark_positive(marks, v)
    last = (v.shape[0] + 7) // 8
    marks[v.shape[0] : 8 * last] = 0
    count = 0
    for word in range(last):
        if words[word] != 0:
            for j in range(8 * word, 8 * word + 8):
                found[count] = j
                count += np.int64(marks[j])
    return count


@njit(cache=True, nogil=True)
def select_late(chosen: Any, row: Any, times: Any, step: Any) -> None:
    for j in range(chosen.shape[0]):
        chosen[j] = row[j] if times[j] >= step else np.float32(0)


@njit(cache=True, nogil=True)
def add_scaled_where_early(
    total: Any, factor: Any, rows: Any, a: Any, times: Any, step: Any
) -> None:
    for j in range(total.shape[0]):
        total[j] += factor * rows[a, j] if times[j] <= step else np.float32(0)


@njit(cache=True, nogil=True)
def list_spikes(times: Any, t_max: int, found: Any) -> int:
    """List the inputs that spike; ``found`` has one place more than there are inputs.

    No branch: which ones do is hard to predict.
    """
    count = 0
    for i in range(times.shape[0]):
        found[count] = i
        count += np.int64(times[i] < t_max)
    return count


@njit(cache=True, nogil=True)
def sort_by_time(times: Any, found: Any, count: int, places: Any, events: Any, steps: Any) -> None:
    """Counting sort of the first ``count`` inputs in ``found`` into ``events``, with their time in
    ``steps``; ``places`` is room for one number per time and one more."""
    places[:] = 0
    for k in range(count):
        places[times[found[k]] + 1] += 1
    for t in range(1, places.shape[0]):
        places[t] += places[t - 1]
    for k in range(count):
        time = times[found[k]]
        place = places[time]
        events[place] = found[k]
        steps[place] = time
        places[time] = place + 1


@njit(cache=True, nogil=True)
def add_errors(
    total: Any, error: Any, spike_times: Any, late: Any, events: Any, steps: Any
) -> None:
    """Add to the row of every event the errors of the neurons that it reached in time; ``late`` is
    room for a row."""
    step = -1
    for k in range(events.shape[0]):
        if steps[k] != step:
            step = np.int64(steps[k])
            select_late(late, error, spike_times, np.float32(step))
        add_to_row(total, events[k], late)


@njit(cache=True, nogil=True)
def hold(held: Any, times: Any, t_max: Any, silent: Any) -> None:
    """Times, with ``silent`` in place of none."""
    for i in range(held.shape[0]):
        held[i] = times[i] if times[i] < t_max else silent


@njit(cache=True, nogil=True)
def _add_where_early(total: Any, a: Any, factor: Any, times: Any, step: Any) -> None:
    for i in range(times.shape[0]):
        total[a, i] += factor if times[i] <= step else np.float32(0)


@njit(cache=True, nogil=True)
def add_errors_by_neuron(total: Any, error: Any, spike_times: Any, held: Any) -> None:
    """The same sums as `add_errors`, neuron by neuron into ``total`` [out, in]: rows of inputs are
    long where those of neurons are short. ``held`` has the inputs' times, of silent ones none that
    any neuron waits for."""
    for j in range(error.shape[0]):
        if error[j] != 0:
            _add_where_early(total, j, error[j], held, spike_times[j])


@njit(cache=True, nogil=True)
def send_back(sent: Any, error: Any, by_neuron: Any, spike_times: Any, held: Any) -> None:
    """Errors of neurons to their inputs, where these came in time; ``held`` has the inputs' times,
    ``by_neuron`` [out, in] the weights."""
    sent[:] = 0
    for j in range(error.shape[0]):
        if error[j] != 0:
            add_scaled_where_early(sent, error[j], by_neuron, j, held, spike_times[j])


def array_of(tensor: Tensor) -> Array:
    """The tensor's memory as a C-contiguous array, copied only if it is not."""
    return tensor.detach().contiguous().numpy()
