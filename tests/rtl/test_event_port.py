"""Networks that take spikes in the gateware: every answer, spike and cycle, and resets."""

from dataclasses import replace

import numpy as np
import pytest
from support.conv_networks import random_conv_case
from support.networks import Case, random_case, small_network, with_spikes
from support.simulation import expected_spikes, expected_words, run

from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.contract.event_packets import NO_EVENT, event_words, read_words
from sstdp_hw.models.cycles import cycles_per_image
from sstdp_hw.reference import inference as reference

CASES = [(random_case, 900, 12), (random_case, 902, 12), (random_case, 913, 20),
         (random_conv_case, 900, 12), (random_conv_case, 904, 12)]  # fmt: skip


def model_cycles(case, inference):
    parameters = AcceleratorParameters(case.network, case.configuration)
    return cycles_per_image(parameters, inference).tolist()


@pytest.mark.parametrize("make, seed, count", CASES)
def test_answers_and_cycles(make, seed, count):
    """They answer as the same networks do that are fed with pixels; the marks of one with six
    inputs come round."""
    pixels = make(seed, early_exit=True, images=count)
    case = with_spikes(pixels)
    inference = reference.run(case.network, case.images)
    wanted = expected_words(inference)
    assert wanted == expected_words(reference.run(pixels.network, pixels.images))
    seen = run(case.network, case.configuration, case.images, quiet=1)
    assert seen.words == wanted
    assert np.diff(seen.cycles, prepend=-1).tolist() == model_cycles(case, inference)


@pytest.mark.parametrize("make, seed", [(random_case, 954), (random_conv_case, 959)])
def test_every_spike(make, seed):
    case = with_spikes(make(seed, early_exit=False, images=4))
    inference = reference.run(case.network, case.images)
    seen = run(case.network, case.configuration, case.images, quiet=1)
    assert seen.words == expected_words(inference)
    wanted = set.union(*(expected_spikes(case.network, inference, image) for image in range(4)))
    assert set(seen.spikes) == wanted
    assert len(seen.spikes) == len(wanted), "a spike came twice"
    assert np.diff(seen.cycles, prepend=-1).tolist() == model_cycles(case, inference)


def test_reset_at_any_moment_leaves_no_trace():
    case = with_spikes(random_case(903, early_exit=True, images=8))
    seen = run(case.network, case.configuration, case.images, seed=1, resets=4)
    assert seen.words == expected_words(reference.run(case.network, case.images))


def decided_early(network, rng):
    """Samples that are decided in the first two of the steps."""
    pool = rng.integers(0, network.t_max + 1, (400, *network.input_shape)).astype(np.uint8)
    pool[rng.random(pool.shape) < 0.5] = 0
    return pool[reference.run(network, pool).decision_times <= 1]


def test_an_answer_waits_for_the_end_of_its_packet():
    """With a lane a neuron all but the last events come after the decision: a packet of 64 of them
    takes 65 cycles."""
    network = replace(small_network(), encoder=None)
    samples = np.full((400, *network.input_shape), network.t_max - 1, np.uint8)
    samples[np.random.default_rng(6).random(samples.shape) < 0.2] = 0
    samples = samples[reference.run(network, samples).decision_times == 0][:8]
    inference = reference.run(network, samples)
    case = Case(0, network, Configuration((20, 7)), samples)
    seen = run(network, case.configuration, samples, quiet=1)
    assert seen.words == expected_words(inference)
    cycles = np.diff(seen.cycles, prepend=-1).tolist()
    assert cycles == model_cycles(case, inference)
    assert cycles[1:] == [65] * 7


def hostile(number, words, inputs, t_max):
    """A packet made of the words of a good one."""
    late = [(word & 0xFFFFFF) | (t_max - 1) << 24 for word in words]  # repeated, in the last step
    return [
        words,
        [word for word in words for _ in range(2)],
        [NO_EVENT, *words, inputs | 255 << 24],
        [inputs | (t_max - 1) << 24, *words],  # out of range, and no word for what follows
        [*words, *late, inputs | (t_max - 1) << 24],  # the same, when the answer is long known
        [*words, *late, 1],
        [words[-1], *words],
        [NO_EVENT],
    ][number % 8]


@pytest.mark.parametrize("stalls", [0.0, 0.4])
def test_repeated_wrong_and_no_events(stalls):
    """Packets as no careful sender makes them, one after another."""
    rng = np.random.default_rng(5)
    network = replace(small_network(), encoder=None)
    inputs, t_max = network.pixels, network.t_max
    samples = decided_early(network, rng)[:24]
    packets = [
        hostile(number, event_words(sample, t_max).tolist(), inputs, t_max)
        for number, sample in enumerate(samples)
    ]
    read = [read_words(np.array(packet), inputs, t_max) for packet in packets]
    times = np.stack([sample for sample, _ in read]).reshape(samples.shape)
    inference = reference.run(network, times)
    wanted = [
        word | int(error) << 17
        for word, (_, error) in zip(expected_words(inference), read, strict=True)
    ]
    assert sum(word >> 17 for word in wanted) == 12
    seen = run(network, Configuration((20, 7)), None, packets=packets, stalls=stalls, seed=2)
    assert seen.words == wanted
