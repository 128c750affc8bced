"""Packets of events: the input stream of a network that takes spikes.

A beat is one event. What a packet means stands here once: `event_words` makes a packet of spike
times, `read_words` says what the hardware must make of any words at all.
"""

from __future__ import annotations

import numpy as np

from ..blocks.inputs import EVENT_INDEX_WIDTH, EVENT_WIDTH
from ..network.layers import Array
from .fields import Field, pack, unpack

EVENT = (
    Field("index", 0, EVENT_INDEX_WIDTH, "which input fired, in C order"),
    Field(
        "step", EVENT_INDEX_WIDTH, EVENT_WIDTH - EVENT_INDEX_WIDTH,
        "time step; `t_max` or more: no event",
    ),
)  # fmt: skip
EVENT_BYTES = EVENT_WIDTH // 8

#: A beat that is no event, whatever ``t_max`` is; alone it is the packet of an empty inference.
NO_EVENT = int(pack(EVENT, {"step": 255}))


def event_words(times: Array, t_max: int) -> Array:
    """The packet of one inference: an event for every spike, by step, then by index.

    Parameters
    ----------
    times : uint8 array, any shape
        Spike times in C order; ``t_max`` is silent.

    Returns
    -------
    int64 array [at least 1]
    """
    flat = np.asarray(times).reshape(-1)
    fired = np.flatnonzero(flat < t_max)
    if not len(fired):
        return np.array([NO_EVENT], np.int64)
    fired = fired[np.argsort(flat[fired], kind="stable")]
    words: Array = pack(EVENT, {"index": fired, "step": flat[fired].astype(np.int64)})
    return words


def spaced(words: Array, events: int, steps: int) -> Array:
    """The packet with ``events`` beats that are none behind each event and ``steps`` more behind
    the last one of a step: it means the same and takes longer.

    Parameters
    ----------
    words : int64 array [beats]
        By step.
    """
    behind = np.full(len(words), events)
    behind[:-1] += steps * (np.diff(unpack(EVENT, words)["step"]) > 0)
    behind[-1] = 0
    found = np.full(len(words) + int(behind.sum()), NO_EVENT, np.int64)
    found[np.arange(len(words)) + np.cumsum(behind) - behind] = words
    return found


def read_words(words: Array, inputs: int, t_max: int) -> tuple[Array, bool]:
    """What a packet stands for: spike times, uint8 [inputs], and whether it is a frame error.

    A beat of a step of ``t_max`` or more is no event. An event whose index is out of range, or
    whose step is below that of an event before it, makes the packet an error and is left out. Of
    several events of one index the first counts.

    Parameters
    ----------
    words : int array [beats]
    """
    found = unpack(EVENT, np.asarray(words, np.int64))
    events = found["step"] < t_max
    known = found["index"][events] < inputs
    index, step = found["index"][events][known], found["step"][events][known]
    ordered = step >= np.maximum.accumulate(step)
    times = np.full(inputs, t_max, np.uint8)
    first, last_to_first = index[ordered], slice(None, None, -1)
    times[first[last_to_first]] = step[ordered][last_to_first]  # the first is written last
    return times, not (known.all() and ordered.all())
