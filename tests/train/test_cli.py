"""The verb: options to recipe, recipe to run folder, continue, fine-tune."""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_train.recipes.recipe import DIGITS, PUBLISHED, Recipe
from sstdp_train.training.curves import picture
from sstdp_train.verbs.train import _verdict, train


def run(*arguments):
    parser = argparse.ArgumentParser()
    train.configure(parser)
    return train.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "digits"
    arguments = ("--dataset", "digits", "--layers", "20", "--steps", 6, "--epochs", 3)
    return out, run(*arguments, "--device", "cpu", "--no-wake-silent", "--out", out)


def test_digits_end_to_end(digits_run):
    out, result = digits_run
    assert json.loads(json.dumps(result)) == result
    expected = DIGITS.with_(layers=(20,), t_max=6, epochs=3, wake_silent=False)
    assert Recipe.from_dict(result["recipe"], "result") == expected
    assert result["test_images"] == 599
    assert result["test_accuracy"] > 0.3
    assert FloatNetwork.load(out).provenance["command"].startswith("sstdp-hw")


def test_resume_finds_data_and_recipe_again(digits_run, tmp_path):
    out, result = digits_run
    again = run("--resume", "--out", out, "--device", "cpu")
    assert again["test_accuracy"] == result["test_accuracy"]
    with pytest.raises(UserError, match="epochs was 3, not 4"):
        run("--resume", "--epochs", 4, "--out", out)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--recipe", "published"), "--recipe must be left out with --resume, which continues"),
        (("--overwrite",), "--overwrite must be left out with --resume, which continues"),
        (("--init", "other"), "--init must be left out with --resume of a run that began without"),
    ],
)
def test_resume_takes_nothing_that_asks_for_another_run(digits_run, option, message):
    out, _ = digits_run
    with pytest.raises(UserError, match=message):
        run("--resume", *option, "--out", out)


def test_fine_tuning_from_a_run(digits_run, tmp_path):
    out, result = digits_run
    tuned = run(
        "--init", out, "--weight-width", "4,3", "--epochs", 2, "--out", tmp_path, "--device", "cpu"
    )
    assert tuned["recipe"]["weight_widths"] == [4, 3]
    assert tuned["recipe"]["epochs"] == 2
    assert tuned["recipe"]["layers"] == [20]
    assert tuned["initial"]["test_accuracy"] == result["test_accuracy"]
    network = FloatNetwork.load(tmp_path)
    assert [layer.weight_width for layer in network.layers[1:]] == [4, 3]
    for layer, scale in zip(network.layers[1:], network.scales[1:], strict=True):
        integers = layer.weight / np.float64(scale)
        assert np.array_equal(integers, np.rint(integers))
    with pytest.raises(UserError, match=r"must be left out with --init, whose network has \[20\]"):
        run("--init", out, "--layers", "30", "--out", tmp_path / "other")


def test_a_file_as_data_set_has_no_test_split(bars, tmp_path):
    np.savez(tmp_path / "bars.npz", images=bars.images, labels=bars.labels)
    arguments = (
        "--layers",
        8,
        "--epochs",
        1,
        "--dataset",
        tmp_path / "bars.npz",
        "--device",
        "cpu",
    )
    result = run(*arguments, "--out", tmp_path / "one")
    assert result["test_accuracy"] is None
    assert result["test_accuracy_ties_counted"] is None
    np.savez(tmp_path / "test.npz", images=bars.images[:50], labels=bars.labels[:50])
    result = run(*arguments, "--test-dataset", tmp_path / "test.npz", "--out", tmp_path / "two")
    assert result["test_images"] == 50
    resumed = run("--resume", "--out", tmp_path / "two", "--device", "cpu")
    assert resumed["test_accuracy"] == result["test_accuracy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Data set must be given, and is not"),
        (["--dataset", "cifar"], "Data set must be digits"),
        (["--dataset", "digits", "--steps", "0"], "--steps must be between 1 and 255, not 0"),
        (["--dataset", "digits", "--weight-width", "17"], "between 1 and 16, not 17"),
        (
            ["--dataset", "digits", "--weight-width", "4,4,4"],
            "one width per weighted layer, 2, not",
        ),
        (["--init", "nowhere", "--weight-width", "4"], "nowhere: no such float network file"),
        (["--resume"], "no such checkpoint; start the run without --resume"),
    ],
)
def test_bad_input_is_told_in_one_line(arguments, message, tmp_path):
    with pytest.raises(UserError, match=message) as caught:
        run(*arguments, "--out", tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("conv6k9", r"Layer 1 \(conv6k9\) on an input of 1x8x8: kernel must not be larger than the "
                    "padded input 8x8, not 9x9"),
        ("conv6k8,pool2", r"Layer 2 \(pool2\) on an input of 6x1x1: kernel must not be larger than "
                          "its input 1x1, not 2x2"),
        ("30,conv6k3", r"Layer 2 \(conv6k3\) on an input of 30: conv2d needs an input of 3 dimens"),
        ("conv6k3,pool2s1", "Layer pool2s1: pooling must have no stride of its own"),
        ("conv6", "Layer 'conv6': must be a number of neurons, or like conv16k5"),
    ],
)  # fmt: skip
def test_bad_layers_are_told_before_anything_is_written(layers, message, tmp_path):
    with pytest.raises(UserError, match=f"^--layers: {message}") as told:
        run("--dataset", "digits", "--layers", layers, "--out", tmp_path / "run")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "run").exists()


