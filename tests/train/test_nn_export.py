"""A model of `sstdp_train.nn` as a network: spike for spike on whole batches; plain weights too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.models import PLANES, SHAPE, convolutional, dense, if_layers, images
from torch import nn

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.network import Network
from sstdp_hw.quantization.quantize import quantize
from sstdp_hw.reference import inference as reference
from sstdp_train.nn import (
    FirstSpikePool2d,
    Flatten,
    IFConv2d,
    IFLinear,
    IFOutput,
    SpikeInput,
    TTFSEncoder,
    decide,
    initialize,
    quantize_aware,
    to_float_network,
    to_network,
)


def pooled_first(backend):
    return nn.Sequential(
        TTFSEncoder(4, table=PLANES),
        FirstSpikePool2d((2, 1)),
        IFConv2d(4, 5, (2, 3), padding=(1, 0), backend=backend),
        FirstSpikePool2d(2),
        FirstSpikePool2d((1, 2)),
        Flatten(),
        IFOutput(5 * 2 * 1, 3, backend=backend),
    )


def on_spikes(backend):
    return nn.Sequential(SpikeInput(7), *convolutional(backend)[1])


MODELS = {
    "dense": dense,
    "conv": convolutional,
    "planes": lambda backend: convolutional(backend, table=PLANES, t_max=4),
    "pooled first": pooled_first,
    "spikes": on_spikes,
}


def flat_chain(model):
    for module in model:
        yield from flat_chain(module) if isinstance(module, nn.Sequential) else [module]


def spikes_of(model, inputs):
    """What every module behind the encoder gives out, without the cut at the decision."""
    passed, found = inputs, []
    with torch.no_grad():
        for module in flat_chain(model):
            passed = module(passed)
            found.append(passed)
    return found


@pytest.mark.parametrize("backend", ["torch", "native"])
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("width", [1, 4])
def test_the_network_has_the_models_spikes(kind, backend, width, tmp_path):
    torch.manual_seed(width)
    model = MODELS[kind](backend)
    inputs = images(70, seed=width)
    if kind == "spikes":
        inputs = inputs % 8
    initialize(model, inputs, drive=0.9, spread=0.8)
    with torch.no_grad():
        for layer in if_layers(model):  # thresholds that are no integers of the scale
            layer.threshold.mul_(torch.rand(len(layer.threshold)) + 0.5)
    quantize_aware(model, width).eval()

    to_network(model, input_shape=SHAPE).save(tmp_path / "network.safetensors")
    inference = reference.run(Network.load(tmp_path / "network.safetensors"), inputs.numpy())

    found = spikes_of(model, inputs)
    assert len(found) == len(inference.spike_times)
    assert all(
        (one.times < one.t_max).any() and (one.times == one.t_max).any() for one in found[:-1]
    )
    for ours, theirs in zip(found, inference.spike_times, strict=True):
        assert np.array_equal(ours.times.numpy(), theirs)
    for answer in (found[-1], model(inputs)):  # whole, and as the model cuts it
        classes, times = decide(answer)
        assert np.array_equal(classes.detach(), inference.classes)
        assert np.array_equal(times.detach(), inference.decision_times)


def test_weights_that_are_integers_are_kept():
    model = dense()
    with torch.no_grad():
        for layer in if_layers(model):
            layer.weight.copy_(torch.randint(-8, 8, layer.weight.shape))
    network = to_network(model, 4, input_shape=SHAPE)
    for layer, (_, filed) in zip(if_layers(model), network.weighted, strict=True):
        assert np.array_equal(layer.weight.detach().numpy(), filed.weight)
    inference = reference.run(network, images().numpy())
    assert np.array_equal(decide(model(images()))[0], inference.classes)


def test_a_float_model_goes_to_the_verbs(tmp_path):
    model = convolutional()
    to_float_network(model, SHAPE, name="mine").save(tmp_path / "float.safetensors")
    network = FloatNetwork.load(tmp_path)
    assert network.name == "mine"
    assert np.array_equal(network.layers[0].weight, model[1][0].weight.detach().numpy())


def test_a_float_file_keeps_widths_and_scales_of_fine_tuning(tmp_path):
    """`quantize` goes on from there with the integers that the model was trained on."""
    model = quantize_aware(dense(), 4)
    to_float_network(model, SHAPE).save(tmp_path / "float.safetensors")
    network = FloatNetwork.load(tmp_path)
    weighted = [index for index, layer in enumerate(network.layers) if hasattr(layer, "weight")]
    found = [(network.layers[index].weight_width, network.scales[index]) for index in weighted]
    assert found == [(4, layer.grid.scale) for layer in if_layers(model)]
    ours, theirs = quantize(network)[0], to_network(model, input_shape=SHAPE)
    assert ours.digest == theirs.digest


class Fire(torch.autograd.Function):
    """A spike, and the gradient of a triangle in its place."""

    @staticmethod
    def forward(ctx, above):
        ctx.save_for_backward(above)
        return (above > 0).to(above.dtype)

    @staticmethod
    def backward(ctx, gradient):
        (above,) = ctx.saved_tensors
        return gradient * (1 - above.abs() / 4).clamp(min=0)


class PlainModel(nn.Module):
    """Spike-once IF neurons in plain PyTorch, step by step with a surrogate gradient."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps
        self.fc1 = nn.Linear(36, 12, bias=False)
        self.fc2 = nn.Linear(12, 4, bias=False)

    def forward(self, times):
        v1, v2, fired1, fired2 = 0.0, 0.0, 0.0, 0.0
        outputs = []
        for step in range(self.steps):
            v1 = v1 + self.fc1((times == step).float())
            spikes1 = Fire.apply(v1 - 1.0) * (1 - fired1)
            fired1 = fired1 + spikes1
            v2 = v2 + self.fc2(spikes1)
            spikes2 = Fire.apply(v2 - 1.5) * (1 - fired2)
            fired2 = fired2 + spikes2
            outputs.append(spikes2)
        return torch.stack(outputs), v2 - 1.5


