"""Packets of events: made of spike times and read back, and what wrong words mean."""

import numpy as np
import pytest

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.blocks.inputs import SpikeInput
from sstdp_hw.blocks.presets import PRESETS, preset
from sstdp_hw.contract.event_packets import (
    EVENT,
    EVENT_BYTES,
    NO_EVENT,
    event_words,
    read_words,
    spaced,
)
from sstdp_hw.contract.fields import pack, total_width
from sstdp_hw.models.cost import cycle_bound
from sstdp_hw.network.layers import Dense
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference

T_MAX, INPUTS = 6, 9


def words(*events):
    """Words of (index, step) each."""
    return [pack(EVENT, {"index": index, "step": step}) for index, step in events]


def small(inputs=INPUTS):
    layer = Dense(np.ones((2, inputs), np.int8), np.array([1, 3], np.int32), 2)
    return Network("small", T_MAX, (1, 1, inputs), ("a", "b"), None, (layer,))


def test_an_event_is_32_bits_with_the_index_below_the_step():
    assert total_width(EVENT) == 32 and EVENT_BYTES == 4
    assert words((5, 3)) == [3 << 24 | 5]
    assert NO_EVENT >> 24 == 255


@pytest.mark.parametrize("seed", range(20))
def test_spike_times_are_what_is_read_back(seed):
    random = np.random.default_rng(seed)
    t_max = int(random.choice([1, 2, 6, 255]))
    times = random.integers(0, t_max + 1, (2, 3, 5)).astype(np.uint8)
    times[random.random(times.shape) < random.random()] = t_max
    made = event_words(times, t_max)
    assert len(made) == max(1, int((times < t_max).sum()))
    assert (np.diff(made >> 24) >= 0).all()
    read, error = read_words(made, times.size, t_max)
    assert not error
    np.testing.assert_array_equal(read, times.reshape(-1))


def test_beats_between_events_mean_nothing():
    """Two behind each event, three more behind a step, none behind the last."""
    packet = np.array(words((4, 0), (2, 0), (3, 1), (1, 5)))
    longer = spaced(packet, 2, 3)
    places = np.flatnonzero(longer != NO_EVENT)
    assert places.tolist() == [0, 3, 9, 15] and len(longer) == 16
    assert longer[places].tolist() == packet.tolist()
    assert spaced(packet, 0, 0).tolist() == packet.tolist()
    assert spaced(np.array([NO_EVENT]), 2, 3).tolist() == [NO_EVENT]


@pytest.mark.parametrize("events, fired, error", [
    ([], {}, False),
    ([(3, 2)], {3: 2}, False),
    ([(3, 2), (3, 2), (3, 4)], {3: 2}, False),  # the first counts
    ([(3, 6), (99, 6), (2, 255), (1 << 23, 7)], {}, False),  # no events, whatever their index
    ([(1, 2), (4, 255), (2, 2)], {1: 2, 2: 2}, False),  # nor do they move the time on
    ([(9, 1), (2, 3)], {2: 3}, True),  # out of range by one
    ([(9, 5), (2, 3)], {2: 3}, True),  # it does not move the time on
    ([(1, 3), (2, 2), (4, 3)], {1: 3, 4: 3}, True),  # a step before
    ([(1, 1), (1, 4), (2, 3)], {1: 1}, True),  # also before one that was repeated
    ([(1, 5), (2, 0), (3, 4), (8, 5)], {1: 5, 8: 5}, True),
])  # fmt: skip
def test_what_words_mean(events, fired, error):
    times, found = read_words(np.array(words(*events), np.int64), INPUTS, T_MAX)
    assert {n: int(t) for n, t in enumerate(times) if t < T_MAX} == fired
    assert found == error


def test_a_beat_is_one_event():
    for name in PRESETS:
        assert preset(name, small()).pixels_per_beat == 1
    with pytest.raises(UserError, match="Pixels per beat must be 1 for a network whose input is"):
        _ = AcceleratorParameters(small(), Configuration(pixels_per_beat=2)).input


def test_more_inputs_than_an_index_can_name_are_refused():
    network = small()
    object.__setattr__(network, "input_shape", (1, 4096, 4097))
    with pytest.raises(UserError, match="Inputs must be at most 16,777,216 where they are spikes"):
        SpikeInput(network)


def test_the_bound_counts_the_beats_of_each_packet():
    """With a group a spike the first layer takes a cycle a spike up to the decision; all the
    packet has to be read."""
    parameters = AcceleratorParameters(small(), Configuration((2,)))
    times = np.full((3, 1, 1, INPUTS), T_MAX, np.uint8)
    times[1, ..., :2], times[2] = 0, 1
    times[1, ..., 5:] = 3
    inference = reference.run(parameters.network, times)
    assert inference.decision_times.tolist() == [T_MAX, 0, 1]
    assert cycle_bound(parameters, inference).tolist() == [1, 6, 9]
