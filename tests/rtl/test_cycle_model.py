"""The cycle model beside the gateware in Amaranth's simulator: the same cycle for every answer."""

import numpy as np
import pytest
from support.conv_networks import random_conv_case
from support.networks import random_case, small_network, wide_case
from support.simulation import run

from sstdp_hw import ready
from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.blocks.pipeline import QUEUE_DEPTH, SLICE_LANES
from sstdp_hw.data import datasets
from sstdp_hw.models.cycles import cycles_per_image
from sstdp_hw.models.cycles.room import Room
from sstdp_hw.reference import inference as reference


def both(network, configuration, images):
    """Cycles per image, predicted and simulated."""
    seen = run(network, configuration, images, quiet=1)
    parameters = AcceleratorParameters(network, configuration)
    predicted = cycles_per_image(parameters, reference.run(network, images))
    return predicted, np.diff(seen.cycles, prepend=-1)


@pytest.mark.parametrize("early_exit", [True, False])
@pytest.mark.parametrize("seed", [1, 4, 8, 9, 41])
def test_random_networks(seed, early_exit):
    """Stale images, full queues, silent images, negative thresholds, pruned pixels."""
    case = random_case(seed, early_exit=early_exit, images=12)
    predicted, simulated = both(case.network, case.configuration, case.images)
    assert predicted.tolist() == simulated.tolist()


@pytest.mark.parametrize("early_exit", [True, False])
@pytest.mark.parametrize("seed", [0, 1, 3, 7, 12, 19])
def test_random_conv_networks(seed, early_exit):
    """The same word in successive walks, comparisons of all words, abandoned walks, pools."""
    case = random_conv_case(seed, early_exit=early_exit, images=6)
    predicted, simulated = both(case.network, case.configuration, case.images)
    assert predicted.tolist() == simulated.tolist()


@pytest.mark.parametrize("early_exit", [True, False])
@pytest.mark.parametrize("lanes", [3 * SLICE_LANES + 7, 2 * SLICE_LANES + 1])
def test_layers_of_several_slices(lanes, early_exit):
    case = wide_case(lanes, early_exit=early_exit)
    predicted, simulated = both(case.network, case.configuration, case.images)
    assert predicted.tolist() == simulated.tolist()


@pytest.mark.parametrize("pixels_per_beat", [2, 8])
def test_mean_over_many_images(pixels_per_beat):
    rng = np.random.default_rng(pixels_per_beat)
    images = rng.integers(0, 256, (200, 8, 8), np.uint8)
    images[rng.random(images.shape) < 0.8] = 0
    predicted, simulated = both(small_network(), Configuration((20, 7), pixels_per_beat), images)
    assert predicted.mean() == pytest.approx(simulated.mean(), rel=0.02)
    assert np.mean(predicted == simulated) > 0.95


def test_beats_that_pass_the_register_behind_a_deep_queue():
    """The first image finds sorters that were cleared long before its last beat comes."""
    network, configuration = small_network(), Configuration((20, 7), 2)
    parameters = AcceleratorParameters(network, configuration)
    assert parameters.t_max < parameters.beats // 2 and parameters.input.queue_depth > QUEUE_DEPTH
    images = np.random.default_rng(5).integers(0, 256, (4, 8, 8), np.uint8)
    predicted, simulated = both(network, configuration, images)
    assert predicted.tolist() == simulated.tolist()


@pytest.mark.parametrize("lanes, pixels_per_beat, early_exit", [
    ((16, 10), 1, True), ((64, 10), 8, True), ((32, 3), 4, False), ((4, 2), 2, True),
])  # fmt: skip
def test_trained_network(lanes, pixels_per_beat, early_exit):
    network = ready.load("digits-64-64-10-4bit")
    images = datasets.load("digits").images[:12]
    configuration = Configuration(lanes, pixels_per_beat, early_exit)
    predicted, simulated = both(network, configuration, images)
    assert predicted.tolist() == simulated.tolist()


def test_chunks_of_images_join_without_a_seam(monkeypatch):
    case = random_case(3, early_exit=True, images=30)
    parameters = AcceleratorParameters(case.network, case.configuration)
    inference = reference.run(case.network, case.images)
    whole = cycles_per_image(parameters, inference)
    monkeypatch.setattr("sstdp_hw.models.cycles.CHUNK", 7)
    assert cycles_per_image(parameters, inference).tolist() == whole.tolist()


@pytest.mark.parametrize("seed", range(50))
def test_issues_taken_together_are_those_taken_one_by_one(seed):
    rng = np.random.default_rng(seed)
    together, single = Room(1), Room(1)
    starts, ends = np.sort(rng.integers(0, 60, (2, 6)), axis=1)
    for room in (together, single):
        room.blocked.extend(zip(starts, np.maximum(starts, ends) + 1, strict=True))
    first, count = (int(number) for number in rng.integers(0, 40, 2))
    expected, cycle = [], first
    for _ in range(count):
        expected.append(single.issue(cycle))
        cycle = expected[-1] + 1
    assert together.issues(first, count) == expected