def test_plain_pytorch_hands_its_weights_over(bars):
    torch.manual_seed(1)
    encoder = TTFSEncoder(6, 32)
    times = encoder(torch.from_numpy(bars.images)).times.flatten(1)
    truth = torch.from_numpy(bars.labels)
    model = PlainModel(6)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(30):
        spikes, margin = model(times[:200])
        optimizer.zero_grad()
        nn.functional.cross_entropy(margin + spikes.sum(0), truth[:200]).backward()
        optimizer.step()
    with torch.no_grad():  # on sixteenths, which 8 bits hold exactly
        for layer in (model.fc1, model.fc2):
            layer.weight.copy_((layer.weight * 16).round())
        network = to_network(
            [model.fc1.weight / 16 * 16, model.fc2.weight], 8, thresholds=[16.0, 24.0], t_max=6,
            cutoff=32, class_names=bars.class_names,
        )  # fmt: skip
        for layer in (model.fc1, model.fc2):
            layer.weight.div_(16)
        spikes, _ = model(times)
    first = torch.where(spikes.sum(0) > 0, spikes.argmax(0), 6)
    inference = reference.run(network, bars.images)
    assert np.array_equal(inference.spike_times[-1], first.numpy())
    assert inference.accuracy(bars.labels) > 0.5  # of four classes


ERRORS = [
    (lambda: to_network(dense()), "weight_width must be given for a model in float"),
    (lambda: to_network(convolutional(), 4), "input_shape must be given with a convolution"),
    (lambda: to_network(dense()[2], 4), "must begin with TTFSEncoder or SpikeInput, not IFLinear"),
    (lambda: to_network(nn.Sequential(), 4), "must begin with TTFSEncoder .* not nothing"),
    (lambda: to_network(dense(), 4, t_max=8), "t_max is for plain weights"),
    (lambda: to_network([np.eye(2)], thresholds=[1]), "t_max must be given with plain weights"),
    (
        lambda: to_network(nn.Sequential(TTFSEncoder(4), nn.Linear(4, 2)), 4),
        "module 1 must be one of IFLinear, .* not Linear",
    ),
    (
        lambda: to_network(nn.Sequential(TTFSEncoder(4), Flatten(2), IFLinear(4, 2)), 4),
        "Flatten must be of all axes but the first, not from 2 to -1",
    ),
    (lambda: to_network(nn.Sequential(TTFSEncoder(4), Flatten()), 4), "must have IF layers"),
    (lambda: to_network(dense(), 17, input_shape=SHAPE), "17"),
]


@pytest.mark.parametrize(("what", "text"), ERRORS)
def test_errors_are_one_line(what, text):
    with pytest.raises(UserError, match=text) as caught:
        what()
    assert "\n" not in str(caught.value)