def test_convolutions_end_to_end(tmp_path):
    out, tuned = tmp_path / "float", tmp_path / "4-bit"
    common = ("--epochs", 2, "--device", "cpu")
    result = run("--dataset", "digits", "--layers", "conv8k3,pool2,20", *common, "--out", out)
    assert json.loads((out / "train.json").read_text())["recipe"]["layers"] == [
        "conv8k3", "pool2", 20
    ]  # fmt: skip
    assert result["test_accuracy"] > 0.3
    found = run("--init", out, "--weight-width", 4, *common, "--out", tuned)
    assert found["recipe"]["weight_widths"] == [4, 4, 4]
    with pytest.raises(UserError, match=r"must be left out with --init, whose network has \['conv"):
        run("--init", out, "--layers", "conv8k3,20", "--out", tmp_path / "other")


@pytest.mark.parametrize(
    "found, text",
    [
        (
            (0.75, 0.5, 0.625),
            "validation 75.00 %, test 50.00 % (rule 6; 62.50 % with ties counted as correct), 7 s",
        ),
        ((0.75, None, None), "validation 75.00 %, no test images, 7 s"),
        ((None, None, None), "no validation images, no test images, 7 s"),
    ],
)
def test_the_verdict_tells_what_was_measured(found, text):
    names = ("validation_accuracy", "test_accuracy", "test_accuracy_ties_counted")
    result = {"float_network": "f", "exported_epoch": 3, "epochs": 4, "wall_seconds": 7.2}
    verdict = _verdict(result | dict(zip(names, found, strict=True)))
    assert verdict == f"f: epoch 3 of 4, {text}"


@pytest.mark.parametrize("epochs", [1, 2, 40])
def test_curves_lie_inside_their_axes_over_whole_epochs(epochs):
    history = [
        {
            "epoch": epoch, "loss": 1 / epoch, "train_accuracy": 0.9, "validation_accuracy": 0.8,
            "firing": [0.3, 0.2], "decision_time": 6.5 - 0.001 * epoch,
        }
        for epoch in range(1, epochs + 1)
    ]  # fmt: skip
    figure = picture(history, "T")
    figure.draw_without_rendering()
    for axes in figure.axes:
        low, high = axes.get_ylim()
        values = [value for line in axes.lines for value in line.get_ydata()]
        edge = 0.02 * (high - low)
        assert low + edge < min(values) <= max(values) < high - edge, axes.get_title()
        assert all(tick == int(tick) for tick in axes.get_xticks())


def test_every_field_of_the_recipe_is_an_option():
    parser = argparse.ArgumentParser()
    train.configure(parser)
    options = {action.dest for action in parser._actions}
    fields = {field.name for field in dataclasses.fields(Recipe)}
    assert fields - options == {"name"}


def test_the_help_needs_no_torch():
    code = "import sys, sstdp_train, sstdp_train.verbs.train; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_published_recipe_is_published():
    """No addition of this project is left in it."""
    assert PUBLISHED.gate == PUBLISHED.homeostasis == 0
    assert not PUBLISHED.wake_silent
    assert not PUBLISHED.augments
    assert PUBLISHED.loss == "relative-target"
    assert PUBLISHED.optimizer == "sgd"
    assert PUBLISHED.schedule == "constant"
