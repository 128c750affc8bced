"""The images that are played where no data set is given."""

import numpy as np
from support.networks import small_network

from sstdp_hw.reference import inference as reference
from sstdp_sim.stress.stimulus import early_decisions, random_images


def test_images_of_every_density_and_timing():
    network = small_network()
    images = random_images(network, np.random.default_rng(1), 400)
    assert images.shape == (400, 1, 8, 8) and images.dtype == np.uint8
    inference = reference.run(network, images)
    assert set(inference.decision_times) == set(range(network.t_max + 1))
    spikes = (network.encoder[images] < network.t_max).mean((1, 2, 3))
    assert spikes.min() == 0 and spikes.max() == 1


def test_decided_while_spikes_are_still_to_come():
    """Few and many in a step, so that the encoder is anywhere in its walk when they are dropped."""
    network = small_network()
    images = early_decisions(network, np.random.default_rng(1), 100)
    assert images.shape == (100, 1, 8, 8) and images.dtype == np.uint8
    decided = reference.run(network, images).decision_times[:, None]
    times = network.encoder[images].reshape(100, -1)
    later = ((times > decided) & (times < network.t_max)).sum(axis=1)
    assert (decided < network.t_max - 1).mean() > 0.9
    assert np.percentile(later, 10) < 5 and np.percentile(later, 90) > 30


def test_a_network_that_decides_nothing_early_gives_no_such_images():
    network = small_network()
    network.layers[2].threshold[:] = 10_000
    assert len(early_decisions(network, np.random.default_rng(1), 10)) == 0
