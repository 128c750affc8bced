"""Quantization-aware training: the torch model computes with the integers that are exported."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sstdp_hw.network.layers import Dense, Flatten, fits_width
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference
from sstdp_train import fine_tuning, train
from sstdp_train.backends.choice import backend_for
from sstdp_train.network.encoder import ttfs_table
from sstdp_train.network.export import fit_grids, to_float_network
from sstdp_train.network.layers import SpikingNetwork, decide
from sstdp_train.network.quantization import Grid, rounded_scale


def integer_network(network):
    """The integers of a float network whose layers carry their scale: the quantizer's rule."""
    layers = []
    for layer, scale in zip(network.layers, network.scales, strict=True):
        if isinstance(layer, Dense):
            weight = np.rint(layer.weight.astype(np.float64) / scale).astype(np.int32)
            theta = np.floor(layer.threshold.astype(np.float64) / scale).astype(np.int32)
            layers.append(Dense(weight, theta, layer.weight_width))
        else:
            layers.append(Flatten())
    return Network(
        name=network.name, t_max=network.t_max, input_shape=network.input_shape,
        class_names=network.class_names, encoder=network.encoder, layers=tuple(layers),
    )  # fmt: skip


@pytest.mark.parametrize("widths", [(1, 1), (2, 2), (4, 3), (8, 8), (9, 16), (16, 16)])
def test_integer_network_and_float_network_equal_the_torch_model(widths, tiny, bars):
    recipe = tiny.with_(weight_widths=widths, layers=(30,))
    network = SpikingNetwork((1, 6, 6), 4, recipe, backend_for("auto", torch.device("cpu")))
    torch.manual_seed(0)
    for layer, mean in zip(network.layers, (0.25, 0.15), strict=True):
        torch.nn.init.normal_(layer.weight, mean, 0.4)
        torch.nn.init.normal_(layer.threshold, 2.0, 1.0)  # no multiple of any scale
    fit_grids(network, widths)
    network.eval()
    exported = to_float_network(network, recipe, bars, {}, ttfs_table(recipe.t_max, recipe.cutoff))
    integers = integer_network(exported)

    times = torch.from_numpy(exported.encoder[bars.images]).flatten(1)
    with torch.no_grad():
        all_times, margin = network(times)
    classes, decision = decide(all_times[-1], margin, recipe.t_max)
    for name, result in (
        ("integer", reference.run(integers, bars.images)),
        ("float", reference.run(exported, bars.images)),
    ):
        for index, layer_times in enumerate(all_times):
            np.testing.assert_array_equal(result.spike_times[index + 2], layer_times, name)
        np.testing.assert_array_equal(result.classes, classes, name)
        np.testing.assert_array_equal(result.decision_times, decision, name)
    assert len(np.unique(classes)) > 1, "a test on one class shows nothing"


@pytest.mark.parametrize("width", range(1, 17))
def test_weights_of_a_grid_fit_the_width_and_use_it(width):
    weight = torch.randn(50, 40, generator=torch.Generator().manual_seed(width))
    grid = Grid.fitted(weight, width)
    integers = grid.weights(weight).numpy()
    assert fits_width(integers.astype(np.int32), width)
    assert np.array_equal(integers, np.rint(integers))
    exact = (integers.astype(np.float64) * grid.scale).astype(np.float32)
    assert np.array_equal(exact.astype(np.float64) / grid.scale, integers), "exact in float32"
    if width > 1:
        assert not fits_width(integers.astype(np.int32), width - 1) or width == 2


def test_more_bits_leave_less_error():
    weight = torch.randn(60, 40, generator=torch.Generator().manual_seed(0))
    errors = []
    for width in range(2, 11):
        grid = Grid.fitted(weight, width)
        errors.append(float(((grid.weights(weight) * grid.scale - weight) ** 2).mean()))
    assert errors == sorted(errors, reverse=True)


def test_scales_have_few_significant_bits():
    assert rounded_scale(0.1, 4) == 205 / 2048
    assert rounded_scale(0.1, 12) == 0.125
    assert rounded_scale(0.25, 4) == 0.25


def test_gradients_pass_straight_through_and_stop_where_weights_clip():
    weight = torch.tensor([[0.26, -5.0, 1.8, 1.7]], requires_grad=True)
    grid = Grid(3, 0.5)
    integers = grid.weights(weight)
    assert integers.tolist() == [[1, -4, 3, 3]]
    (integers * torch.tensor([[1.0, 1.0, 1.0, 2.0]])).sum().backward()
    assert weight.grad.tolist() == [[2.0, 0.0, 0.0, 4.0]]  # 1 / scale, where inside the range


def test_at_one_bit_weights_far_from_0_rest():
    weight = torch.tensor([[0.0, -0.1, 1.0, -1.01]], requires_grad=True)
    signs = Grid(1, 0.5).weights(weight)
    assert signs.tolist() == [[1, -1, 1, -1]]
    signs.sum().backward()
    assert weight.grad.tolist() == [[2.0, 2.0, 2.0, 0.0]]


def test_thresholds_round_down():
    grid = Grid(4, 0.25)
    assert grid.thresholds(torch.tensor([1.0, 1.24, -0.1, -0.25])).tolist() == [4, 4, -1, -1]


def test_fine_tuning_recovers_what_rounding_costs(tiny, bars, tmp_path):
    recipe = tiny.with_(epochs=8, learn_thresholds=False)
    train(recipe, bars, out=tmp_path / "float", device="cpu")
    tuning = fine_tuning(recipe, (2,))
    assert tuning.weight_widths == (2, 2)
    result = train(tuning, bars, bars, out=tmp_path / "qat", init=tmp_path / "float", device="cpu")
    assert result["validation_accuracy"] > 0.9
    assert result["initial"]["source"].endswith("float.safetensors")
    with pytest.raises(Exception, match="weight_widths must have one width per weighted layer"):
        fine_tuning(recipe, (2, 3, 4))
