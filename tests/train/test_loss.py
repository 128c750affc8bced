"""Losses, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from sstdp_train.recipes.recipe import Recipe
from sstdp_train.training.loss import (
    decision_cross_entropy,
    first_spike_cross_entropy,
    loss_of,
    relative_target,
)


def test_the_published_loss_by_hand():
    times = torch.tensor([[3.0, 3.0, 9.0, 10.0]])
    # First spike at 3: the label (2) should fire then, the others not before 3 + 2.
    loss = relative_target(times, torch.tensor([2]), t_max=10, gap=2.0)
    assert loss.item() == pytest.approx(((3 - 5) ** 2 + (3 - 5) ** 2 + (9 - 3) ** 2 + 0) / 4)


def test_the_published_loss_where_all_are_silent():
    """As if the first spike were one gap before the end."""
    times = torch.full((1, 3), 10.0)
    loss = relative_target(times, torch.tensor([1]), t_max=10, gap=2.0)
    assert loss.item() == pytest.approx((10 - 8) ** 2 / 3)


@pytest.mark.parametrize(
    ("t_max", "margin_logits"), [(8, [1.5, 0.25, -1.0]), (48, [0.5, 0.25, -1.0])]
)
def test_the_loss_on_spike_times_by_hand(t_max, margin_logits):
    """A margin is worth one step at most, or half a logit where steps are worth less."""
    times, margin = torch.tensor([[2.0, 2.0, 5.0]]), torch.tensor([[9.0, 0.5, -7.0]])
    loss = first_spike_cross_entropy(
        times, margin, torch.tensor([1]), t_max, sharpness=12.0, margin_scale=2.0
    )
    logits = [own - 12 / t_max * time for own, time in zip(margin_logits, [2, 2, 5], strict=True)]
    assert loss.item() == pytest.approx(math.log(sum(map(math.exp, logits))) - logits[1])


def test_where_all_are_silent_silence_is_a_class_that_must_lose():
    """The label leads by 2 in both images: enough where it fired, not where all stayed silent."""
    margin = torch.tensor([[1.0, -1.0], [-1.0, -3.0]], requires_grad=True)
    labels, silent = torch.tensor([0, 0]), torch.tensor([False, True])
    loss = decision_cross_entropy(margin, labels, margin_scale=0.5, silent=silent)
    fired = math.log(1 + math.exp(-4))
    all_silent = math.log(1 + math.exp(-4) + math.exp(2))
    assert loss.item() == pytest.approx((fired + all_silent) / 2)
    loss.backward()
    recipe = Recipe(loss="decision", silent_class=True, margin_scale=0.5, t_max=8)
    times = torch.tensor([[3.0, 8.0], [8.0, 8.0]])
    assert loss_of(recipe, times, margin, labels).item() == loss.item(), "8 is no spike"
    assert margin.grad[1, 0] < 20 * margin.grad[0, 0] < 0, "the silent label is pushed up"
