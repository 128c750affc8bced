"""Losses on output spike times: what "the right neuron fires first" means as a number."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..recipes.recipe import Recipe


def loss_of(recipe: Recipe, times: Tensor, margin: Tensor, labels: Tensor) -> Tensor:
    """The recipe's loss, averaged over the batch.

    Parameters
    ----------
    times, margin : float32 [batch, classes]
        Spike times and ``V - theta`` at the spike of the output neurons.
    labels : int64 [batch]
    """
    if recipe.loss == "decision":
        silent = (times == recipe.t_max).all(1) if recipe.silent_class else None
        return decision_cross_entropy(margin, labels, recipe.margin_scale, silent)
    if recipe.loss == "relative-target":
        return relative_target(times, labels, recipe.t_max, recipe.target_gap * recipe.t_max)
    return first_spike_cross_entropy(
        times, margin, labels, recipe.t_max, recipe.sharpness, recipe.margin_scale
    )


def decision_cross_entropy(
    margin: Tensor, labels: Tensor, margin_scale: float, silent: Tensor | None
) -> Tensor:
    """Softmax cross-entropy on ``V - theta`` at the decision, in units of ``margin_scale``.

    In images marked ``silent`` (bool [batch], None for none) "no neuron fires" is one class more,
    with ``V - theta`` of 0: there the labelled neuron has to pass its threshold, not only the other
    neurons.
    Without it an answer by the largest potential of silent neurons costs nothing. In images that
    are answered by a spike it would ask for ever earlier ones. An addition of this project.
    """
    logits = margin / margin_scale
    if silent is None:
        return cross_entropy(logits, labels)
    nobody = torch.where(silent, 0.0, -torch.inf)
    return cross_entropy(torch.cat([logits, nobody[:, None]], 1), labels)


def first_spike_cross_entropy(
    times: Tensor, margin: Tensor, labels: Tensor, t_max: int, sharpness: float, margin_scale: float
) -> Tensor:
    """Softmax cross-entropy on ``-beta * t + clip(margin / kappa, -1, max(beta, 1/2))``, ``beta =
    sharpness / t_max``.

    The second term trains the tie-break of rule 6. It is cut at the logit of one step, because a
    larger margin never beats an earlier spike; and at half a logit where steps are worth less, for
    the tie-break to be trained at all. An addition of this project; the published loss is
    `relative_target`.

    Parameters
    ----------
    times, margin : float32 [batch, classes]
        As in `loss_of`.
    labels : int64 [batch]
    t_max : int
    sharpness : float
        Logit between a spike at step 0 and one at ``t_max``.
    margin_scale : float
        ``kappa``: membrane potential worth a logit of 1.
    """
    beta = sharpness / t_max
    logits = (margin / margin_scale).clamp(-1.0, max(beta, 0.5)) - beta * times
    return cross_entropy(logits, labels)


def relative_target(times: Tensor, labels: Tensor, t_max: int, gap: float) -> Tensor:
    """The published loss: squared distance to relative target times.

    The labelled neuron should fire when the first one does, every other at least ``gap`` steps
    later, none later than ``t_max`` (Liu et al. 2021, and the authors' script, which moves an
    all-silent output to ``t_max - gap``).
    """
    with torch.no_grad():
        first = times.min(1).values
        first = torch.where(first == t_max, t_max - gap, first)
        target = torch.maximum(times, first[:, None] + gap).clamp(max=t_max)
        target[torch.arange(len(labels), device=labels.device), labels] = first
    return ((times - target) ** 2).mean()
