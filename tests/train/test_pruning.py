"""Pruning of pixels: which go, when, and that they stay gone in the integer network."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.quantization.quantize import quantize
from sstdp_hw.reference import inference as reference
from sstdp_train import Recipe, fine_tuning, train
from sstdp_train.network.pruning import is_over, share_kept, survivors
from sstdp_train.training.loop import Training, split


def test_the_schedule_falls_from_all_to_the_target_and_stays():
    shares = [share_kept(0.4, epoch, 20) for epoch in range(20)]
    assert shares[:3] == [1.0, 1.0, 1.0]  # a tenth of the epochs
    assert shares[10:] == [pytest.approx(0.4)] * 10
    assert all(later < earlier for earlier, later in pairwise(shares[2:11]))
    assert [is_over(epoch, 20) for epoch in (9, 10)] == [False, True]


def test_the_pixels_of_the_largest_weights_survive_within_the_share():
    weight = torch.tensor([[3.0, 0.0], [0.0, -1.0], [2.0, 2.0], [0.5, 0.5], [9.0, 9.0]])
    rates = torch.tensor([0.5, 0.5, 0.5, 0.5, 0.0])
    every = torch.ones(5, dtype=torch.bool)
    assert survivors(weight, every, rates, 1.0).all()
    assert survivors(weight, every, rates, 0.5).tolist() == [True, False, True, False, True]
    assert survivors(weight, every, rates, 0.49).tolist() == [True, False, False, False, True]
    gone = torch.tensor([True, True, False, True, True])  # pixel 2, whatever its weights became
    assert survivors(weight, gone, rates, 0.5).tolist() == [True, True, False, False, True]
    assert survivors(weight, every, rates, 0.0).tolist() == [False, False, False, False, True]


@pytest.fixture(scope="module")
def pruned_run(tiny, bars, tmp_path_factory):
    out = tmp_path_factory.mktemp("pruned") / "run"
    recipe = tiny.with_(pruning=0.6, epochs=8, depression=0.1)  # moves weights of silent inputs too
    return recipe, out, train(recipe, bars, bars, out=out, device="cpu")


def share_of_spikes(network, images):
    times = network.encoder[images].reshape(len(images), -1)
    rates = (times < network.t_max).mean(axis=0)
    return float((rates * network.live_inputs).sum() / rates.sum())


def test_a_pruned_network_sends_no_more_than_its_share_of_the_spikes(pruned_run, bars):
    _, out, result = pruned_run
    network = FloatNetwork.load(out)
    assert 0.3 < share_of_spikes(network, bars.images) < 0.44  # 0.4 of the training images' spikes
    assert result["validation_accuracy"] > 0.9
    assert result["exported_epoch"] > 4  # never an epoch from before the end of pruning


def test_the_torch_network_and_the_exported_one_give_the_same_classes(pruned_run, bars):
    """The trainer validates by masking pixels, the reference by rows of zeros."""
    recipe, out, result = pruned_run
    held_back = split(len(bars), recipe.validation_share, recipe.seed)[1]
    inference = reference.run(FloatNetwork.load(out), bars.images[held_back])
    assert inference.accuracy(bars.labels[held_back]) == result["validation_accuracy"]


def test_an_interrupted_pruning_ends_at_the_same_bits(pruned_run, bars, tmp_path, monkeypatch):
    recipe, out, _ = pruned_run

    class Interrupted(Exception):
        pass

    whole = Training.run_epoch

    def interrupted(self, advance):
        if self.epoch == 3:
            raise Interrupted
        return whole(self, advance)

    monkeypatch.setattr(Training, "run_epoch", interrupted)
    with pytest.raises(Interrupted):
        train(recipe, bars, bars, out=tmp_path / "run", device="cpu")
    monkeypatch.undo()
    train(recipe, bars, bars, out=tmp_path / "run", device="cpu", resume=True)
    for one, other in zip(
        FloatNetwork.load(out).weighted, FloatNetwork.load(tmp_path / "run").weighted, strict=True
    ):
        assert np.array_equal(one[1].weight, other[1].weight)


def test_fine_tuning_keeps_pruned_pixels_pruned(pruned_run, bars, tmp_path):
    recipe, out, _ = pruned_run
    train(fine_tuning(recipe, (3,)), bars, bars, out=tmp_path / "run", init=out, device="cpu")
    network, _ = quantize(FloatNetwork.load(tmp_path / "run"), (3,))
    before = FloatNetwork.load(out).live_inputs
    assert not before.all()
    assert not network.live_inputs[~before].any()


def test_one_bit_has_no_zero(pruned_run, bars, tmp_path):
    recipe, out, _ = pruned_run
    with pytest.raises(UserError, match=r"weights must not be 0 at width 1, and \d+ pixels are"):
        train(fine_tuning(recipe, (1,)), bars, out=tmp_path / "run", init=out, device="cpu")
    with pytest.raises(UserError, match="first layer must be at least 2 with pruning"):
        Recipe(pruning=0.5, weight_widths=(1, 4))
    with pytest.raises(UserError, match=r"pruning must be between 0 and 0.99, not 1"):
        Recipe(pruning=1.0)
