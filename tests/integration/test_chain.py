"""From images to a compared chip: every verb reads what the one before it wrote."""

import json

import numpy as np
import pytest
from support.networks import random_dense

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.command.cli import main
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.data import datasets
from sstdp_hw.network.layers import Flatten
from sstdp_hw.network.network import Network
from sstdp_rtl.generator.generate import generate
from sstdp_sim.comparison.cosimulation import cosimulate


def test_every_verb_on_a_data_set_of_ones_own(tmp_path):
    """Three classes of noisy stripes, 2 channels, in an .npz file."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 360)
    images = rng.integers(0, 40, (360, 2, 5, 6)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label % 2, :, 2 * label] += 180
    for name, part in (("train", slice(0, 240)), ("test", slice(240, None))):
        np.savez(tmp_path / f"{name}.npz", images=images[part], labels=labels[part])
    run, test = tmp_path / "run", str(tmp_path / "test.npz")

    def call(*arguments):
        result = tmp_path / "result.json"
        assert main([*map(str, arguments), "--json", str(result)]) == 0
        return json.loads(result.read_text())

    trained = call(
        "train", "--dataset", tmp_path / "train.npz", "--test-dataset", test,
        "--layers", "32,16", "--steps", "8",
        "--epochs", "60", "--weight-width", "5,3,4", "--shift", "0", "--rotation", "0",
        "--scaling", "0", "--shear", "0", "--out", run,
    )  # fmt: skip
    assert trained["test_accuracy"] > 0.8
    call("quantize", run, "--out", run / "network.safetensors", "--dataset", test)
    network = run / "network.safetensors"
    evaluated = call("evaluate", network, "--dataset", test)
    out = run / "accelerator"
    call("generate", network, "--lanes", "5,16,1", "--pixels-per-beat", "8", "--out", out)
    simulated = call("simulate", out, "--dataset", test)
    assert simulated["images"] == 120 and simulated["mismatches"] == 0
    assert simulated["hardware_accuracy"] == simulated["software_accuracy"]
    assert simulated["software_accuracy"] == evaluated["accuracy"]
    assert simulated["software_accuracy"] == trained["test_accuracy"], "trained on the integers"
    assert simulated == json.loads((out / "results.json").read_text())
    call("report", run)
    assert "120" in (run / "report.md").read_text()


def test_mnist_on_784_400_10(tmp_path):
    """The large design on real images; weights are random, so this says nothing of accuracy."""
    try:
        samples = datasets.load("mnist").first(150)
    except UserError as error:
        pytest.skip(str(error))
    rng = np.random.default_rng(0)
    hidden, output = random_dense(rng, 400, 784, 4), random_dense(rng, 10, 400, 4)
    hidden.threshold[:], output.threshold[:] = 17, 37
    encoder = np.where(np.arange(256) < 110, 8, (255 - np.arange(256)) // 19).astype(np.uint8)
    network = Network(
        "large", 8, (1, 28, 28), samples.class_names, encoder, (Flatten(), hidden, output)
    )
    generate(network, Configuration((16, 10)), tmp_path / "out")
    directory = GeneratedDirectory.load(tmp_path / "out")
    result = cosimulate(directory, samples.images, samples.labels, shards=2).result
    assert result["mismatches"] == 0, result["first_mismatch"]
    assert result["efficiency"] > 0.9
