"""All layers in one compiled pass give what the rule gives layer by layer, to the bit."""

from __future__ import annotations

import pytest
import torch

from sstdp_train.backends.choice import backend_for
from sstdp_train.network.layers import SpikingNetwork
from sstdp_train.network.quantization import Grid
from sstdp_train.recipes.architecture import place, pooled_layers
from sstdp_train.recipes.recipe import Recipe

CPU = torch.device("cpu")
FAN_IN, CLASSES, BATCH = 50, 6, 24

pytest.importorskip("numba", reason="the native backend needs numba")


def network_of(recipe, backend, *, seed, integers):
    """Random weights of both signs, such that neurons fire at all steps or not at all."""
    network = SpikingNetwork((1, 1, FAN_IN), CLASSES, recipe, backend_for(backend, CPU))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in network.layers:
            shape = layer.weight.shape
            layer.weight.copy_(torch.randn(shape, generator=generator) + 0.3)
            layer.threshold.copy_(torch.randn(shape[1], generator=generator) * 2 + 3)
            layer.firing_rate.copy_(torch.rand(shape[1], generator=generator) * 0.2)
            if integers:
                layer.weight.copy_((layer.weight * 4).round())
                layer.threshold.copy_((layer.threshold * 4).round())
    return network.train()


def learn(network, times, labels, until_decision):
    """Spike times, margin, and the gradients of a loss that reaches both outputs."""
    network.zero_grad()
    all_times, margin = network(times, until_decision)
    weighting = torch.linspace(-1, 2, margin.numel()).view_as(margin)
    loss = (margin * weighting.round(decimals=2)).sum() - all_times[-1][:, labels].sum()
    loss.backward()
    return all_times, margin, [entry.grad for entry in network.parameters() if entry.requires_grad]


RECIPES = [
    {},
    {"layers": ()},
    {"layers": (17,), "gate": 0.0, "homeostasis": 0.0},
    {"layers": (30, 20, 9), "gate": 1.0, "gate_shape": "triangle"},
    {"layers": (20,), "wake_silent": False, "depression": 0.25, "learn_thresholds": True},
]


@pytest.mark.parametrize("until_decision", [False, True])
@pytest.mark.parametrize("t_max", [1, 6, 255])
@pytest.mark.parametrize("number", range(len(RECIPES)))
def test_a_network_in_one_pass_is_its_layers(number, t_max, until_decision):
    recipe = Recipe(**{"layers": (30,), "t_max": t_max, **RECIPES[number]})
    generator = torch.Generator().manual_seed(number)
    times = torch.randint(0, 2 * t_max, (BATCH, FAN_IN), generator=generator).clamp(max=t_max)
    times[0] = t_max  # an image without spikes
    labels = torch.randint(0, CLASSES, (3,), generator=generator)
    whole = network_of(recipe, "native", seed=number, integers=False)
    layers = network_of(recipe, "native", seed=number, integers=False)
    assert whole.in_one_pass is not None
    layers.in_one_pass = None
    found, expected = (
        learn(network, times.to(torch.uint8), labels, until_decision) for network in (whole, layers)
    )
    for own, theirs in zip(found[0], expected[0], strict=True):
        assert torch.equal(own, theirs)
    assert torch.equal(found[1], expected[1])
    for own, theirs in zip(found[2], expected[2], strict=True):
        assert torch.equal(own, theirs)
    for own, theirs in zip(whole.layers, layers.layers, strict=True):
        assert torch.equal(own.firing_rate, theirs.firing_rate)
    assert all(gradient.any() for gradient in found[2])
    assert (found[0][-1] < t_max).any()


@pytest.mark.parametrize("until_decision", [False, True])
@pytest.mark.parametrize("widths", [(), (4, 3), (1, 1)])
def test_a_network_in_one_pass_is_the_layers_of_the_torch_backend(widths, until_decision):
    """On integers sums are exact, whatever their order; gates would multiply, so there are none."""
    recipe = Recipe(layers=(30,), t_max=9, gate=0.0, homeostasis=0.0)
    times = torch.randint(0, 14, (BATCH, FAN_IN), generator=torch.Generator().manual_seed(5))
    times = times.clamp(max=9).to(torch.uint8)
    networks = [network_of(recipe, name, seed=2, integers=True) for name in ("native", "torch")]
    for network in networks:
        for layer, width in zip(network.layers, widths, strict=False):
            layer.grid = Grid(width, 0.5)
    found, expected = (
        learn(network, times, torch.tensor([1, 2]), until_decision) for network in networks
    )
    assert all(torch.equal(*both) for both in zip(found[0], expected[0], strict=True))
    assert torch.equal(found[1], expected[1])
    for own, theirs in zip(found[2], expected[2], strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-5, atol=1e-4)


def test_errors_scaled_to_length_1_agree_up_to_round_off():
    recipe = Recipe(layers=(30,), t_max=9, gate=0.0, normalize_error=True)
    times = torch.randint(0, 10, (BATCH, FAN_IN), generator=torch.Generator().manual_seed(6))
    whole, layers = (network_of(recipe, "native", seed=3, integers=False) for _ in range(2))
    layers.in_one_pass = None
    found, expected = (
        learn(network, times.to(torch.uint8), torch.tensor([1]), False)
        for network in (whole, layers)
    )
    for own, theirs in zip(found[2], expected[2], strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-5, atol=1e-8)


def test_a_gate_of_width_0_lets_nothing_through():
    """See the test of this name for single layers."""
    network = network_of(Recipe(layers=(2,), t_max=4, gate=1.0, gate_shape="triangle",
                                homeostasis=0.0), "native", seed=1, integers=True)  # fmt: skip
    with torch.no_grad():
        network.layers[0].weight.zero_()
        network.layers[0].threshold.zero_()
    *_, (hidden, output) = learn(network, torch.zeros(1, FAN_IN), torch.tensor([0]), False)
    assert not hidden.any()
    assert output.isfinite().all()


def test_only_a_backend_that_can_takes_a_network_in_one_pass():
    layers = pooled_layers(place((30,), (1, 1, FAN_IN), CLASSES))
    assert backend_for("native", CPU).network(layers) is not None
    assert backend_for("torch", CPU).network(layers) is None
