"""Losses on the output layer's `Spikes`, and its decision; the functions are those of recipes."""

from __future__ import annotations

from torch import Tensor, nn

from sstdp_hw.base.errors import UserError

from ..network import layers
from ..recipes.recipe import Recipe
from ..training.loss import decision_cross_entropy, first_spike_cross_entropy, relative_target
from .spikes import Spikes, arriving

DEFAULT = Recipe()


class FirstSpikeLoss(nn.Module):
    """Softmax cross-entropy on spike times, margins within a step; see `first_spike_cross_entropy`.

    The steady choice for small data sets and deep networks.
    """

    def __init__(
        self, sharpness: float = DEFAULT.sharpness, margin_scale: float = DEFAULT.margin_scale
    ) -> None:
        super().__init__()
        self.sharpness, self.margin_scale = sharpness, margin_scale

    def forward(self, spikes: Spikes, labels: Tensor) -> Tensor:
        times, margin = _output("FirstSpikeLoss", spikes)
        return first_spike_cross_entropy(
            times, margin, labels, spikes.t_max, self.sharpness, self.margin_scale
        )


class DecisionLoss(nn.Module):
    """Softmax cross-entropy on ``V - theta`` at the decision, behind `UntilDecision`.

    Parameters
    ----------
    margin_scale : float
        Membrane potential worth a logit of 1.
    silent_class : bool
        Where all outputs stay silent, silence is a class that must lose.
    """

    def __init__(self, margin_scale: float = 0.35, silent_class: bool = True) -> None:
        super().__init__()
        self.margin_scale, self.silent_class = margin_scale, silent_class

    def forward(self, spikes: Spikes, labels: Tensor) -> Tensor:
        times, margin = _output("DecisionLoss", spikes)
        silent = (times == spikes.t_max).all(1) if self.silent_class else None
        return decision_cross_entropy(margin, labels, self.margin_scale, silent)


class RelativeTargetLoss(nn.Module):
    """The published loss; ``gap`` is a share of ``t_max``. See `relative_target`."""

    def __init__(self, gap: float = DEFAULT.target_gap) -> None:
        super().__init__()
        self.gap = gap

    def forward(self, spikes: Spikes, labels: Tensor) -> Tensor:
        times, _ = _output("RelativeTargetLoss", spikes)
        return relative_target(times, labels, spikes.t_max, self.gap * spikes.t_max)


def decide(spikes: Spikes) -> tuple[Tensor, Tensor]:
    """Classes and decision times [N] by design rule 6."""
    times, margin = _output("decide", spikes)
    return layers.decide(times, margin, spikes.t_max)


def _output(subject: str, spikes: Spikes) -> tuple[Tensor, Tensor]:
    arriving(subject, spikes, 2)
    if spikes.margin is None:
        raise UserError(f"{subject}: spikes must be those of IF neurons, not of an encoder")
    return spikes.times, spikes.margin
