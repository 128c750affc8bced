"""Networks with convolutions from command line to files: export, fine-tuning, resume, errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.network import Network
from sstdp_hw.quantization.quantize import quantize
from sstdp_hw.reference import inference as reference
from sstdp_train import fine_tuning, train
from sstdp_train.backends.choice import backend_for
from sstdp_train.network.export import load_weights, to_float_network
from sstdp_train.network.layers import SpikingNetwork, decide
from sstdp_train.recipes.recipe import Recipe
from sstdp_train.training.loop import Training, encode

LAYERS = ("conv6k3p1", "pool2", "conv8k2s1x2", 20)


@pytest.fixture(scope="module")
def recipe(tiny):
    return tiny.with_(
        layers=LAYERS, learning_rate=0.01, hidden_drive=1.0, hidden_spread=0.5, loss="decision",
        gate=1.0, gate_shape="triangle", margin_scale=1.0, learn_thresholds=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(recipe, bars, tmp_path_factory):
    out = tmp_path_factory.mktemp("conv") / "float"
    return out, train(recipe.with_(epochs=12), bars, bars, out=out, device="cpu")


def torch_classes(network, bars, encoder, t_max):
    """Spike times of every layer as the network file has them, classes and decision times."""
    times = torch.from_numpy(encoder[bars.images]).flatten(1)
    with torch.no_grad():
        every, margin = network.eval()(times)
    filed = [one.movedim(-1, 1) if one.dim() == 4 else one for one in every]
    return [one.to(torch.uint8).numpy() for one in filed], *decide(every[-1], margin, t_max)


def test_it_learns_and_the_files_hold_it(trained, bars):
    out, result = trained
    assert result["validation_accuracy"] > 0.6  # of four classes
    assert result["recipe"]["layers"] == list(LAYERS)
    network = FloatNetwork.load(out)
    assert [layer.kind for layer in network.layers] == [
        "conv2d", "pool2d", "conv2d", "flatten", "dense", "dense"
    ]  # fmt: skip
    assert network.layers[2].stride == (1, 2)
    assert network.layers[0].padding == (1, 1)
    assert network.name == "bars-conv6k3p1-pool2-conv8k2s1x2-20-4"
    assert result["parameters"] == sum(layer.weight.size for _, layer in network.weighted)


@pytest.mark.parametrize("backend", ["torch", "native"])
@pytest.mark.parametrize("widths", [(8,), (4,), (3,), (2,), (1, 1, 4, 4)])
def test_the_integer_network_is_the_model_that_was_tuned(trained, bars, widths, backend, tmp_path):
    """Quantization-aware training, export, `quantize`, file, reference: every spike is equal."""
    if backend == "native":
        pytest.importorskip("numba", reason="the native backend needs numba")
    out, _ = trained
    start = FloatNetwork.load(out)
    tuning = fine_tuning(_recipe_of(start), widths).with_(epochs=2)
    kept = {}
    original = Training.state

    def state(training):
        kept["training"] = training
        return original(training)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "state", state)
        train(tuning, bars, bars, out=tmp_path, init=out, device="cpu", backend=backend)
    model = kept["training"].network
    tuned = FloatNetwork.load(tmp_path)
    quantize(tuned)[0].save(tmp_path / "network.safetensors")
    integers = Network.load(tmp_path / "network.safetensors")
    assert tuple(layer.weight_width for _, layer in integers.weighted) == tuning.weight_widths
    found = reference.run(integers, bars.images)
    every, classes, decision = torch_classes(model, bars, integers.encoder, integers.t_max)
    for (index, _), times in zip(integers.weighted, every, strict=True):
        np.testing.assert_array_equal(found.spike_times[index + 1], times, f"layers.{index}")
    np.testing.assert_array_equal(found.classes, classes)
    np.testing.assert_array_equal(found.decision_times, decision)
    assert len(np.unique(classes)) > 1, "a test on one class shows nothing"


def _recipe_of(network):
    return Recipe.from_dict(network.provenance["recipe"], network.source)


def test_export_and_import_are_inverse(trained, bars):
    out, _ = trained
    source = FloatNetwork.load(out)
    recipe = _recipe_of(source)
    network = SpikingNetwork((1, 6, 6), 4, recipe, backend_for("auto", torch.device("cpu")))
    load_weights(network, source)
    again = to_float_network(network, recipe, bars, {}, source.encoder)
    for (_, one), (_, other) in zip(source.weighted, again.weighted, strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)
        np.testing.assert_array_equal(one.threshold, other.threshold)


@pytest.mark.parametrize("backend", ["torch", "native"])
def test_a_resumed_run_ends_at_the_same_bits(recipe, bars, tmp_path, interrupted_after, backend):
    if backend == "native":
        pytest.importorskip("numba", reason="the native backend needs numba")
    settings = {"device": "cpu", "backend": backend}
    train(recipe, bars, out=tmp_path / "whole", **settings)
    train(recipe, bars, out=tmp_path / "again", **settings)
    with interrupted_after(2):
        train(recipe, bars, out=tmp_path / "run", **settings)
    train(recipe, bars, out=tmp_path / "run", resume=True, **settings)
    whole = FloatNetwork.load(tmp_path / "whole")
    for other in ("run", "again"):
        for (_, one), (_, two) in zip(
            whole.weighted, FloatNetwork.load(tmp_path / other).weighted, strict=True
        ):
            np.testing.assert_array_equal(one.weight, two.weight, other)
            np.testing.assert_array_equal(one.threshold, two.threshold, other)


def test_a_network_with_planes_trains_on(trained, bars, tmp_path):
    source = FloatNetwork.load(trained[0])
    first = source.layers[0]
    doubled = replace(first, weight=np.repeat(first.weight, 2, axis=1))
    planes = replace(
        source,
        encoder=np.stack([source.encoder, source.encoder[::-1]]),
        layers=(doubled, *source.layers[1:]),
    )
    planes.save(tmp_path / "planes.safetensors")
    recipe = _recipe_of(source).with_(epochs=1)
    train(recipe, bars, out=tmp_path / "run", init=tmp_path / "planes.safetensors", device="cpu")
    network = FloatNetwork.load(tmp_path / "run")
    np.testing.assert_array_equal(network.encoder, planes.encoder)
    model = SpikingNetwork((2, 6, 6), 4, recipe, backend_for("auto", torch.device("cpu")))
    load_weights(model, network)
    table = torch.from_numpy(network.encoder)
    with torch.no_grad():
        every, _ = model.eval()(encode(table, torch.from_numpy(bars.images)))
    found = reference.run(network, bars.images).spike_times
    assert found[0].shape[1] == 2
    np.testing.assert_array_equal(found[1], every[0].movedim(-1, 1).numpy())
    assert not np.array_equal(network.layers[0].weight, doubled.weight), "nothing was learned"


def test_channels_of_the_first_weights_must_be_those_of_the_images(trained, bars, tmp_path):
    out, _ = trained
    images = np.repeat(bars.images, 3, axis=1)
    colour = type(bars)("colour", images, bars.labels, bars.class_names)
    recipe = _recipe_of(FloatNetwork.load(out))
    with pytest.raises(
        UserError, match=r"input_shape must be that of data set colour, \[3, 6, 6\]"
    ):
        train(recipe, colour, out=tmp_path / "run", init=out)
