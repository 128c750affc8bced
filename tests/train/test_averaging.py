"""The running mean of the weights is what is validated and exported, in float and on integers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.quantization.quantize import quantize
from sstdp_hw.reference import inference as reference
from sstdp_train import fine_tuning, train
from sstdp_train.training.loop import Training

REACH = 0.5  # epochs


@pytest.fixture
def weights_of_every_step(monkeypatch):
    """First-layer weights after every update of a training."""
    seen, take_the_mean = [], Training._take_the_mean

    def spying(self):
        seen.append(self.network.layers[0].weight.detach().clone())
        take_the_mean(self)

    monkeypatch.setattr(Training, "_take_the_mean", spying)
    return seen


def first_weight(folder):
    network = FloatNetwork.load(folder)
    return next(layer.weight for layer in network.layers if layer.kind == "dense").T


def test_the_export_is_the_exponential_mean(tiny, bars, tmp_path, weights_of_every_step):
    recipe = tiny.with_(averaging=REACH, choose="last", schedule="constant")
    result = train(recipe, bars, out=tmp_path / "run", device="cpu")
    batches = math.ceil(result["training_images"] / recipe.batch_size)
    assert len(weights_of_every_step) == batches * recipe.epochs
    mean, *later = weights_of_every_step
    for weight in later:
        mean = mean + (1 - math.exp(-1 / (REACH * batches))) * (weight - mean)
    exported = torch.from_numpy(first_weight(tmp_path / "run").copy())
    torch.testing.assert_close(exported, mean, rtol=0, atol=1e-5)
    assert (exported - weights_of_every_step[-1]).abs().max() > 1e-3


def test_without_it_the_last_weights_are_exported(tiny, bars, tmp_path, weights_of_every_step):
    train(tiny.with_(epochs=1), bars, out=tmp_path / "run", device="cpu")
    assert not weights_of_every_step


@pytest.mark.parametrize("widths", [(4,), (1,)])
def test_integers_of_the_mean_are_exported_exactly(tiny, bars, tmp_path, widths):
    train(tiny, bars, out=tmp_path / "float", device="cpu")
    tuning = fine_tuning(tiny, widths).with_(averaging=REACH, choose="last")
    result = train(tuning, bars, out=tmp_path / "run", init=tmp_path / "float", device="cpu")
    network = FloatNetwork.load(tmp_path / "run")
    integers, _ = quantize(network)
    one, other = (reference.run(entry, bars.images) for entry in (network, integers))
    np.testing.assert_array_equal(one.classes, other.classes)
    assert result["validation_accuracy"] > 0.6  # chance is a quarter


def test_pruned_pixels_stay_out_of_the_mean(tiny, bars, tmp_path):
    recipe = tiny.with_(averaging=3.0, pruning=0.6, epochs=8, depression=0.1)
    train(recipe, bars, out=tmp_path / "run", device="cpu")
    live = FloatNetwork.load(tmp_path / "run").live_inputs
    assert np.count_nonzero(~live) > 0
    assert not first_weight(tmp_path / "run")[~live.reshape(-1)].any()


def test_a_negative_reach_is_refused(tiny):
    with pytest.raises(UserError, match="averaging must be at least 0, not -1"):
        tiny.with_(averaging=-1.0)
