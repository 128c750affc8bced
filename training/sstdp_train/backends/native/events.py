"""Lists of events, compiled by numba: inputs in order of their spikes, neurons that fire in a step.

No branch asks whether one input spikes or one neuron fires: which ones do is hard to predict.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .compiled import njit


class EventList(NamedTuple):
    """Room for the input spikes of one image.

    Members
    -------
    spiking : int32 [inputs + 1]
        The inputs that spike, in order of index.
    events : int32 [inputs]
        The same in order of time, then of index.
    steps : uint8 [inputs]
        The time of each event.
    places : int64 [t_max + 1]
        Where the next event of each time goes.
    """

    spiking: Any
    events: Any
    steps: Any
    places: Any


class FiredList(NamedTuple):
    """Room for the neurons that fire in one step.

    Members
    -------
    words : uint64 [neurons // 8 + 1]
        A mark of one byte for every neuron.
    neurons : int32 [neurons + 1]
        Those that fire, in order.
    """

    words: Any
    neurons: Any


@njit(cache=True, nogil=True)
def event_list(inputs: int, t_max: int) -> Any:
    """Room for up to so many events."""
    return EventList(
        np.empty(inputs + 1, np.int32), np.empty(inputs, np.int32), np.empty(inputs, np.uint8),
        np.empty(t_max + 1, np.int64),
    )  # fmt: skip


@njit(cache=True, nogil=True)
def fired_list(neurons: int) -> Any:
    """Room for up to so many neurons."""
    return FiredList(np.empty(neurons // 8 + 1, np.uint64), np.empty(neurons + 1, np.int32))


@njit(cache=True, nogil=True)
def list_spikes(times: Any, t_max: int, room: Any) -> int:
    """List the inputs that spike in ``room.spiking`` (`EventList`); how many."""
    spiking = room.spiking
    count = 0
    for i in range(times.shape[0]):
        spiking[count] = i
        count += np.int64(times[i] < t_max)
    return count


@njit(cache=True, nogil=True)
def sort_by_time(times: Any, count: int, room: Any) -> None:
    """Counting sort of the first ``count`` inputs in ``room.spiking`` into ``room.events``, with
    their time in ``room.steps`` (`EventList`)."""
    spiking, events, steps, places = room.spiking, room.events, room.steps, room.places
    places[:] = 0
    for k in range(count):
        places[times[spiking[k]] + 1] += 1
    for t in range(1, places.shape[0]):
        places[t] += places[t - 1]
    for k in range(count):
        time = times[spiking[k]]
        place = places[time]
        events[place] = spiking[k]
        steps[place] = time
        places[time] = place + 1


@njit(cache=True, nogil=True)
def _mark_positive(marks: Any, v: Any) -> None:
    for j in range(v.shape[0]):
        marks[j] = v[j] > 0


@njit(cache=True, nogil=True)
def list_fired(v: Any, room: Any) -> int:
    """List the neurons above 0 in ``room.neurons`` (`FiredList`); how many.

    They are marked with a byte each, and eight marks are looked at as one number, for few steps
    have any.
    """
    words, neurons = room.words, room.neurons
    marks = words.view(np.uint8)
    _mark_positive(marks, v)
    last = (v.shape[0] + 7) // 8
    marks[v.shape[0] : 8 * last] = 0
    count = 0
    for word in range(last):
        if words[word] != 0:
            for j in range(8 * word, 8 * word + 8):
                neurons[count] = j
                count += np.int64(marks[j])
    return count


@njit(cache=True, nogil=True)
def hold(held: Any, times: Any, t_max: Any, silent: Any) -> None:
    """Times, with ``silent`` in place of none."""
    for i in range(held.shape[0]):
        held[i] = times[i] if times[i] < t_max else silent
