"""The SSTDP rule as it was published, step by step and dense: what our formulation is measured
against.

Written for this project from the formulas of Liu et al., Frontiers in Neuroscience 2021, doi
10.3389/fnins.2021.756876, and from what the authors' script (github.com/MXHX7199/SNN-SSTDP) does at
which cost. Everything that decides its cost is kept: the one-hot tensor over all time steps, one
dense linear map per step, the outputs of all steps, and backward two tensors of shape (batch, out,
in). Two habits of the script are kept because they are part of its formulation: only ``t_max - 2``
of the steps are simulated, and every layer computes the error of its inputs, also the first. Left
out is bookkeeping that changes no result, such as the script's monitors and its loop that counts
correct answers image by image.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, mse_loss, one_hot

UNSIMULATED = 2  # steps at the end that are encoded to and never presented
DELTA = 5  # how much later than the first spike the other outputs should fire
LEARNING_RATE, WEIGHT_DECAY = 10.0, 1e-6
THRESHOLDS = (100.0, 100.0)
WEIGHT_RANGES = (5.0, 48.0)  # weights start uniform between 0 and these
LARGEST_PIXEL = 255


def encode(images: Tensor, t_max: int) -> Tensor:
    """Images uint8 [N, ...] to spike times int64 [N, pixels], bright first.

    One departure from the script, in the values and not in the work: a pixel that falls into the
    last two steps is silent here, that is, its time is ``t_max``. The script never presents such a
    pixel, and yet counts it as an input that came in time for a silent neuron when it computes
    gradients. Ours presents every spike, so only inputs without such pixels can be compared number
    by number.
    """
    brightness = images.flatten(1).to(torch.float32) / LARGEST_PIXEL
    times = ((1 - brightness) * (t_max - 1)).round().to(torch.int64)
    return torch.where(times >= t_max - UNSIMULATED, t_max, times)


def simulate(times: Tensor, weight: Tensor, threshold: float, t_max: int) -> Tensor:
    """Spike times [batch, in] through weights [out, in] to spike times [batch, out]."""
    # Class t_max is silence; it is cut off, so a silent input is 0 in every step.
    presented = one_hot(times.to(torch.int64), t_max + 1)[..., :t_max]
    presented = presented.to(weight.dtype).permute(2, 0, 1)
    simulated = t_max - UNSIMULATED
    spikes = weight.new_zeros(simulated, len(times), len(weight))
    potential = weight.new_zeros(len(times), len(weight))
    fired = torch.zeros_like(potential)
    for step in range(simulated):
        potential += linear(presented[step], weight)
        spikes[step] = (potential > threshold) * (1 - fired)
        fired += spikes[step]
    return torch.where(fired > 0, spikes.argmax(0), t_max).to(weight.dtype)


class SteppedLayer(torch.autograd.Function):
    """One layer of neurons that fire at most once, with the published backward pass.

    ``SteppedLayer.apply(times, weight, threshold, t_max, depression)`` returns spike times [batch,
    out]; ``times`` [batch, in], ``weight`` [out, in].
    """

    @staticmethod
    def forward(
        ctx: Any, times: Tensor, weight: Tensor, threshold: float, t_max: int, depression: float
    ) -> Tensor:
        spike_times = simulate(times, weight, threshold, t_max)
        ctx.save_for_backward(times, weight, spike_times)
        ctx.t_max, ctx.depression = t_max, depression
        return spike_times

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> Any:
        times, weight, spike_times = ctx.saved_tensors
        error = error / (error.norm(dim=1, keepdim=True) + 1e-10)
        # [batch, out, in]: whether the input spiked, and not after the neuron.
        before, after = times[:, None, :], spike_times[:, :, None]
        causal = ((before <= after) & (before < ctx.t_max)).to(weight.dtype)
        window = causal * (1 + ctx.depression) - ctx.depression
        weight_gradient = (-window * error[:, :, None]).mean(0)
        input_error = (error[:, None, :] @ (weight * causal))[:, 0]
        return input_error, weight_gradient, None, None, None


def loss_of(times: Tensor, labels: Tensor, t_max: int) -> Tensor:
    """Mean squared distance of output times [batch, classes] to targets relative to the first."""
    with torch.no_grad():
        first = times.min(1).values
        first[first == t_max] = t_max - DELTA
        target = torch.maximum(times, first[:, None] + DELTA).clamp(max=t_max)
        target[torch.arange(len(labels), device=labels.device), labels] = first
    return mse_loss(times, target)


class PublishedNetwork(nn.Module):
    """A stack of layers.

    Parameters
    ----------
    weights : list of float Tensor [out, in]
    thresholds : list of float
    t_max : int
    depression : float
        ``b`` of the STDP window; the script runs with 0.
    """

    def __init__(
        self, weights: list[Tensor], thresholds: list[float], t_max: int, depression: float = 0.0
    ) -> None:
        super().__init__()
        self.weights = nn.ParameterList(weight.clone() for weight in weights)
        self.thresholds, self.t_max, self.depression = list(thresholds), t_max, depression

    def forward(self, times: Tensor) -> list[Tensor]:
        """Input spike times [batch, in] to the spike times of every layer."""
        every = []
        for weight, threshold in zip(self.weights, self.thresholds, strict=True):
            times = SteppedLayer.apply(times, weight, threshold, self.t_max, self.depression)
            every.append(times)
        return every
