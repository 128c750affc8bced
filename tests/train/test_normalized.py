"""The rule for deep networks: by its definition, on both backends, and out to the files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sstdp_hw.base.errors import UserError
from sstdp_hw.data.datasets import Samples
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.quantization.quantize import quantize
from sstdp_hw.reference import inference as reference
from sstdp_train import fine_tuning, train
from sstdp_train.backends.choice import backend_for
from sstdp_train.backends.native.normalized import library as compiled
from sstdp_train.backends.native.normalized.network import NativeNormalizedNetwork
from sstdp_train.backends.torch.normalized_network import TorchNormalizedNetwork
from sstdp_train.network.encoder import bright_dark_tables
from sstdp_train.network.normalized import NormalizedNetwork, integers
from sstdp_train.recipes.architecture import place, pooled_layers
from sstdp_train.recipes.recipe import RECIPES
from sstdp_train.rule.normalized import (
    MARGIN_LIMIT,
    FireNormalized,
    NormalizedRule,
    Operands,
    centered,
)
from sstdp_train.training.loop import encode, split

CIFAR = RECIPES["cifar10"]
T_MAX = 4
CLASSES = 5
# Strides, paddings and kernels that are not square; cells that fill no window; channels that fill
# no vector, one, and several passes of a loop.
GEOMETRIES = {
    "square": (("conv9k3p1", "pool2", "conv40k3p1", "pool2"), (4, 10, 11)),
    "odd": (("conv16k5x3s2x1p2x1", "pool3x2", "conv130k2", "7"), (3, 20, 9)),
    "strides": (("conv70k3s2p1", "conv33k2x3s1x2p0x1"), (18, 9, 12)),
}


def operands_of(layers, generator, spread=20):
    """Random integers, and thresholds near the potentials that they give."""
    found = []
    for layer in layers:
        g = layer.geometry
        shape = (*g.kernel, g.inputs[2], g.outputs[2])
        weight = torch.randint(-spread, spread + 1, shape, generator=generator).to(torch.int16)
        high = int(spread * g.fan_in**0.5 / 2)
        threshold = torch.randint(-high // 4, high, (g.outputs[2],), generator=generator)
        step = torch.rand(g.outputs[2], generator=generator) + 0.5
        found.append(Operands(weight, threshold.to(torch.int32), step))
    return found


def rules_of(operands, generator, wake_silent):
    found = []
    for index, of_layer in enumerate(operands):
        channels = len(of_layer.step)
        gain = torch.rand(channels, generator=generator) + 0.5
        closing = None if index == len(operands) - 1 else gain / 100
        found.append(NormalizedRule(closing, gain, wake_silent))
    return found


def drawn(name, seed=0, batch=6):
    """Layers, spike times, operands and output errors."""
    names, shape = GEOMETRIES[name]
    generator = torch.Generator().manual_seed(seed)
    layers = pooled_layers(place(names, shape, CLASSES))
    times = torch.randint(0, 7, (batch, *shape[1:], shape[0]), generator=generator)
    times = times.clamp(max=T_MAX).to(torch.uint8)
    operands = operands_of(layers, generator)
    error = torch.randn(batch, CLASSES, generator=generator)
    return layers, times, operands, error, generator


def plain_pass(layers, operands, times, error, rules):
    """What `rule.normalized` says, neuron by neuron, for one image: spike times and margins of the
    last layer, sums of every layer."""
    inputs, passes = times.numpy(), []
    for layer, of_layer in zip(layers, operands, strict=True):
        g, weight = layer.geometry, of_layer.weight.numpy().astype(int)
        fired, margin = np.zeros(g.outputs, int), np.zeros(g.outputs, int)
        for at in np.ndindex(*g.outputs):
            potential = [
                sum(weight[(*k, at[2])] for k, _, s in reached(g, at, inputs) if s <= t)
                - int(of_layer.threshold[at[2]])
                for t in range(T_MAX)
            ]
            above = [t for t in range(T_MAX) if potential[t] > 0]
            fired[at] = above[0] if above else T_MAX
            margin[at] = potential[above[0] if above else T_MAX - 1]
        cells, winners = pooled(layer, fired, margin)
        passes.append((inputs, fired, margin, winners))
        inputs = cells
    sums = []
    above = error.numpy()[None, None, :].astype(float)
    for index in range(len(layers) - 1, -1, -1):
        of_inputs, fired, margin, winners = passes[index]
        rule, g = rules[index], layers[index].geometry
        weight = operands[index].weight.numpy() * operands[index].step.numpy().astype(float)
        total, drive = np.zeros(weight.shape), np.zeros(g.outputs[2])
        sent = np.zeros(of_inputs.shape)
        for cell, at in winners.items():
            e = above[cell]
            if rule.closing is not None:
                e *= max(0.0, 1 - abs(margin[at]) * float(rule.closing[at[2]]))
            drive[at[2]] += e
            e *= float(rule.gain[at[2]])
            own = min(fired[at], T_MAX - 1)
            for k, i, s in reached(g, at, of_inputs):
                total[(*k, at[2])] += e * (s <= own)
                in_time = s <= own or (s == T_MAX and rule.wake_silent)
                sent[i] += e * weight[(*k, at[2])] * in_time
        sums.append((total, drive))
        above = sent
    return fired_of(passes[-1]), sums[::-1]


def fired_of(last):
    return last[1].ravel(), last[2].ravel()


def reached(geometry, at, inputs):
    """Place in the kernel, place in the input and spike time of every input of a neuron."""
    height, width, channels = geometry.inputs
    for ky in range(geometry.kernel[0]):
        for kx in range(geometry.kernel[1]):
            y = at[0] * geometry.stride[0] - geometry.padding[0] + ky
            x = at[1] * geometry.stride[1] - geometry.padding[1] + kx
            if 0 <= y < height and 0 <= x < width:
                for c in range(channels):
                    yield (ky, kx, c), (y, x, c), inputs[y, x, c]


def pooled(layer, fired, margin):
    """Cells, and the neuron that answers for each: earliest, then largest margin, then first."""
    rows, columns, channels = layer.pooled
    cells, winners = np.zeros((rows, columns, channels), int), {}
    for cell in np.ndindex(rows, columns, channels):
        window = [
            (cell[0] * layer.pool[0] + dy, cell[1] * layer.pool[1] + dx, cell[2])
            for dy in range(layer.pool[0])
            for dx in range(layer.pool[1])
        ]
        best = min(window, key=lambda at: (fired[at], -margin[at]))
        cells[cell], winners[cell] = fired[best], best
    return cells, winners


@pytest.mark.parametrize("wake_silent", [True, False])
@pytest.mark.parametrize("backend", [TorchNormalizedNetwork, NativeNormalizedNetwork])
def test_a_batch_is_the_definition_neuron_by_neuron(backend, wake_silent):
    names, shape = ("conv5k3p1", "pool2", "conv4k2s2x1"), (2, 7, 6)
    generator = torch.Generator().manual_seed(3)
    layers = pooled_layers(place(names, shape, 3))
    times = torch.randint(0, 7, (3, 7, 6, 2), generator=generator)
    times = times.clamp(max=T_MAX).to(torch.uint8)
    operands = operands_of(layers, generator)
    rules = rules_of(operands, generator, wake_silent)
    error = torch.randn(3, 3, generator=generator)
    pass_ = backend(layers).fire(times, operands, T_MAX)
    found = pass_.send_back(error, rules)
    wanted = [plain_pass(layers, operands, *one, rules) for one in zip(times, error, strict=True)]
    for image, ((fired, margin), _) in enumerate(wanted):
        assert pass_.spike_times[image].tolist() == fired.tolist()
        assert pass_.margin[image].tolist() == margin.tolist()
    for layer, (sums, drive) in enumerate(found):
        total = sum(of_image[layer][0] for _, of_image in wanted)
        of_drive = sum(of_image[layer][1] for _, of_image in wanted)
        assert np.abs(total).max() > 0, "nothing is compared"
        # The native backend rounds errors to 12 bits of the largest.
        np.testing.assert_allclose(sums, total, atol=3e-3 * np.abs(total).max())
        np.testing.assert_allclose(drive, of_drive, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_backends_agree_and_threads_change_nothing(name):
    layers, times, operands, error, generator = drawn(name)
    rules = rules_of(operands, generator, True)
    passes = [
        TorchNormalizedNetwork(layers).fire(times, operands, T_MAX),
        NativeNormalizedNetwork(layers).fire(times, operands, T_MAX),
        NativeNormalizedNetwork(layers, threads=3).fire(times, operands, T_MAX),
    ]
    plain, native, threaded = passes
    assert torch.equal(plain.spike_times, native.spike_times)
    assert torch.equal(plain.margin, native.margin)
    for one, other, presence, like in zip(
        plain.statistics[:-1], native.statistics[:-1], plain.presence, native.presence, strict=False
    ):
        torch.testing.assert_close(one.mean, other.mean)
        torch.testing.assert_close(one.square, other.square, rtol=1e-6, atol=0)
        assert torch.equal(one.rate, other.rate)
        torch.testing.assert_close(presence, like)
    assert 0 < float(plain.statistics[0].rate.mean()) < 1, "all or nothing fires"
    sums = [pass_.send_back(error, rules) for pass_ in passes]
    for (one, drive), (other, like), (third, same) in zip(*sums, strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=float(3e-3 * one.abs().max()))
        torch.testing.assert_close(like, drive, rtol=1e-4, atol=1e-4)
        assert torch.equal(other, third) and torch.equal(like, same)
    for one, other in zip(native.statistics, threaded.statistics, strict=True):
        assert torch.equal(one.mean, other.mean) and torch.equal(one.square, other.square)


def test_errors_in_bfloat16_are_nearly_those_in_float32():
    layers, times, operands, error, generator = drawn("square")
    rules = rules_of(operands, generator, True)
    exact, rounded = (
        TorchNormalizedNetwork(layers, dtype).fire(times, operands, T_MAX).send_back(error, rules)
        for dtype in (torch.float32, torch.bfloat16)
    )
    for (one, _), (other, _) in zip(exact, rounded, strict=True):
        assert other.dtype == torch.float32
        assert float((one - other).norm() / one.norm()) < 0.02


def test_the_centered_gradient_moves_neither_mean_nor_scale():
    generator = torch.Generator().manual_seed(0)
    sums, weight = (torch.randn(3, 3, 8, 6, generator=generator) for _ in range(2))
    drive = torch.randn(6, generator=generator)
    presence = torch.rand(8, generator=generator)
    found = centered(sums, weight, drive, presence)
    along = (found * weight).sum((0, 1, 2))
    torch.testing.assert_close(along, torch.zeros(6), rtol=0, atol=1e-4)
    # A channel whose errors come with every input as often as it is there learns nothing.
    everywhere = (presence[:, None] * drive).expand(3, 3, 8, 6)
    assert float(centered(everywhere, weight, drive, presence).abs().max()) < 1e-5


def test_integers_of_every_width():
    weight = torch.tensor([-1.0, -0.2, 0.0, 0.2, 0.9])
    assert integers(weight, torch.tensor(0.5), 1).tolist() == [-1, -1, 1, 1, 1]
    assert integers(weight, torch.tensor(0.4), 2).tolist() == [-2, 0, 0, 0, 1]
    assert integers(weight, torch.tensor(0.1), 4).tolist() == [-8, -2, 0, 2, 7]


@pytest.fixture(scope="module")
def recipe():
    return CIFAR.with_(
        layers=("conv12k3p1", "pool2", "conv16k3p1", "pool2"), epochs=3, batch_size=20,
        learning_rate=0.01, crop=1, cutout=3, rate_target=0.2, validation_share=0.2,
    )  # fmt: skip


@pytest.fixture(scope="module")
def pictures():
    """Coloured stripes, lying or standing, bright or dark: four classes."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 4, 300)
    images = rng.integers(90, 150, (300, 3, 8, 8))
    for image, label in zip(images, labels, strict=True):
        at = rng.integers(1, 6)
        stripe = image[:, at : at + 2] if label % 2 else image[:, :, at : at + 2]
        stripe += 90 if label < 2 else -80
    return Samples("stripes", images.astype(np.uint8), labels, tuple("abcd"))


