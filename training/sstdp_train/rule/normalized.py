"""The SSTDP rule for deep networks: thresholds in deviations of the membrane potential.

Deep networks of neurons that fire once fall silent or all fire in the first step, because a layer
sees neither how far its potentials are from the thresholds nor how that moves while the layers
before it learn. Here each channel keeps a running mean ``mu`` and deviation ``sigma`` of its
potential over images, positions and steps (the idea of batch normalization, Ioffe and Szegedy 2015,
arXiv:1502.03167, applied to potentials), and fires at

    V > theta,    theta = mu + level * sigma

with a learned ``level``. Nothing is rescaled, so what is trained is at every moment a network of
plain IF neurons with thresholds ``theta``: there is nothing to fold at the end.

A neuron is looked at in its *own step*: that of its spike, the last one if it stays silent. With
``u = (V - theta) / sigma`` there and ``d`` the error on drive that arrives,

    e        = d * max(0, 1 - |u| / gate) / gate           the gate, a triangle of area 1
    dlevel   = -sum of e
    dw[i, j] = sum of e / sigma * [s[i] <= own step]       the STDP window, without depression
    d[i]     = sum over j of e / sigma * w[i, j] * [s[i] <= own step of j, or i is silent]

as in `spike_once`, whose gate is in thresholds instead of deviations. The running numbers are
constants of the backward pass. That a change of ``w`` moves ``mu`` and ``sigma`` too is taken into
account afterwards, exactly for the first and in part for the second (`centered`): the weight
gradient loses the share that only moves the mean, and the component along ``w``, which could only
change the scale. Channels that fire more often than wanted have their level raised
(``rate_penalty``): normalization alone leaves half of all neurons firing.

Forward passes run on integers, always: a weight is ``q = rint(w / step)`` with a step of its own
for every channel of a hidden layer, and gradients pass straight through the rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from . import processor  # noqa: F401 - settles the vector instructions before the first operation

MARGIN_LIMIT = 16383  # potentials of hidden layers stay within it; so differences fit 16 bits


@dataclass(frozen=True)
class Operands:
    """A layer in integers.

    Parameters
    ----------
    weight : int16 [kernel height, kernel width, channels in, channels out]
        A fully connected layer has a kernel as large as its input.
    threshold : int32 [channels out]
    step : float32 [channels out]
        What one unit of them is worth.
    """

    weight: Tensor
    threshold: Tensor
    step: Tensor


@dataclass(frozen=True)
class Statistics:
    """Of one layer in one batch, per channel, in units of its integers.

    Parameters
    ----------
    mean, square : float64 [channels]
        Means of the potential and of its square, over images, rows looked at, columns and steps;
        nobody asks for those of the last layer.
    rate : float64 [channels]
        Share of neurons that fired, over images and positions.
    """

    mean: Tensor
    square: Tensor
    rate: Tensor


@dataclass(frozen=True)
class NormalizedRule:
    """What one layer does with errors.

    Parameters
    ----------
    closing : float32 [channels] or None
        ``1 / reach`` of ``|V - theta|`` in units of the layer's integers; None for no gate.
    gain : float32 [channels]
        Error on V for an error that passes whole.
    wake_silent : bool
        Whether inputs of the layer that stayed silent receive errors.
    centered : bool
        Whether weight gradients are `centered`.
    rate_penalty, rate_target : float
        Push on the levels of channels that fire more often than the target, per excess share.
    """

    closing: Tensor | None
    gain: Tensor
    wake_silent: bool = True
    centered: bool = False
    rate_penalty: float = 0.0
    rate_target: float = 0.0


class NormalizedPass(Protocol):
    """One batch through all layers.

    Members
    -------
    spike_times : uint8 [batch, classes]
    margin : int32 [batch, classes]
        ``V - theta`` of the last layer, at the spike or at the last step.
    statistics : list of Statistics
    presence : list of float32 [channels in]
        Of every layer: share of an input channel's places that have spiked, over images, places
        and steps.
    """

    @property
    def spike_times(self) -> Tensor: ...

    @property
    def margin(self) -> Tensor: ...

    @property
    def statistics(self) -> list[Statistics]: ...

    @property
    def presence(self) -> list[Tensor]: ...

    def send_back(
        self, error: Tensor, rules: Sequence[NormalizedRule]
    ) -> list[tuple[Tensor, Tensor]]:
        """Errors [batch, classes] on drive of the last layer through all layers.

        Returns, of every layer, the sum over samples and positions of ``e[j] * [s[i] <= own step]``
        float32 [kernel height, kernel width, channels in, channels out], where ``e`` are errors on
        V; and of the errors behind the gate, before the gain, float32 [channels out].
        """
        ...


class NormalizedBackend(Protocol):
    """All layers of a normalized network in one pass."""

    def fire(self, times: Tensor, layers: Sequence[Operands], t_max: int) -> NormalizedPass:
        """Spike times uint8 [batch, height, width, channels] through all layers."""
        ...


def looked_at(height: int) -> int:
    """Statistics look at every so many rows of a layer's neurons; in image n of a batch at those
    with ``(row + n)`` a multiple."""
    return 4 if height >= 8 else 1


class FireNormalized(torch.autograd.Function):
    """``apply(times, backend, t_max, rules, operands, keep, *parameters)`` returns output spike
    times and margins, in units of the output layer's weights.

    times : uint8 [batch, height, width, channels]
    rules : list of NormalizedRule
    operands : list of Operands
    keep : callable
        Given the pass.
    parameters : weight and level of every layer; threshold instead of level for the last
        Receive the gradients.
    """

    @staticmethod
    def forward(
        ctx: Any, times: Tensor, backend: NormalizedBackend, t_max: int,
        rules: list[NormalizedRule], operands: list[Operands],
        keep: Callable[[NormalizedPass], None], *parameters: Tensor,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        pass_ = backend.fire(times, operands, t_max)
        keep(pass_)
        ctx.pass_, ctx.rules, ctx.weights = pass_, rules, parameters[0::2]
        ctx.set_materialize_grads(False)
        spike_times = pass_.spike_times.to(torch.float32)
        ctx.mark_non_differentiable(spike_times)
        return spike_times, pass_.margin * operands[-1].step

    @staticmethod
    def backward(ctx: Any, _: Tensor | None, margin_error: Tensor | None) -> Any:
        pass_, gradients = ctx.pass_, []
        if margin_error is None:
            return (None,) * (6 + 2 * len(ctx.rules))
        sums = pass_.send_back(margin_error, ctx.rules)
        for layer, (rule, weight) in enumerate(zip(ctx.rules, ctx.weights, strict=True)):
            weights, drive = sums[layer]
            level = -drive
            if rule.centered:
                weights = centered(weights, weight, drive * rule.gain, pass_.presence[layer])
            if rule.rate_penalty:
                rate = pass_.statistics[layer].rate.to(level.dtype)
                level = level - rule.rate_penalty * (rate - rule.rate_target).clamp(min=0)
            gradients += [weights, level]
        return None, None, None, None, None, None, *gradients


def centered(sums: Tensor, weight: Tensor, drive: Tensor, presence: Tensor) -> Tensor:
    """The weight gradient without what only moves a channel's mean, or its scale.

    ``mu`` moves with a weight as often as its input is there, and ``V - mu`` by what is left of the
    sum. A channel whose weights all grow by the same factor is the same channel, so its gradient
    stands at right angles to its weights.

    Parameters
    ----------
    sums, weight : float32 [kernel height, kernel width, channels in, channels out]
    drive : float32 [channels out]
        Errors on V, summed.
    presence : float32 [channels in]
        Of the inputs, see `NormalizedPass`; at a border it is less, which is left aside.
    """
    moved = sums - presence[:, None] * drive
    along = (moved * weight).sum((0, 1, 2)) / weight.square().sum((0, 1, 2)).clamp(min=1e-30)
    return moved - weight * along
