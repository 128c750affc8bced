"""Additions, layer work and bounds, counted one by one beside the formulas."""

import numpy as np
import pytest
from hw.random_networks import conv_network, dense_network, random_images

from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.models import cost
from sstdp_hw.reference import inference as reference
from sstdp_hw.reference.additions import additions
from sstdp_hw.reference.plain import SYNAPSES


def synapses_per_input(layer, shape, output_shape):
    """Neurons that each input reaches, from the list of all synapses."""
    every = {tuple(int(i) for i in index): 0 for index in np.ndindex(*shape)}
    for reached in SYNAPSES[layer.kind](layer, every, output_shape).values():
        for source, _ in reached:
            every[source] += 1
    return np.array([every[index] for index in np.ndindex(*shape)]).reshape(shape)


@pytest.mark.parametrize("seed", range(25))
def test_fan_out(seed):
    rng = np.random.default_rng(seed)
    network = (conv_network if seed % 2 else dense_network)(rng)
    for index, layer in network.weighted:
        shape = network.shapes[index]
        wanted = synapses_per_input(layer, shape, network.shapes[index + 1])
        assert np.array_equal(layer.fan_out(shape), wanted)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("up_to_decision", [True, False])
def test_additions(seed, up_to_decision):
    rng = np.random.default_rng(seed)
    network = (conv_network if seed % 2 else dense_network)(rng)
    inference = reference.run(network, random_images(rng, network, 5))
    found = additions(network, inference, up_to_decision=up_to_decision)
    for image in range(5):
        last = network.t_max - 1
        if up_to_decision and not inference.silent[image]:
            last = int(inference.decision_times[image])
        wanted = 0
        for index, layer in network.weighted:
            shape = network.shapes[index]
            reached = synapses_per_input(layer, shape, network.shapes[index + 1])
            arrived = inference.spike_times[index][image].reshape(shape) <= last
            wanted += int(reached[arrived].sum())
        assert found[image] == wanted


@pytest.mark.parametrize("make", [dense_network, conv_network])
def test_pixels_without_a_weight_cost_as_much_as_dark_ones(make):
    """One pixel of a dense layer, a whole channel of a convolution."""
    rng = np.random.default_rng(5)
    network = make(rng, t_max=8)
    network.weighted[0][1].weight[:, 0] = 0
    dead = ~network.live_inputs.reshape(network.input_shape)
    assert dead.any() and not dead.all()
    network.encoder[0] = network.t_max
    images = np.full((2, *network.input_shape), np.flatnonzero(network.encoder < 8)[0], np.uint8)
    images[1, dead] = 0
    inference = reference.run(network, images)
    assert inference.spike_times[0][0].reshape(dead.shape)[dead].max() < network.t_max
    lit, dark = additions(network, inference, up_to_decision=False)
    assert lit == dark > 0


@pytest.mark.parametrize("early_exit", [True, False])
def test_layer_work_and_bound(early_exit):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        network = dense_network(rng)
        lanes = tuple(int(rng.integers(1, layer.neurons + 1)) for _, layer in network.weighted)
        parameters = AcceleratorParameters(network, Configuration(lanes, 2, early_exit))
        inference = reference.run(network, random_images(rng, network, 6))
        work = cost.layer_work(parameters, inference)
        for image in range(6):
            decided = early_exit and not inference.silent[image]
            last = int(inference.decision_times[image]) if decided else network.t_max - 1
            for column, (index, layer) in enumerate(network.weighted):
                events = int((inference.spike_times[index][image] <= last).sum())
                assert work[image, column] == events * -(-layer.neurons // lanes[column])
        bound = cost.cycle_bound(parameters, inference)
        assert np.array_equal(bound, np.maximum(work.max(axis=1), -(-network.inputs // 2)))


def test_efficiency_is_the_ratio_of_means():
    assert cost.efficiency(np.array([10, 30]), np.array([20, 30])) == pytest.approx(0.8)


def test_multiply_accumulates():
    rng = np.random.default_rng(0)
    for make in (dense_network, conv_network):
        network = make(rng)
        wanted = 0
        for index, layer in network.weighted:
            places = int(np.prod(network.shapes[index + 1][1:]))  # 1 for a dense layer
            wanted += layer.weight.size * places
        assert network.multiply_accumulates == wanted