@pytest.fixture(scope="module")
def trained(recipe, pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("normalized") / "float"
    return out, train(recipe, pictures, pictures, out=out, device="cpu")


def test_it_learns_and_the_reference_says_the_same(trained, pictures):
    out, result = trained
    assert result["validation_accuracy"] > 0.6  # of four classes
    assert result["test_accuracy"] > 0.6
    network = FloatNetwork.load(out)
    assert network.planes == 4 and network.input_shape == (3, 8, 8)
    assert all(0.02 < share < 0.6 for share in last_epoch(out)["firing"][:-1])


def last_epoch(out):
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    return state["history"][-1]


def rebuilt(out, recipe, backend):
    """The module as the checkpoint holds it."""
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    network = NormalizedNetwork((12, 8, 8), 4, recipe, backend)
    network.load_state_dict(state["best"]["network"])
    return network.eval(), state["encoder"]


class OnTorch:
    name = "torch"

    def normalized_network(self, layers):
        return TorchNormalizedNetwork(layers)


def test_what_is_exported_fires_as_the_module_does(trained, recipe, pictures, tmp_path):
    out, _ = trained
    tuned = train(
        fine_tuning(recipe, (4,)).with_(epochs=2), pictures, out=tmp_path / "4bit", init=out,
        device="cpu",
    )  # fmt: skip
    integer = quantize(FloatNetwork.load(tmp_path / "4bit"), (4, 4, 4))[0]
    assert {layer.weight_width for _, layer in integer.weighted} == {4}
    assert all(
        layer.weight.min() >= -8 and layer.weight.max() <= 7 for _, layer in integer.weighted
    )
    assert tuned["validation_accuracy"] > 0.5
    for folder, filed, of_recipe in (
        (out, FloatNetwork.load(out), recipe),
        (tmp_path / "4bit", integer, fine_tuning(recipe, (4,))),
    ):
        module, table = rebuilt(folder, of_recipe, OnTorch())
        times = encode(table, torch.from_numpy(pictures.images))
        operands = [layer.operands() for layer in module.layers]
        pass_ = module.passes.fire(module._images(times), operands, T_MAX)
        found = reference.run(filed, pictures.images)
        hidden = [layer.cell_times.numpy() for layer in pass_.layers]
        # Behind every pooling of the file stand the cells of a layer here.
        assert np.array_equal(found.spike_times[2], hidden[0])
        assert np.array_equal(found.spike_times[4], hidden[1])
        assert found.classes.tolist() == pass_.margin.argmax(1).tolist()
        assert found.silent.all()


def same(one, other):
    """Whether two runs ended at the same bits."""
    first, second = (FloatNetwork.load(folder).weighted for folder in (one, other))
    return all(
        np.array_equal(a.weight, b.weight) and np.array_equal(a.threshold, b.threshold)
        for (_, a), (_, b) in zip(first, second, strict=True)
    )


def test_an_interrupted_run_ends_at_the_same_bits(trained, recipe, pictures, tmp_path):
    """With another number of threads, and stopped by its hours."""
    told = train(recipe, pictures, out=tmp_path / "run", device="cpu", hours=1e-9, threads=2)
    assert told["finished"] is False and told["epochs"] == 1
    assert told["of_epochs"] == recipe.epochs
    assert not (tmp_path / "run" / "float.safetensors").exists()
    train(recipe, pictures, out=tmp_path / "run", device="cpu", resume=True)
    assert same(trained[0], tmp_path / "run")


@pytest.mark.parametrize("averaging", [0.0, 0.5])
def test_thresholds_are_measured_anew_after_an_epoch(averaging, recipe, pictures, tmp_path):
    """What is exported has mean and deviation of the images named, in every hidden layer."""
    once = recipe.with_(epochs=1, remeasured=60, averaging=averaging)
    train(once, pictures, out=tmp_path, device="cpu")
    module, table = rebuilt(tmp_path, once, backend_for("native", torch.device("cpu")))
    training_part, _ = split(len(pictures), once.validation_share, once.seed)
    times = encode(table, torch.from_numpy(pictures.images[training_part[:60]]))
    operands = [layer.operands() for layer in module.layers]
    found = module.passes.fire(module._images(times), operands, T_MAX).statistics
    for layer, of_layer, taken in zip(module.layers[:-1], found, operands, strict=False):
        mean = of_layer.mean * taken.step
        deviation = (of_layer.square - of_layer.mean.square()).sqrt() * taken.step
        torch.testing.assert_close(layer.mean, mean.float(), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(layer.deviation, deviation.float(), rtol=1e-4, atol=1e-4)


def test_channels_that_fire_too_often_are_pushed():
    layers, times, operands, error, generator = drawn("square")
    quiet = rules_of(operands, generator, True)
    pushing = [replace(rule, rate_penalty=0.5, rate_target=0.3) for rule in quiet]
    found = []
    for rules in (quiet, pushing):
        parameters = [
            torch.ones(shape, requires_grad=True)
            for of_layer in operands
            for shape in (of_layer.weight.shape, of_layer.step.shape)
        ]
        kept = []
        _, margin = FireNormalized.apply(
            times, TorchNormalizedNetwork(layers), T_MAX, rules, operands, kept.append, *parameters
        )
        (margin * error).sum().backward()
        found.append([entry.grad for entry in parameters])
    for index, statistics in enumerate(kept[0].statistics):
        push = 0.5 * (statistics.rate - 0.3).clamp(min=0).to(torch.float32)
        torch.testing.assert_close(found[1][2 * index], found[0][2 * index])
        torch.testing.assert_close(found[0][2 * index + 1] - push, found[1][2 * index + 1])
    assert float(kept[0].statistics[0].rate.max()) > 0.3, "nothing is pushed"


def test_potentials_stay_within_16_bits_whatever_the_weights():
    """Extreme weights, all of one sign in one channel and of every width."""
    layers = pooled_layers(place(("conv16k3p1", "conv16k3p1"), (64, 5, 5), 3))
    for width in (1, 4, 12, 16):
        network = NormalizedNetwork(
            (64, 5, 5), 3, CIFAR.with_(layers=("conv16k3p1", "conv16k3p1")), OnTorch()
        )
        layer = network.layers[0]
        layer.width = width
        with torch.no_grad():
            layer.weight.copy_(torch.randn(layer.weight.shape))
            layer.weight[..., 0] = 1.0
            layer.weight[..., 1] = -3e4
        whole = layer.operands().weight.to(torch.int64)
        highest = whole.clamp(min=0).sum((0, 1, 2)).max()
        lowest = whole.clamp(max=0).sum((0, 1, 2)).min()
        assert lowest >= -MARGIN_LIMIT and highest <= MARGIN_LIMIT
    assert len(layers) == 3


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"loss": "cross-entropy"}, "loss must be decision with normalization potential"),
        ({"gate_shape": "rectangle"}, "gate_shape must be triangle"),
        ({"homeostasis": 0.1}, "homeostasis must be 0.0"),
        ({"bright": (), "dark": ()}, "bright and dark must name 1 to 4 planes, not 0"),
        ({"bright": (1, 2, 3)}, "must name 1 to 4 planes, not 5"),
        ({"bright": (300,)}, "bright must be between 0 and 255, not 300"),
        ({"encoding": "linear"}, "bright must be left out unless the encoding is bright-dark"),
    ],
)
def test_recipes_that_cannot_be(changes, rule):
    with pytest.raises(UserError, match=rule):
        CIFAR.with_(**changes)


