"""Losses and the penalty on additions, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from sstdp_train import train
from sstdp_train.loss import additions_share, decision_cross_entropy, relative_target


def test_the_published_loss_by_hand():
    times = torch.tensor([[3.0, 3.0, 9.0, 10.0]])
    # First spike at 3: the label (2) should fire then, the others not before 3 + 2.
    loss = relative_target(times, torch.tensor([2]), t_max=10, gap=2.0)
    assert loss.item() == pytest.approx(((3 - 5) ** 2 + (3 - 5) ** 2 + (9 - 3) ** 2 + 0) / 4)


def test_where_all_are_silent_silence_is_a_class_that_must_lose():
    """The label leads by 2 in both images: enough where it fired, not where all stayed silent."""
    margin = torch.tensor([[1.0, -1.0], [-1.0, -3.0]], requires_grad=True)
    labels, silent = torch.tensor([0, 0]), torch.tensor([False, True])
    loss = decision_cross_entropy(margin, labels, margin_scale=0.5, silent=silent)
    fired = math.log(1 + math.exp(-4))
    all_silent = math.log(1 + math.exp(-4) + math.exp(2))
    assert loss.item() == pytest.approx((fired + all_silent) / 2)
    loss.backward()
    assert margin.grad[1, 0] < 20 * margin.grad[0, 0] < 0, "the silent label is pushed up"


def test_additions_share_by_hand():
    """One image: 3 of 4 inputs spike; 2 hidden neurons; the decision falls at step 4 of 8."""
    inputs = torch.tensor([[0, 5, 7, 8]])
    hidden = torch.tensor([[2.0, 8.0]], requires_grad=True)
    output = torch.tensor([[6.0, 4.0, 8.0]], requires_grad=True)
    share = additions_share(inputs, [hidden, output], [2, 3], t_max=8)
    macs = 4 * 2 + 2 * 3
    assert share.item() == pytest.approx((3 * 2 * 4 / 8 + 3 * (1 - 2 / 8)) / macs)
    share.backward()
    # Earlier for the first output spike, later for hidden spikes.
    torch.testing.assert_close(output.grad, torch.tensor([[0.0, 3 * 2 / 8 / macs, 0.0]]))
    torch.testing.assert_close(hidden.grad, torch.full((1, 2), -3 / 8 / macs))


def test_sparsity_makes_decisions_earlier_and_spikes_fewer(tiny, bars, tmp_path):
    import json

    def trained(name, **changes):
        train(tiny.with_(**changes), bars, out=tmp_path / name, device="cpu")
        return json.loads((tmp_path / name / "history.json").read_text())["epochs"][-1]

    plain, sparse = trained("plain"), trained("sparse", sparsity=3.0)
    assert sparse["decision_time"] < plain["decision_time"] - 0.3
    assert sparse["train_accuracy"] > 0.8
