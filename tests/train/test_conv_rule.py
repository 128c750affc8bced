"""The rule with shared weights: forward against the integer reference, backward against its
formulas as plain loops over every synapse of every position."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from support.rule_options import RULE_OPTIONS
from train.largest_tensor import LargestTensor

from sstdp_hw.network.layers import Conv2d, Dense, Flatten
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference
from sstdp_train.backends.choice import backend_for
from sstdp_train.recipes.architecture import ConvSpec, Placed, place
from sstdp_train.rule.layer_rule import LayerRule
from sstdp_train.rule.spike_once import SpikeOnce

CPU = torch.device("cpu")
CASES = [  # input shape, layer; the kernel covers padding only, parts of the image, all of it
    ((1, 6, 7), "conv2k3"),
    ((2, 5, 6), "conv3k2x3"),
    ((3, 7, 5), "conv2k3s2"),
    ((2, 5, 5), "conv4k3p1"),
    ((2, 7, 8), "conv3k3x2s2x3p2x1"),
    ((1, 4, 4), "conv2k1s3p2"),
    ((2, 3, 4), "conv5k3x4"),
    ((1, 5, 5), "conv1k2s4"),
    ((2, 4, 4), "conv2k5p2"),
]


@pytest.fixture(params=["torch", "native"])
def backend(request):
    """Both must compute the same function."""
    if request.param == "native":
        pytest.importorskip("numba", reason="the native backend needs numba")
    return backend_for(request.param, CPU)


def placed_layer(shape, name) -> Placed:
    return place([name], shape, 1)[0]


def last(array):
    """[batch, channels, height, width] to channels last."""
    return np.moveaxis(array, 1, -1)


def draw_times(rng, t_max, size):
    """Few steps are occupied, some inputs are silent, and none need fire in the last step."""
    allowed = rng.integers(0, t_max + 1, 5)
    return rng.choice(np.append(allowed, t_max), size)


@pytest.mark.parametrize(("shape", "name"), CASES)
@pytest.mark.parametrize("t_max", [1, 6, 255])
def test_forward_equals_the_reference_spike_for_spike(shape, name, t_max, backend):
    rng = np.random.default_rng(t_max)
    layer = placed_layer(shape, name)
    spec = layer.spec
    assert isinstance(spec, ConvSpec)
    weight = rng.integers(-7, 8, (spec.channels, shape[0], *spec.kernel)).astype(np.int8)
    threshold = rng.choice([-3, 0, 2, 5, 9, 1 << 20], spec.channels).astype(np.int32)
    cells = int(np.prod(layer.outputs))
    network = Network(
        name="one", t_max=t_max, input_shape=shape, class_names=("a",),
        encoder=rng.permutation(np.arange(256) * (t_max + 1) // 256).astype(np.uint8),
        layers=(Conv2d(weight, threshold, 4, spec.stride, spec.padding), Flatten(),
                Dense(np.ones((1, cells), np.int8), np.zeros(1, np.int32), 2)),
    )  # fmt: skip
    images = rng.integers(0, 256, (9, *shape)).astype(np.uint8)
    expected = reference.run(network, images)
    times = torch.from_numpy(last(expected.spike_times[0]).copy())
    found, _ = SpikeOnce.apply(
        times, torch.from_numpy(weight.astype(np.float32)).permute(2, 3, 1, 0),
        torch.from_numpy(threshold.astype(np.float32)), None, LayerRule(t_max=t_max),
        backend.conv_layer(layer.geometry),
    )  # fmt: skip
    np.testing.assert_array_equal(found.numpy(), last(expected.spike_times[1]))


def plain_backward(layer, times, weight, threshold, spike_times, margin, errors, push, rule):
    """The formulas of `sstdp_train.rule.spike_once`, one synapse of one position at a time. Padding
    is an input that never spikes: it has no error, and depression holds for it."""
    spec, (rows, columns, neurons) = layer.spec, spike_times.shape[1:]
    (height, width), batch = times.shape[1:3], len(times)
    gradient, sent = np.zeros(weight.shape), np.zeros(times.shape)
    threshold_gradient = np.zeros(neurons)
    shared_by = batch * rows * columns
    wish = errors[1] - errors[0]
    if rule.normalize_error:
        lengths = [np.sqrt(np.sum(wish[b] ** 2)) for b in range(batch)]
        wish = np.stack([wish[b] / (lengths[b] * batch) for b in range(batch)])
    for b, row, column, j in np.ndindex(spike_times.shape):
        error, fires = wish[b, row, column, j], spike_times[b, row, column, j]
        if rule.gate:
            distance = abs(margin[b, row, column, j]) / (rule.gate * rule.unit * abs(threshold[j]))
            triangle = rule.gate_shape == "triangle"
            error *= max(0.0, 1.0 - distance) if triangle else float(distance < 1)
        own = error - push[j] / shared_by
        threshold_gradient[j] -= own * rule.unit
        for dy, dx, c in np.ndindex(weight.shape[:3]):
            y = row * spec.stride[0] + dy - spec.padding[0]
            x = column * spec.stride[1] + dx - spec.padding[1]
            inside = 0 <= y < height and 0 <= x < width
            spiked = inside and times[b, y, x, c] < rule.t_max
            in_time = spiked and times[b, y, x, c] <= fires
            if in_time or (inside and not spiked and rule.wake_silent):
                sent[b, y, x, c] -= error * weight[dy, dx, c, j] * rule.unit
            window = 1.0 if in_time else -rule.depression
            gradient[dy, dx, c, j] += own * window * rule.unit
    return sent, gradient, threshold_gradient


@pytest.mark.parametrize(
    ("case", "options", "sparse"),
    [
        *itertools.product(CASES, [RULE_OPTIONS[0], RULE_OPTIONS[-1]], [0.0, 0.9]),
        *itertools.product([CASES[4]], RULE_OPTIONS[1:-1], [0.0]),
    ],
)
@pytest.mark.parametrize("t_max", [1, 7])
def test_backward_equals_the_formulas(case, options, sparse, t_max, backend):
    rng = np.random.default_rng(t_max)
    layer = placed_layer(*case)
    rule = LayerRule(t_max=t_max, **options)
    geometry = layer.geometry
    times = draw_times(rng, t_max, (3, *geometry.inputs)).astype(np.float32)
    weight = rng.normal(0.3, 0.6, (*geometry.kernel, geometry.inputs[2], geometry.outputs[2]))
    threshold = rng.choice([-0.5, 0.4, 0.8, 1.5, 9.0], geometry.outputs[2])
    push = rng.choice([0.0, 0.3], geometry.outputs[2])
    errors = rng.normal(size=(2, 3, *geometry.outputs))
    errors[:, rng.random(errors.shape[1:]) < sparse] = 0  # as pooling leaves them

    tensors = [
        torch.tensor(array, dtype=torch.float32, requires_grad=True)
        for array in (times, weight, threshold)
    ]
    spike_times, margin = SpikeOnce.apply(
        *tensors, torch.tensor(push, dtype=torch.float32), rule, backend.conv_layer(geometry)
    )
    loss = (spike_times * torch.tensor(errors[0], dtype=torch.float32)).sum()
    (loss + (margin * torch.tensor(errors[1], dtype=torch.float32)).sum()).backward()
    expected = plain_backward(
        layer, times, weight, threshold, spike_times.detach().numpy(), margin.detach().numpy(),
        errors, push, rule,
    )  # fmt: skip
    for name, tensor, wanted in zip(
        ("times", "weight", "threshold"), tensors, expected, strict=True
    ):
        np.testing.assert_allclose(tensor.grad.numpy(), wanted, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(("shape", "name"), CASES)
@pytest.mark.parametrize("t_max", [1, 16, 255])
def test_backends_agree_to_the_bit_on_integers(shape, name, t_max):
    pytest.importorskip("numba", reason="the native backend needs numba")
    geometry = placed_layer(shape, name).geometry
    generator = torch.Generator().manual_seed(t_max)

    def integers(low, high, size):
        return torch.randint(low, high, size, generator=generator).float()

    times = integers(0, t_max + 1, (6, *geometry.inputs))
    weight = integers(-8, 8, (*geometry.kernel, geometry.inputs[2], geometry.outputs[2]))
    threshold = integers(-4, 12, geometry.outputs[2:])
    error = integers(-3, 4, (6, *geometry.outputs))
    one, other = (
        backend_for(name, CPU).conv_layer(geometry).fire(times, weight, threshold, t_max)
        for name in ("torch", "native")
    )
    assert torch.equal(one.spike_times, other.spike_times)
    assert torch.equal(one.excess, other.excess)
    assert torch.equal(one.spiked, other.spiked)
    assert torch.equal(one.sum_over_samples(error), other.sum_over_samples(error))
    assert torch.equal(one.sum_over_neurons(error, weight), other.sum_over_neurons(error, weight))


def test_no_tensor_of_every_synapse_at_every_position():
    geometry = placed_layer((6, 9, 9), "conv8k3").geometry
    times = torch.randint(0, 5, (16, *geometry.inputs)).float().requires_grad_()
    weight = torch.randn(3, 3, 6, 8, requires_grad=True)
    backend = backend_for("torch", CPU).conv_layer(geometry)
    with LargestTensor() as largest:
        spike_times, margin = SpikeOnce.apply(
            times, weight, torch.ones(8), None, LayerRule(t_max=4), backend
        )
        (spike_times + margin).sum().backward()
    assert largest.elements == times.numel()  # unfolded it would be 7 * 7 * 9 times 6, per image