@pytest.mark.parametrize("layers", [(20,), ("pool2", "conv4k3"), ("conv4k3", "pool2", "pool2")])
def test_networks_that_cannot_be_normalized(layers, pictures, tmp_path):
    with pytest.raises(UserError, match="must have a network that begins with a convolution"):
        train(CIFAR.with_(layers=layers), pictures, out=tmp_path, device="cpu")


def test_without_a_compiler_the_reason_is_told(monkeypatch):
    monkeypatch.setattr(compiled, "COMPILER", "no-such-compiler")
    compiled.library.cache_clear()
    try:
        with pytest.raises(UserError, match=r"must have no-such-compiler .* use --backend torch"):
            compiled.library()
    finally:
        monkeypatch.undo()
        compiled.library.cache_clear()


def test_bright_and_dark_planes():
    tables = bright_dark_tables(4, (146, 190), (65,), 8)
    assert tables.shape == (3, 256) and tables.dtype == np.uint8
    wanted = {145: 4, 146: 3, 153: 3, 154: 2, 162: 1, 170: 0, 255: 0}
    assert {value: int(tables[0, value]) for value in wanted} == wanted
    wanted = {66: 4, 65: 3, 58: 3, 57: 2, 41: 0, 0: 0}
    assert {value: int(tables[2, value]) for value in wanted} == wanted
    assert bright_dark_tables(4, (100,), (), 0)[0, [99, 100, 255]].tolist() == [4, 0, 0]
