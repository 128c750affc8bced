"""Networks that take spikes in the gateware: every answer, spike and cycle, and wrong packets."""

import numpy as np
import pytest
from support.conv_networks import random_conv_case
from support.networks import random_case, with_spikes
from support.simulation import expected_spikes, expected_words, run

from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.models.cycles import cycles_per_image
from sstdp_hw.reference import inference as reference

ERROR = 1 << 17
CASES = [(make, seed) for make in (random_case, random_conv_case) for seed in range(5)]


@pytest.mark.parametrize("make, seed", CASES)
def test_answers_and_cycles(make, seed):
    pixels = make(900 + seed, early_exit=True, images=12)
    case = with_spikes(pixels)
    inference = reference.run(case.network, case.images)
    wanted = expected_words(inference)
    assert wanted == expected_words(reference.run(pixels.network, pixels.images))
    assert run(case.network, case.configuration, case.images, stalls=0.3, seed=seed).words == wanted
    seen = run(case.network, case.configuration, case.images, quiet=1)
    assert seen.words == wanted
    parameters = AcceleratorParameters(case.network, case.configuration)
    predicted = cycles_per_image(parameters, inference)
    assert predicted.tolist() == np.diff(seen.cycles, prepend=-1).tolist()


@pytest.mark.parametrize("make, seed", CASES)
def test_every_spike(make, seed):
    case = with_spikes(make(950 + seed, early_exit=False, images=4))
    inference = reference.run(case.network, case.images)
    seen = run(case.network, case.configuration, case.images, quiet=1)
    assert seen.words == expected_words(inference)
    wanted = set.union(*(expected_spikes(case.network, inference, image) for image in range(4)))
    assert set(seen.spikes) == wanted
    assert len(seen.spikes) == len(wanted), "a spike came twice"
    parameters = AcceleratorParameters(case.network, case.configuration)
    predicted = cycles_per_image(parameters, inference)
    assert predicted.tolist() == np.diff(seen.cycles, prepend=-1).tolist()
