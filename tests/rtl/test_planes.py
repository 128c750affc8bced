"""Several planes of encoder tables in the gateware: spikes, answers, cycles, block RAM."""

import numpy as np
import pytest
from support.conv_networks import random_conv_case
from support.networks import random_case
from support.simulation import expected_spikes, expected_words, run

from sstdp_hw import AcceleratorParameters
from sstdp_hw.models.cycles import cycles_per_image
from sstdp_hw.reference import inference as reference

CASES = [
    (make, seed, planes)
    for make, drawn in (
        (random_case, ((0, 2), (1, 3), (2, 4))), (random_conv_case, ((0, 2), (1, 3), (5, 4)))
    )
    for seed, planes in drawn
]  # fmt: skip


@pytest.mark.parametrize("make, seed, planes", CASES)
def test_answers_and_cycles(make, seed, planes):
    case = make(700 + seed, early_exit=True, images=8, planes=planes)
    inference = reference.run(case.network, case.images)
    stalled = run(case.network, case.configuration, case.images, stalls=0.3, seed=seed)
    assert stalled.words == expected_words(inference)
    seen = run(case.network, case.configuration, case.images, quiet=1)
    assert seen.words == expected_words(inference)
    parameters = AcceleratorParameters(case.network, case.configuration)
    predicted = cycles_per_image(parameters, inference)
    assert predicted.tolist() == np.diff(seen.cycles, prepend=-1).tolist()


@pytest.mark.parametrize("make, seed, planes", CASES)
def test_every_spike(make, seed, planes):
    case = make(820 + seed, early_exit=False, images=4, planes=planes)
    inference = reference.run(case.network, case.images)
    seen = run(case.network, case.configuration, case.images, seed=seed)
    assert seen.words == expected_words(inference)
    wanted = set.union(*(expected_spikes(case.network, inference, image) for image in range(4)))
    assert set(seen.spikes) == wanted
    assert len(seen.spikes) == len(wanted), "a spike came twice"


@pytest.mark.parametrize("make, seed, planes", [case for case in CASES if case[2] == 3])
def test_three_planes_are_more_than_one_beat(make, seed, planes):
    """Their lanes are no power of two, so indices have gaps: worth nothing if a beat is all."""
    case = make(820 + seed, early_exit=False, planes=planes)
    found = AcceleratorParameters(case.network, case.configuration).input
    assert found.stride > found.lanes and len(found.order) > 2 * found.stride
