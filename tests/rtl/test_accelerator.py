"""The whole gateware against the reference, in Amaranth's simulator."""

import os

import numpy as np
import pytest
from support.networks import random_case, wide_case
from support.simulation import expected_spikes, expected_words, run

from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.blocks.pipeline import SLICE_LANES
from sstdp_hw.network.layers import Dense, Flatten
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference

SEEDS = range(int(os.environ.get("SSTDP_SEEDS", "20")))


@pytest.mark.parametrize("seed", SEEDS)
def test_answers_equal_the_reference(seed):
    case = random_case(seed, early_exit=True, images=12)  # more than there are tags
    stalls = (0.0, 0.0, 0.3, 0.8)[seed % 4]
    seen = run(case.network, case.configuration, case.images, stalls=stalls, seed=seed)
    assert seen.words == expected_words(reference.run(case.network, case.images))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_spike_equals_the_reference_without_early_exit(seed):
    case = random_case(1000 + seed, early_exit=False)
    inference = reference.run(case.network, case.images)
    seen = run(case.network, case.configuration, case.images, seed=seed)
    assert seen.words == expected_words(inference)
    wanted = set.union(
        *(expected_spikes(case.network, inference, image) for image in range(len(case.images)))
    )
    assert set(seen.spikes) == wanted
    assert len(seen.spikes) == len(wanted), "a spike came twice"


def test_images_dropped_in_their_first_walk_leave_no_trace():
    """An output neuron with a negative threshold decides while the first layer is still in its
    first walk, often enough for the tags to come round: the next image must not meet old
    potentials."""
    encoder = np.full(256, 4, np.uint8)
    encoder[255], encoder[128] = 0, 1
    hidden, output = np.zeros((64, 2), np.int8), np.zeros((2, 64), np.int8)
    hidden[:4], output[1, :4] = 2, 3
    layers = (
        Flatten(),
        Dense(hidden, np.full(64, 1, np.int32), 4),
        Dense(output, np.array([-6, -5], np.int32), 4),
    )
    network = Network("dropped", 4, (1, 1, 2), ("a", "b"), encoder, layers)
    dropped, whole = [0, 128], [255, 0]
    for repeats in range(1, 18):
        rows = [*[dropped] * repeats, whole, *[dropped] * 3, whole]
        images = np.array(rows, np.uint8).reshape(-1, 1, 1, 2)
        seen = run(network, Configuration((2, 2)), images)
        assert seen.words == expected_words(reference.run(network, images)), f"after {repeats}"


@pytest.mark.parametrize("early_exit", [True, False])
@pytest.mark.parametrize("lanes", [3 * SLICE_LANES + 7, 2 * SLICE_LANES + 1])
def test_layers_of_several_slices(lanes, early_exit):
    """Slices of different sizes, several cycles apart, with one group and with two."""
    case = wide_case(lanes, early_exit=early_exit)
    inference = reference.run(case.network, case.images)
    seen = run(case.network, case.configuration, case.images, stalls=0.2, seed=lanes)
    assert seen.words == expected_words(inference)
    if not early_exit:
        wanted = [expected_spikes(case.network, inference, image) for image in range(12)]
        assert len(seen.spikes) == sum(map(len, wanted)), "a spike is missing or came twice"
        assert set(seen.spikes) == set.union(*wanted)


@pytest.mark.parametrize("seed", range(6))
def test_reset_at_any_moment_leaves_no_trace(seed):
    """Reset in the middle of packets, of images and with an answer pending, then good images."""
    case = random_case(seed, early_exit=True, images=10)
    seen = run(case.network, case.configuration, case.images, seed=seed, resets=4)
    assert seen.words == expected_words(reference.run(case.network, case.images))


def test_the_random_cases_reach_the_corners():
    """The cases above must hold what the hardware is most likely to get wrong."""
    cases = [random_case(seed, early_exit=True) for seed in range(50)]
    inferences = [reference.run(case.network, case.images) for case in cases]
    layers = [layer for case in cases for _, layer in case.network.weighted]
    assert any(inference.silent.any() for inference in inferences)
    assert any(not inference.silent.all() for inference in inferences)
    assert sum(len(set(inference.classes.tolist())) > 1 for inference in inferences) > 10
    assert {1, 255} <= {case.network.t_max for case in cases}
    assert {1, 12} <= {layer.weight_width for layer in layers}
    assert any((layer.threshold < 0).any() for layer in layers)
    assert any((layer.threshold == 2**31 - 1).any() for layer in layers)
    assert {1, 2, 3} == {len(case.network.weighted) for case in cases}
    divides = {
        layer.neurons % lanes == 0
        for case in cases
        for (_, layer), lanes in zip(case.network.weighted, case.configuration.lanes, strict=True)
    }
    assert divides == {True, False}
    hidden = [
        layer
        for case in cases
        for layer in AcceleratorParameters(case.network, case.configuration).layers[:-1]
    ]
    assert {(len(layer.slices) > 1, layer.groups > 1) for layer in hidden} == {
        (several, many) for several in (False, True) for many in (False, True)
    }
    late = [time for inference in inferences for time in inference.decision_times]
    assert max(late) > 20, "decisions late in the image"
