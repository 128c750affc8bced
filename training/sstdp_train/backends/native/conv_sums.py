"""The sums of convolutions, compiled by numba: what training them spends its time in.

Forward, an event adds spans of weights to the potentials of the neurons that it reaches (see
`conv_layout`). Errors go the other way, from neuron to inputs, whose span in one row of the image
is contiguous too; only neurons that have an error are looked at, and behind pooling most have none.
Weights and their sums are flat arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import njit
from .conv_layout import COUNT, FIRST, KERNEL
from .errors import select_late


@njit(cache=True, nogil=True)
def _add_span(total: Any, at: Any, values: Any, start: Any, length: Any) -> None:
    to, of = np.uint64(at), np.uint64(start)  # unsigned: no wrap-around, so vector instructions
    for j in range(np.uint64(length)):
        total[to + j] += values[of + j]


@njit(cache=True, nogil=True)
def _add_where_early(
    total: Any, at: Any, times: Any, start: Any, length: Any, step: Any, error: Any
) -> None:
    to, of = np.uint64(at), np.uint64(start)
    for j in range(np.uint64(length)):
        total[to + j] += error if times[of + j] <= step else np.float32(0)


@njit(cache=True, nogil=True)
def _add_span_where_early(
    total: Any, weight: Any, start: Any, held: Any, at: Any, length: Any, step: Any, error: Any
) -> None:
    to, of = np.uint64(at), np.uint64(start)
    for j in range(np.uint64(length)):
        total[to + j] += error * weight[of + j] if held[to + j] <= step else np.float32(0)


@njit(cache=True, nogil=True, error_model="numpy")
def _spans_of_event(event: int, c: Any) -> Any:
    """Where the first span of an event lies among neurons and among weights, how many there are,
    how long each is, and how far the next one is among neurons and (backward) among weights."""
    place, channel = event // c.channels, event % c.channels
    y, x = place // c.width, place % c.width
    rows, columns = c.reached_rows, c.reached_columns
    at = (rows[y, FIRST] * c.out_width + columns[x, FIRST]) * c.neurons
    kernel_row = channel * c.kernel_height + rows[y, KERNEL]
    of = (kernel_row * c.kernel_width + columns[x, KERNEL]) * c.neurons
    down, up = c.out_width * c.neurons, c.stride * c.kernel_width * c.neurons
    return at, of, rows[y, COUNT], columns[x, COUNT] * c.neurons, down, up


@njit(cache=True, nogil=True, error_model="numpy")
def _spans_of_neuron(j: int, c: Any) -> Any:
    """The same for a neuron, among inputs and among weights; both go forward."""
    place, neuron = j // c.neurons, j % c.neurons
    y, x = place // c.out_width, place % c.out_width
    rows, columns = c.window_rows, c.window_columns
    at = (rows[y, FIRST] * c.width + columns[x, FIRST]) * c.channels
    kernel_row = neuron * c.kernel_height + rows[y, KERNEL]
    of = (kernel_row * c.kernel_width + columns[x, KERNEL]) * c.channels
    down, on = c.width * c.channels, c.kernel_width * c.channels
    return at, of, rows[y, COUNT], columns[x, COUNT] * c.channels, down, on


@njit(cache=True, nogil=True)
def add_events(v: Any, weight: Any, events: Any, start: int, end: int, c: Any) -> None:
    """Add the weights of ``events[start:end]`` to the potentials of the neurons they reach.

    ``c`` is `ConvTables`, here and below.
    """
    for k in range(start, end):
        at, of, spans, length, down, up = _spans_of_event(events[k], c)
        for _ in range(spans):
            _add_span(v, at, weight, of, length)
            at += down
            of -= up


@njit(cache=True, nogil=True)
def add_errors_by_event(
    total: Any, error: Any, spike_times: Any, late: Any, events: Any, steps: Any, count: int, c: Any
) -> None:
    """Add to the weights of every event the errors of the neurons that it reached in time.

    Events are in order of time; ``late`` is room for an error of each neuron.
    """
    step = -1
    for k in range(count):
        if steps[k] != step:
            step = np.int64(steps[k])
            select_late(late, error, spike_times, spike_times.dtype.type(step))
        at, of, spans, length, down, up = _spans_of_event(events[k], c)
        for _ in range(spans):
            _add_span(total, of, late, at, length)
            at += down
            of -= up


@njit(cache=True, nogil=True)
def add_errors_by_neuron(
    total: Any, error: Any, spike_times: Any, times: Any, t_max: int, c: Any
) -> None:
    """Add every neuron's error to its weights from inputs that came in time; ``times`` is uint8."""
    for j in range(error.shape[0]):
        if error[j] == 0:
            continue
        step = np.uint8(min(np.int64(spike_times[j]), t_max - 1))  # silent inputs are not in time
        at, of, spans, length, down, on = _spans_of_neuron(j, c)
        for _ in range(spans):
            _add_where_early(total, of, times, at, length, step, error[j])
            at += down
            of += on


@njit(cache=True, nogil=True)
def send_back(
    sent: Any, error: Any, weight: Any, held: Any, j: int, spike_time: Any, c: Any
) -> None:
    """Add the error of neuron ``j`` to its inputs, where these came in time.

    ``held`` (float32) has the inputs' times, ``weight`` is [neurons, kernel height, kernel width,
    channels].
    """
    at, of, spans, length, down, on = _spans_of_neuron(j, c)
    for _ in range(spans):
        _add_span_where_early(sent, weight, of, held, at, length, spike_time, error)
        at += down
        of += on
