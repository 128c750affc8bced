"""Convolution and pooling against the reference, in Amaranth's simulator."""

import os

import numpy as np
import pytest
from support.conv_networks import random_conv_case
from support.networks import random_dense
from support.simulation import expected_spikes, expected_words, run

from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.network.layers import Conv2d, Dense, Pool2d
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference

SEEDS = range(int(os.environ.get("SSTDP_SEEDS", "12")))


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


def classes(count):
    return tuple(map(str, range(count)))


def network_of(shape, t_max, *layers, encoder=None):
    if encoder is None:
        encoder = np.clip(255 - np.arange(256), 0, t_max)
    names = classes(layers[-1].neurons)
    return Network("directed", t_max, shape, names, encoder.astype(np.uint8), layers)


def conv_of(weight, threshold, width=4, stride=(1, 1), padding=(0, 0)):
    weight = np.asarray(weight, np.int8)
    return Conv2d(weight, np.full(len(weight), threshold, np.int32), width, stride, padding)


def images_of(rng, count, shape, *, silent=0.5, dark=0):
    images = rng.integers(246, 256, (count, *shape)).astype(np.uint8)
    images[rng.random(images.shape) < silent] = dark
    return images


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_the_same_word_in_successive_events(lanes):
    """A kernel of one pixel over four channels: each event touches the word that the events just
    before it touched, with one group in successive cycles."""
    rng = np.random.default_rng(lanes)
    layers = (
        conv_of(rng.integers(-3, 8, (4, 4, 1, 1)), 9),
        random_dense(rng, 5, 4 * 6, 4),
    )
    images = images_of(rng, 10, (4, 2, 3), silent=0.3)
    images[4:6] = 255
    network = network_of((4, 2, 3), 8, *layers)
    check(network, Configuration((lanes, 5), 8, False), images[:8])
    check(network, Configuration((lanes, 5), 8, True), images)


def test_a_potential_that_falls_again_within_its_step_fires_nothing():
    """A word becomes a candidate and is no longer above threshold when the step ends; in the next
    step it is again."""
    weight = np.array([[[[7, -8, 2]]]])
    network = network_of((1, 1, 3), 2, conv_of(weight, 0, width=5), Dense(
        np.array([[1], [-1]], np.int8), np.array([0, 5], np.int32), 2
    ))  # fmt: skip
    images = np.array([[255, 255, 254], [255, 254, 254], [255, 255, 0], [0, 0, 255]], np.uint8)
    times = reference.run(network, images.reshape(-1, 1, 1, 3)).spike_times[1].reshape(-1)
    assert times.tolist() == [1, 0, 2, 0], "what the test is about"
    check(network, Configuration((1, 2), 4, False), images.reshape(-1, 1, 1, 3))


def test_every_pixel_bright():
    """Full queues: every pixel, and nearly every neuron of two layers, fires in step 0."""
    rng = np.random.default_rng(3)
    layers = (
        conv_of(rng.integers(0, 8, (6, 1, 3, 3)), 2, padding=(1, 1)),
        Pool2d((2, 2)),
        conv_of(rng.integers(-1, 8, (20, 6, 2, 2)), 3),
        random_dense(rng, 4, 20 * 9, 3),
    )
    network = network_of((1, 8, 8), 3, *layers)
    images = np.full((3, 1, 8, 8), 255, np.uint8)
    for early_exit in (True, False):
        check(network, Configuration((4, 20, 3), 8, early_exit), images, stalls=0.2)


@pytest.mark.parametrize("first", [0, 1, 2])
def test_neurons_that_fire_without_input_fire_at_every_position(first):
    """Thresholds below zero: in step 0, whatever the first event's step is, and in dark images."""
    rng = np.random.default_rng(first)
    conv = conv_of(rng.integers(-4, 4, (5, 1, 2, 2)), 3)
    conv.threshold[1], conv.threshold[4] = -1, -3
    layers = conv, conv_of(rng.integers(-2, 3, (3, 5, 2, 2)), 2), random_dense(rng, 4, 3 * 4, 3)
    images = images_of(rng, 8, (1, 4, 4), silent=0.6)
    images[np.nonzero(images)] -= np.uint8(first)
    images[3] = 0
    network = network_of((1, 4, 4), 9, *layers)
    check(network, Configuration((2, 3, 4), 2, False), images, limit=20_000)


@pytest.mark.parametrize("kernel", [(2, 2), (3, 2), (1, 4)])
def test_pooling_that_leaves_a_rest(kernel):
    """Rows and columns that fill no window are dropped, also the last event of a step."""
    rng = np.random.default_rng(kernel[0])
    layers = Pool2d(kernel), random_dense(rng, 4, 2 * (5 // kernel[0]) * (7 // kernel[1]), 3)
    images = images_of(rng, 8, (2, 5, 7), silent=0.4)
    images[2, :, :4] = 0  # only the row in the rest
    check(network_of((2, 5, 7), 9, *layers), Configuration((3,), 4, False), images)


def test_stamps_that_come_round():
    """A word that was touched in one image, and not in the images until its stamp comes round."""
    network = network_of(
        (1, 1, 4), 3, conv_of(np.full((1, 1, 1, 1), 3), 5, width=3), Pool2d((1, 2)),
        Dense(np.array([[1, 1], [1, 2]], np.int8), np.array([0, 1], np.int32), 3),
    )  # fmt: skip
    p = AcceleratorParameters(network, Configuration((1, 2)))
    assert [block.stamp_width for block in p.blocks[:2]] == [3, 2]
    # A pixel alone stays below threshold: what an earlier image left would make it fire.
    for distance in range(1, 10):
        images = np.zeros((2 * distance + 1, 1, 1, 4), np.uint8)
        images[:, ..., 0] = 255
        images[[0, distance, 2 * distance], ..., 3] = 255
        check(network, Configuration((1, 2), 4, True), images)


def test_images_dropped_by_early_exit_leave_no_trace():
    """The first output neuron decides at once, while the convolution has hardly begun, often enough
    for tags and stamps to come round; then an image that is computed whole."""
    rng = np.random.default_rng(7)
    conv = conv_of(rng.integers(0, 8, (4, 1, 3, 3)), 20, padding=(1, 1))
    weight = np.zeros((2, 4 * 25), np.int8)
    weight[1] = 1
    output = Dense(weight, np.array([-1, 3], np.int32), 2)
    network = network_of((1, 5, 5), 4, conv, output)
    quick = np.full((1, 1, 5, 5), 255, np.uint8)
    quick[0, 0, 0, 0] = 254
    for repeats in range(1, 10):
        whole = images_of(rng, 1, (1, 5, 5), silent=0.9)
        images = np.concatenate([*[quick] * repeats, whole, *[quick] * 2, whole])
        check(network, Configuration((4, 2), 8, True), images)


@pytest.mark.parametrize("seed", range(4))
def test_reset_at_any_moment_leaves_no_trace(seed):
    case = random_conv_case(seed, early_exit=True, images=4)
    check(case.network, case.configuration, case.images, seed=seed, resets=3)
