"""The sums of fully connected layers, compiled by numba: what training them spends its time in.

Loops over one row of a matrix are functions of their own: on whole, contiguous rows LLVM turns them
into vector instructions, which it does not for the same lines inside the loop over events. Rows are
named by number: a view of a row would count its references, which costs as much as adding it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import njit
from .errors import select_late


@njit(cache=True, nogil=True)
def _add_row(v: Any, rows: Any, a: Any) -> None:
    for j in range(v.shape[0]):
        v[j] += rows[a, j]


@njit(cache=True, nogil=True)
def _add_four_rows(v: Any, rows: Any, a: Any, b: Any, c: Any, d: Any) -> None:
    for j in range(v.shape[0]):
        v[j] += (rows[a, j] + rows[b, j]) + (rows[c, j] + rows[d, j])


@njit(cache=True, nogil=True)
def add_events(v: Any, weight: Any, events: Any, start: int, end: int) -> None:
    """Add the weight rows of ``events[start:end]``, four at a time."""
    while start + 4 <= end:
        _add_four_rows(
            v, weight, events[start], events[start + 1], events[start + 2], events[start + 3]
        )
        start += 4
    while start < end:
        _add_row(v, weight, events[start])
        start += 1


@njit(cache=True, nogil=True)
def _add_to_row(rows: Any, a: Any, values: Any) -> None:
    for j in range(values.shape[0]):
        rows[a, j] += values[j]


@njit(cache=True, nogil=True)
def add_errors_by_event(
    total: Any, error: Any, spike_times: Any, late: Any, events: Any, steps: Any
) -> None:
    """Add to the row of every event the errors of the neurons that it reached in time; ``late`` is
    room for a row."""
    step = -1
    for k in range(events.shape[0]):
        if steps[k] != step:
            step = np.int64(steps[k])
            select_late(late, error, spike_times, np.float32(step))
        _add_to_row(total, events[k], late)


@njit(cache=True, nogil=True)
def _add_where_early(total: Any, a: Any, factor: Any, times: Any, step: Any) -> None:
    for i in range(times.shape[0]):
        total[a, i] += factor if times[i] <= step else np.float32(0)


@njit(cache=True, nogil=True)
def add_errors_by_neuron(total: Any, error: Any, spike_times: Any, held: Any) -> None:
    """The same sums as `add_errors_by_event`, neuron by neuron into ``total`` [out, in]: rows of
    inputs are long where those of neurons are short. ``held`` has the inputs' times, of silent ones
    none that any neuron waits for."""
    for j in range(error.shape[0]):
        if error[j] != 0:
            _add_where_early(total, j, error[j], held, spike_times[j])


@njit(cache=True, nogil=True)
def _add_row_where_early(total: Any, factor: Any, rows: Any, a: Any, times: Any, step: Any) -> None:
    for j in range(total.shape[0]):
        total[j] += factor * rows[a, j] if times[j] <= step else np.float32(0)


@njit(cache=True, nogil=True)
def send_back(sent: Any, error: Any, by_neuron: Any, spike_times: Any, held: Any) -> None:
    """Errors of neurons to their inputs, where these came in time; ``held`` has the inputs' times,
    ``by_neuron`` [out, in] the weights."""
    sent[:] = 0
    for j in range(error.shape[0]):
        if error[j] != 0:
            _add_row_where_early(sent, error[j], by_neuron, j, held, spike_times[j])
