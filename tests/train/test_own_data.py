"""Data sets that come without a recipe: what is refused before the work, and what fits them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sstdp_hw.base.errors import UserError
from sstdp_hw.command import cli
from sstdp_hw.data.datasets import Samples
from sstdp_train import RECIPES, recipe_for, train


def started(bars, tiny, tmp_path, **changes):
    return train(tiny.with_(epochs=1), replace(bars, **changes), None, out=tmp_path / "run")


def test_a_name_of_characters_that_cannot_be_printed(bars, tiny, tmp_path):
    started(bars, tiny, tmp_path, name="my\u00a0bars\x1b")
    told = json.loads((tmp_path / "run" / "train.json").read_text())
    assert (tmp_path / "run" / "float.safetensors").is_file() and told["epochs"] == 1


def test_what_the_file_cannot_hold_is_refused_before_the_first_epoch(bars, tiny, tmp_path):
    with pytest.raises(UserError, match="class_names must be printable text"):
        started(bars, tiny, tmp_path, class_names=("a", "b", "c", "\x1b[2J"))
    assert not (tmp_path / "run").exists()


def test_channels_last_is_refused(tiny, tmp_path):
    images = np.zeros((20, 8, 8, 3), np.uint8)
    samples = Samples("colour", images, np.arange(20) % 2, ("a", "b"))
    with pytest.raises(UserError, match=r"looks like \[H, W, C\]; use images.transpose\(0, 3, 1"):
        train(tiny, samples, None, out=tmp_path / "run")


def test_labels_with_gaps(bars, tiny, tmp_path, capsys):
    many = tuple(str(label) for label in range(201))
    labels = np.where(bars.labels == 3, 200, bars.labels)
    with pytest.raises(UserError, match=r"197 of 201 classes have no training image \(3, 4, 5, .."):
        started(bars, tiny, tmp_path, labels=labels, class_names=many)
    started(bars, tiny, tmp_path, class_names=("a", "b", "c", "d", "e"))
    assert "1 of 5 classes have no training image (4)" in capsys.readouterr().err


def test_a_recipe_that_fits_layers_and_size():
    conv = recipe_for("mine.npz", ("conv8k3", "pool2"), (1200, 1, 8, 8))
    chosen = RECIPES["mnist-conv"]
    for name in ("loss", "hidden_drive", "hidden_spread", "gate_shape", "margin_scale"):
        assert getattr(conv, name) == getattr(chosen, name)
    assert (conv.batch_size, conv.epochs, conv.shift) == (16, 80, 0.34)
    large = recipe_for("mine.npz", (100,), (60_000, 1, 28, 28))
    assert (large.batch_size, large.epochs, large.shift) == (64, 30, 1.2)
    assert recipe_for("mine.npz", None, (10, 1, 8, 8)).epochs == 150
    assert recipe_for("digits", ("conv8k3",), (1200, 1, 8, 8)) is RECIPES["digits"]


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (("--steps", "300"), "--steps must be between 1 and 255, not 300"),
        (("--weight-width", "17"), "--weight-width must be between 1 and 16, not 17"),
        (("--pruning", "0.99999"), "--pruning must be between 0 and 0.99, not 0.99999"),
    ],
)
def test_errors_name_the_option_that_was_typed(typed, told, tmp_path, capsys):
    assert cli.main(["train", "--dataset", "digits", *typed, "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"sstdp-hw train: error: {told}"
