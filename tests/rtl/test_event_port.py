"""Networks that take spikes in the gateware: every answer, spike and cycle, and resets."""

import numpy as np
import pytest
from support.conv_networks import random_conv_case
from support.networks import random_case, with_spikes
from support.simulation import expected_spikes, expected_words, run

from sstdp_hw.blocks.hardware import AcceleratorParameters
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


@pytest.mark.parametrize("make, seed", [(random_case, 950), (random_conv_case, 950)])
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


@pytest.mark.parametrize("stalls", [0.0, 0.4])
def test_repeated_wrong_and_no_events(stalls):
    """Packets as no careful sender makes them, one after another, more than marks have numbers."""
    case = with_spikes(random_case(908, early_exit=True, images=20))
    assert 1 << AcceleratorParameters(case.network, case.configuration).input.stamp_width < 20
    inputs, t_max = case.network.pixels, case.network.t_max
    rng = np.random.default_rng(5)
    packets = []
    for number, sample in enumerate(case.images):
        words = event_words(sample, t_max).tolist()
        again = [int(rng.choice(words)) | (t_max - 1) << 24 for _ in range(3)]
        tail = [[], again, [NO_EVENT] * 2, [inputs], [inputs | 255 << 24], [words[-1], 0]][
            number % 6
        ]
        packets.append([*words, *tail])
    read = [read_words(np.array(packet), inputs, t_max) for packet in packets]
    times = np.stack([sample for sample, _ in read]).reshape(case.images.shape)
    errors = [error for _, error in read]
    assert 0 < sum(errors) < len(errors)
    wanted = expected_words(reference.run(case.network, times))
    seen = run(case.network, case.configuration, None, packets=packets, stalls=stalls, seed=2)
    assert seen.words == [word | error << 17 for word, error in zip(wanted, errors, strict=True)]
