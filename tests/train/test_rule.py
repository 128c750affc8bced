"""The rule: forward against the integer reference, backward against its formulas as plain loops."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from support.rule_options import RULE_OPTIONS
from train.largest_tensor import LargestTensor

from sstdp_hw.network.layers import Dense, Flatten
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference
from sstdp_train.backends.choice import backend_for
from sstdp_train.backends.torch.dense_layer import TorchDenseLayer
from sstdp_train.network.layers import decide
from sstdp_train.rule.layer_rule import LayerRule
from sstdp_train.rule.spike_once import SpikeOnce

CPU = torch.device("cpu")
IN_TORCH = {
    "torch-at-once": TorchDenseLayer(loop_numbers=1 << 60, loop_ranks=1 << 60),
    "torch-in-loops": TorchDenseLayer(loop_numbers=0, loop_ranks=0),
}


@pytest.fixture(params=IN_TORCH)
def in_torch(request):
    """The torch backend in both its forms, whatever the size of a layer."""
    return IN_TORCH[request.param]


@pytest.fixture(params=(*IN_TORCH, "native"))
def backend(request):
    """Every backend in turn: they must compute the same function."""
    if request.param != "native":
        return IN_TORCH[request.param]
    pytest.importorskip("numba", reason="the native backend needs numba")
    return backend_for("native", CPU).dense_layer()


def random_network(rng: np.random.Generator) -> Network:
    """1 to 3 layers, any t_max, thresholds also negative and out of reach."""
    t_max = int(rng.choice([1, 2, 5, 8, 16, 100, 255]))
    sizes = [int(size) for size in rng.integers(1, 40, rng.integers(2, 5))]
    layers = [Flatten()]
    for fan_in, neurons in pairwise(sizes):
        spread = int(rng.choice([1, 7, 127]))
        weight = rng.integers(-spread, spread + 1, (neurons, fan_in)).astype(np.int16)
        theta = rng.integers(-3 * spread, 3 * spread + 1, neurons).astype(np.int32)
        theta[rng.random(neurons) < 0.1] = 1 << 20
        layers.append(Dense(weight, theta, 9))
    return Network(
        name="random", t_max=t_max, input_shape=(1, 1, sizes[0]),
        class_names=tuple(str(index) for index in range(sizes[-1])),
        encoder=rng.integers(0, t_max + 1, 256).astype(np.uint8), layers=tuple(layers),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_forward_equals_the_reference_spike_for_spike(seed, backend):
    rng = np.random.default_rng(seed)
    network = random_network(rng)
    images = rng.integers(0, 256, (20, *network.input_shape)).astype(np.uint8)
    images[0], images[1] = 0, 255
    expected = reference.run(network, images)

    times = torch.from_numpy(network.encoder[images]).flatten(1)
    rule = LayerRule(t_max=network.t_max)
    for index, layer in network.weighted:
        weight = torch.from_numpy(layer.weight.T.astype(np.float32))
        threshold = torch.from_numpy(layer.threshold.astype(np.float32))
        times, margin = SpikeOnce.apply(times, weight, threshold, None, rule, backend)
        np.testing.assert_array_equal(
            times.numpy(), expected.spike_times[index + 1], f"seed {seed}, layer {index}"
        )
    classes, decision = decide(times, margin, network.t_max)
    np.testing.assert_array_equal(classes.numpy(), expected.classes)
    np.testing.assert_array_equal(decision.numpy(), expected.decision_times)


def plain_backward(times, weight, threshold, spike_times, margin, errors, push, rule):
    """The formulas of `rule` and its additions, one synapse at a time."""
    batch, fan_in = times.shape
    neurons = len(threshold)
    time_error, margin_error = errors
    gradient = np.zeros((fan_in, neurons))
    sent = np.zeros((batch, fan_in))
    threshold_gradient = np.zeros(neurons)
    for b in range(batch):
        wish = margin_error[b] - time_error[b]
        if rule.normalize_error:
            wish = wish / (np.sqrt(np.sum(wish**2)) * batch)
        for j in range(neurons):
            error = wish[j]
            if rule.gate:
                distance = abs(margin[b, j]) / (rule.gate * rule.unit * abs(threshold[j]))
                triangle = rule.gate_shape == "triangle"
                error *= max(0.0, 1.0 - distance) if triangle else float(distance < 1)
            for i in range(fan_in):
                spiked = times[b, i] < rule.t_max
                in_time = times[b, i] <= spike_times[b, j]
                if (spiked and in_time) or (not spiked and rule.wake_silent):
                    sent[b, i] -= error * weight[i, j] * rule.unit
                window = 1.0 if spiked and in_time else -rule.depression
                gradient[i, j] += (error - push[j] / batch) * window * rule.unit
            threshold_gradient[j] -= (error - push[j] / batch) * rule.unit
    return sent, gradient, threshold_gradient


@pytest.mark.parametrize("options", RULE_OPTIONS)
@pytest.mark.parametrize("t_max", [1, 4, 30])
def test_backward_equals_the_formulas(options, t_max, backend):
    rng = np.random.default_rng(t_max)
    batch, fan_in, neurons = 7, 11, 5
    rule = LayerRule(t_max=t_max, **options)
    # Few steps are occupied, some inputs are silent, and none need fire in the last step.
    allowed = rng.integers(0, t_max + 1, 5)
    times = rng.choice(np.append(allowed, t_max), (batch, fan_in)).astype(np.float32)
    weight = rng.normal(0.3, 0.6, (fan_in, neurons))
    threshold = rng.choice([-0.5, 0.4, 0.8, 1.5, 9.0], neurons)
    push = rng.choice([0.0, 0.3], neurons)
    errors = rng.normal(size=(2, batch, neurons))

    tensors = [
        torch.tensor(array, dtype=torch.float32, requires_grad=True)
        for array in (times, weight, threshold)
    ]
    push_tensor = torch.tensor(push, dtype=torch.float32)
    spike_times, margin = SpikeOnce.apply(*tensors, push_tensor, rule, backend)
    loss = (spike_times * torch.tensor(errors[0], dtype=torch.float32)).sum()
    (loss + (margin * torch.tensor(errors[1], dtype=torch.float32)).sum()).backward()

    expected = plain_backward(
        times, weight, threshold, spike_times.detach().numpy(), margin.detach().numpy(), errors,
        push, rule,
    )  # fmt: skip
    for name, tensor, wanted in zip(
        ("times", "weight", "threshold"), tensors, expected, strict=True
    ):
        np.testing.assert_allclose(tensor.grad.numpy(), wanted, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("shape", ["rectangle", "triangle"])
def test_a_threshold_of_0_has_a_gate_that_nothing_passes(shape, backend):
    """Integer thresholds may be 0, and a silent neuron may end there: 0 of 0 is no number."""
    times, weight = torch.zeros(1, 2), torch.tensor([[1.0, 1.0], [-1.0, 1.0]], requires_grad=True)
    rule = LayerRule(t_max=4, gate=1.0, gate_shape=shape)
    spike_times, margin = SpikeOnce.apply(times, weight, torch.zeros(2), None, rule, backend)
    assert (spike_times.tolist(), margin.tolist()) == ([[4, 0]], [[0, 2]])
    margin.sum().backward()
    assert not weight.grad.any()


def test_silent_inputs_receive_no_error_unless_woken(backend):
    times = torch.full((2, 3), 4.0, requires_grad=True)
    weight = torch.ones(3, 2, requires_grad=True)
    rule = LayerRule(t_max=4)
    spike_times, _ = SpikeOnce.apply(times, weight, torch.ones(2), None, rule, backend)
    assert spike_times.tolist() == [[4, 4], [4, 4]]
    spike_times.sum().backward()
    assert not times.grad.any()
    assert not weight.grad.any()


def test_no_tensor_of_every_synapse_of_every_sample(in_torch):
    batch, fan_in, neurons, t_max = 32, 60, 50, 4
    times = torch.randint(0, t_max + 1, (batch, fan_in)).float().requires_grad_()
    weight = torch.randn(fan_in, neurons, requires_grad=True)
    with LargestTensor() as largest:
        spike_times, margin = SpikeOnce.apply(
            times, weight, torch.ones(neurons), None, LayerRule(t_max=t_max), in_torch
        )
        (spike_times + margin).sum().backward()
    assert largest.elements <= t_max * batch * fan_in
    assert largest.elements < batch * fan_in * neurons


def test_steps_without_spikes_cost_nothing(in_torch):
    """Not even those in which another sample has a spike: steps are counted in each sample."""
    times = torch.tensor([[3.0, 200.0, 255.0], [90.0, 7.0, 90.0]], requires_grad=True)
    weight = torch.ones(3, 1000, requires_grad=True)
    with LargestTensor() as largest:
        rule = LayerRule(t_max=255)
        spike_times, _ = SpikeOnce.apply(times, weight, torch.ones(1000), None, rule, in_torch)
        spike_times.sum().backward()
    assert spike_times[:, 0].tolist() == [200, 90]
    assert largest.elements == 3 * 2 * 1000  # steps 0, 3, 200 and 0, 7, 90
