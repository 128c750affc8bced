"""A network with convolutions in one compiled pass gives what the rule gives layer by layer.

The order of sums differs, so numbers are integers where equality is asked for.
"""

from __future__ import annotations

import pytest
import torch

from sstdp_train.backends.choice import backend_for
from sstdp_train.network.layers import SpikingNetwork
from sstdp_train.network.quantization import Grid
from sstdp_train.recipes.recipe import Recipe

CPU = torch.device("cpu")
SHAPE, CLASSES, BATCH = (2, 11, 10), 5, 12
NETWORKS = [
    ("conv3k3", "pool2", "conv4k2p1", "pool2"),
    ("conv3k3s2p1", "conv4k2x3", 9),
    ("pool2", "conv4k3p1", "pool2x1", 7, 6),  # pooled pixels
    ("conv5k3p2", "pool3"),  # cells at the border fill no window
    ("pool3",),
]

pytest.importorskip("numba", reason="the native backend needs numba")


def network_of(recipe, backend, *, in_one_pass, integers, seed=1):
    """Random weights of both signs, such that neurons fire at all steps or not at all."""
    network = SpikingNetwork(SHAPE, CLASSES, recipe, backend_for(backend, CPU)).train()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in network.layers:
            neurons = layer.weight.shape[-1]
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) + 0.5)
            layer.threshold.copy_(torch.randn(neurons, generator=generator) * 1.5 + 1)
            layer.firing_rate.copy_(torch.rand(neurons, generator=generator) * 0.2)
            if integers:
                layer.weight.copy_((layer.weight * 4).round())
                layer.threshold.copy_((layer.threshold * 4).round())
    if not in_one_pass:
        network.in_one_pass = None
    return network


def learn(network, times, until_decision):
    """Spike times, margin, and the gradients of a loss that reaches both outputs."""
    all_times, margin = network(times, until_decision)
    weighting = torch.randint(-2, 3, margin.shape, generator=torch.Generator().manual_seed(9))
    loss = (margin * weighting).sum() - all_times[-1][:, [0, 2]].sum()
    loss.backward()
    return all_times, margin, [entry.grad for entry in network.parameters() if entry.requires_grad]


def times_of(t_max):
    generator = torch.Generator().manual_seed(t_max)
    times = torch.randint(0, 2 * t_max, (BATCH, 220), generator=generator).clamp(max=t_max)
    times[0] = t_max  # an image without spikes
    return times.to(torch.uint8)


@pytest.mark.parametrize("until_decision", [False, True])
@pytest.mark.parametrize("t_max", [1, 6, 255])
@pytest.mark.parametrize("layers", NETWORKS)
@pytest.mark.parametrize("backend", ["native", "torch"])
def test_integers_are_equal_to_the_bit(layers, t_max, until_decision, backend):
    """Gates and push multiply, so there are none."""
    recipe = Recipe(layers=layers, t_max=t_max, gate=0.0, homeostasis=0.0, learn_thresholds=True)
    whole = network_of(recipe, "native", in_one_pass=True, integers=True)
    single = network_of(recipe, backend, in_one_pass=False, integers=True)
    assert whole.in_one_pass is not None
    found = learn(whole, times_of(t_max), until_decision)
    expected = learn(single, times_of(t_max), until_decision)
    for own, theirs in zip(found[0], expected[0], strict=True):
        assert torch.equal(own.to(torch.float32), theirs)
    assert torch.equal(found[1], expected[1])
    for own, theirs in zip(found[2], expected[2], strict=True):
        assert torch.equal(own, theirs)
    for own, theirs in zip(whole.layers, single.layers, strict=True):
        assert torch.equal(own.firing_rate, theirs.firing_rate)
    assert all(gradient.any() for gradient in found[2][::2])
    assert (found[0][-1] < t_max).any()


@pytest.mark.parametrize("changes", [
    {"gate": 1.1, "homeostasis": 0.0},
    {"gate": 1.5, "gate_shape": "triangle", "homeostasis": 0.01},
    {"gate": 1.5, "wake_silent": False, "depression": 0.2, "learn_thresholds": True},
    {"gate": 0.0, "normalize_error": True},
])  # fmt: skip
@pytest.mark.parametrize("layers", NETWORKS)
def test_every_option_agrees_up_to_round_off(layers, changes):
    recipe = Recipe(layers=layers, t_max=7, **changes)
    found, expected = (
        learn(
            network_of(recipe, "native", in_one_pass=in_one_pass, integers=False), times_of(7), True
        )
        for in_one_pass in (True, False)
    )
    for own, theirs in zip(found[0], expected[0], strict=True):
        assert torch.equal(own.to(torch.float32), theirs)
    for own, theirs in zip(found[2], expected[2], strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-4, atol=1e-4)
    assert found[2][0].any()


@pytest.mark.parametrize("widths", [(4, 3, 2), (1, 1, 1)])
def test_quantized_layers_are_equal(widths):
    recipe = Recipe(layers=NETWORKS[0], t_max=9, gate=0.0, homeostasis=0.0)
    networks = [
        network_of(recipe, backend, in_one_pass=backend == "native", integers=True)
        for backend in ("native", "torch")
    ]
    for network in networks:
        for layer, width in zip(network.layers, widths, strict=True):
            layer.grid = Grid(width, 0.5)
    found, expected = (learn(network, times_of(9), True) for network in networks)
    for own, theirs in zip(found[2], expected[2], strict=True):
        assert torch.equal(own, theirs)
    assert torch.equal(found[1], expected[1])
    assert found[2][0].any()


def test_pooling_twice_goes_layer_by_layer():
    """Ties of the first pooling decide in which cell of the second a spike is."""
    recipe = Recipe(layers=("conv4k3", "pool2x1", "pool1x2"))
    network = network_of(recipe, "native", in_one_pass=True, integers=True)
    assert network.in_one_pass is None
    assert learn(network, times_of(8), True)[2][0].any()
