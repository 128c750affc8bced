"""From runs to a ready network and back: the maintainers' command, and --rebuild for real."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import sstdp_train
from sstdp_hw import ready
from sstdp_hw.command import cli
from sstdp_hw.data.datasets import Samples
from sstdp_hw.network import ready_files
from sstdp_hw.ready import rebuild
from sstdp_hw.ready.card import backend_of
from sstdp_train import Recipe
from sstdp_train.backends.torch.backend import TORCH
from sstdp_train.network.encoder import spike_shape
from sstdp_train.network.export import to_float_network
from sstdp_train.network.layers import SpikingNetwork
from sstdp_train.network.normalized import NormalizedNetwork

TOOL = Path(__file__).parents[2] / "tools" / "ready_networks.py"
SHIPPED = ready_files.FOLDER


@pytest.fixture(scope="module")
def tool():
    specification = importlib.util.spec_from_file_location("ready_networks", TOOL)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    torch.set_num_threads(1)
    return module


def call(*arguments):
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A chain of two short trainings, with options of every kind."""
    folder = tmp_path_factory.mktemp("runs")
    one, two = folder / "one", folder / "two"
    assert call(
        "train", "--dataset", "digits", "--layers", "32", "--steps", 6, "--epochs", 2, "--seed", 5,
        "--no-wake-silent", "--learning-rate", "0.0023", "--shear", "0", "--out", one,
    ) == 0  # fmt: skip
    assert call(
        "train", "--init", one, "--weight-width", "4,3", "--epochs", 1, "--shift", "0.25",
        "--out", two,
    ) == 0  # fmt: skip
    return one, two


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(ready_files, "FOLDER", tmp_path / "ready")
    return tmp_path / "ready"


def test_made_from_runs_and_made_again(tool, runs, folder, tmp_path, capsys):
    assert tool.main([str(run) for run in runs]) == 0
    (name,) = ready.names()
    assert name == "digits-64-32-10-4-3bit"
    network, trained = ready.load(name), json.loads((runs[1] / "train.json").read_text())
    told = network.provenance["ready"]
    assert told["integer"]["accuracy"] == trained["test_accuracy"]
    assert [training["recipe"]["epochs"] for training in told["trainings"]] == [2, 1]
    assert str(tmp_path.parent) not in json.dumps(network.provenance)
    written = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert tool.main(["--refresh"]) == 0
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == written
    capsys.readouterr()
    assert call("ready", name, "--rebuild", tmp_path / "again") == 0
    assert "are those of ready:digits-64-32-10-4-3bit" in capsys.readouterr().out


def test_float_run_alone_needs_a_width(tool, runs, folder, capsys):
    assert tool.main([str(runs[0])]) == 2
    assert "was trained in float, so --weight-width must be given" in capsys.readouterr().err
    assert tool.main([str(runs[0]), "--weight-width", "5", "--name", "mine"]) == 0
    assert rebuild.chain(ready.load("mine"), "x")[-1] == [
        "quantize", "x/1-float", "--weight-width", "5", "--out", "x/1-float/network.safetensors"
    ]  # fmt: skip


def test_runs_that_are_no_chain_are_refused(tool, runs, folder, tmp_path, capsys):
    one, two = runs
    other = tmp_path / "other"
    options = ("--layers", "32", "--steps", 6, "--epochs", 1, "--out", other)
    assert call("train", "--dataset", "digits", *options) == 0
    for wrong, message in (
        ((two,), "must start from random weights"),
        ((other, two), "must start from the run before it, and does not"),
        ((one, other), "must start from the run before it, and does not"),
        ((tmp_path / "nowhere",), "no such result file"),
    ):
        assert tool.main([str(run) for run in wrong]) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
        assert message in line
    assert not folder.exists()


@pytest.mark.parametrize("name", ready.names())
def test_recorded_commands_still_mean_the_recorded_recipes(name, tmp_path, monkeypatch):
    """Without training: a recipe changed in `RECIPES` must be told apart by an option.

    If this fails, ``python tools/ready_networks.py --refresh`` writes the options.
    """
    asked = []

    def trained(recipe: Recipe, _samples, _test, *, out, backend, device, **_others):
        asked.append((recipe.as_dict(), device, backend))
        provenance = {"recipe": recipe.as_dict(), "asked": {"dataset": "digits"}}
        shape, classes = (1, 32, 32), tuple("0123456789")  # large enough for every kernel
        samples = Samples("stand-in", np.zeros((1, *shape), np.uint8), np.zeros(1, int), classes)
        planes = len(recipe.bright) + len(recipe.dark)
        encoder = np.zeros((planes, 256) if planes else 256, np.uint8)
        kind = SpikingNetwork if recipe.normalization == "none" else NormalizedNetwork
        network = kind(spike_shape(shape, planes or 1), len(classes), recipe, TORCH)
        stand_in = to_float_network(network, recipe, samples, provenance, encoder)
        stand_in.save(out / "float.safetensors")
        return dict.fromkeys(
            ("float_network", "exported_epoch", "epochs", "validation_accuracy", "test_accuracy",
             "test_accuracy_ties_counted")
        ) | {"wall_seconds": 0}  # fmt: skip

    monkeypatch.setattr(sstdp_train, "train", trained)
    network = ready.load(name)
    classes = len(network.class_names)
    images = np.zeros((10 * classes, *network.input_shape), np.uint8)
    labels = np.arange(len(images)) % classes
    samples = Samples("stand-in", images, labels, network.class_names)
    monkeypatch.setattr("sstdp_hw.data.datasets.load", lambda name, split: samples)
    for step in rebuild.chain(network, tmp_path):
        if step[0] == "train":
            assert call(*step) == 0
    told = network.provenance["ready"]["trainings"]
    recorded = [Recipe.from_dict(training["recipe"], name).as_dict() for training in told]
    assert asked == [
        (recipe, training["device"], backend_of(training))
        for recipe, training in zip(recorded, told, strict=True)
    ]  # fields that came later have had their default
