"""Convolution and pooling against the reference, in Amaranth's simulator."""

import pytest
from support.conv_networks import random_conv_case
from support.simulation import expected_spikes, expected_words, run

from sstdp_hw import reference

SEEDS = range(40)


def check(network, configuration, images, **options):
    """Answers, and without early exit every spike, equal the reference."""
    inference = reference.run(network, images)
    seen = run(network, configuration, images, **options)
    assert seen.words == expected_words(inference)
    if not configuration.early_exit:
        wanted = [expected_spikes(network, inference, image) for image in range(len(images))]
        assert set(seen.spikes) == set.union(*wanted)
        assert len(seen.spikes) == sum(map(len, wanted)), "a spike came twice"


@pytest.mark.parametrize("seed", SEEDS)
def test_answers_equal_the_reference(seed):
    case = random_conv_case(seed, early_exit=True, images=9)  # more than there are tags
    stalls = (0.0, 0.0, 0.3, 0.8)[seed % 4]
    check(case.network, case.configuration, case.images, stalls=stalls, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_spike_equals_the_reference_without_early_exit(seed):
    case = random_conv_case(1000 + seed, early_exit=False)
    stalls = (0.0, 0.3)[seed % 2]
    check(case.network, case.configuration, case.images, stalls=stalls, seed=seed)
