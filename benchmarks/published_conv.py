"""The published rule carried over to convolutions, step by step and dense.

The authors have no convolution in their script. This is their formulation (`published`) taken to
shared weights word for word: the one-hot tensor over all time steps, one dense convolution per
step, and backward the STDP window of every synapse at every position: two unfolded tensors of shape
(batch, out, in, position).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, fold, max_pool2d, one_hot, unfold

from benchmarks import published


def simulate(
    times: Tensor, weight: Tensor, threshold: float, t_max: int, excess: Tensor | None = None
) -> Tensor:
    """Spike times [batch, channels, height, width] through weights [out, in, kh, kw].

    Parameters
    ----------
    excess : Tensor, optional
        Filled with ``V - theta`` of every neuron at its spike, at the last step for silent ones.
    """
    presented = one_hot(times.to(torch.int64), t_max + 1)[..., :t_max]
    presented = presented.to(weight.dtype).permute(4, 0, 1, 2, 3)
    simulated = t_max - published.UNSIMULATED
    potential = conv2d(presented[0], weight)
    spikes = weight.new_zeros(simulated, *potential.shape)
    fired = torch.zeros_like(potential)
    for step in range(simulated):
        if step:
            potential += conv2d(presented[step], weight)
        if excess is not None:
            excess.copy_(torch.where(fired > 0, excess, potential - threshold))
        spikes[step] = (potential > threshold) * (1 - fired)
        fired += spikes[step]
    return torch.where(fired > 0, spikes.argmax(0), t_max).to(weight.dtype)


class SteppedConv(torch.autograd.Function):
    """One convolution of neurons that fire at most once, with the published backward pass.

    ``SteppedConv.apply(times, weight, threshold, t_max, excess)`` returns spike times; no stride,
    no padding.
    """

    @staticmethod
    def forward(
        ctx: Any, times: Tensor, weight: Tensor, threshold: float, t_max: int,
        excess: Tensor | None,
    ) -> Tensor:  # fmt: skip
        spike_times = simulate(times, weight, threshold, t_max, excess)
        ctx.save_for_backward(times, weight, spike_times)
        ctx.t_max = t_max
        return spike_times

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> Any:
        times, weight, spike_times = ctx.saved_tensors
        length = error.flatten(1).norm(dim=1)[:, None, None, None] + 1e-10
        error = (error / length).flatten(2)  # [batch, out, position]
        kernel = weight.shape[2:]
        before = unfold(times.to(weight.dtype), kernel)[:, None]  # [batch, 1, in, position]
        after = spike_times.flatten(2)[:, :, None]  # [batch, out, 1, position]
        causal = ((before <= after) & (before < ctx.t_max)).to(weight.dtype)
        weight_gradient = (-causal * error[:, :, None]).sum(3).mean(0).view_as(weight)
        per_synapse = weight.flatten(1)[None, :, :, None] * causal
        sent = (per_synapse * error[:, :, None]).sum(1)  # [batch, in, position]
        return fold(sent, times.shape[2:], kernel), weight_gradient, None, None, None


class PublishedConvNetwork(nn.Module):
    """Convolutions, each with first-spike pooling of 2x2 behind it, and an output layer.

    Parameters
    ----------
    weights : list of float Tensor [out, in, kh, kw]; the last [out, in]
    thresholds : list of float
    t_max : int
    margins : bool
        Whether errors of pooled cells go to that of equally early neurons whose ``V - theta`` is
        the largest, as in this project, or to the first of them by `max_pool2d`, which costs less.
    """

    def __init__(
        self, weights: list[Tensor], thresholds: list[float], t_max: int, margins: bool = False
    ) -> None:
        super().__init__()
        self.weights = nn.ParameterList(weight.clone() for weight in weights)
        self.thresholds, self.t_max, self.margins = list(thresholds), t_max, margins

    def forward(self, times: Tensor) -> list[Tensor]:
        """Input spike times [batch, channels, height, width] to the spike times of every layer."""
        every = []
        for weight, threshold in zip(self.weights[:-1], self.thresholds[:-1], strict=True):
            excess = None
            if self.margins:
                size = [times.shape[axis] - weight.shape[axis] + 1 for axis in (2, 3)]
                excess = times.new_empty(len(times), len(weight), *size)
            every.append(SteppedConv.apply(times, weight, threshold, self.t_max, excess))
            times = self._pooled(every[-1], excess)
        output = published.SteppedLayer.apply(
            times.flatten(1), self.weights[-1], self.thresholds[-1], self.t_max, 0.0
        )
        return [*every, output]

    @staticmethod
    def _pooled(times: Tensor, excess: Tensor | None) -> Tensor:
        if excess is None:
            return -max_pool2d(-times, 2)
        # By their rank within the window, for max_pool2d finds the index of the largest.
        latest = (times - times.max()) * -(excess.abs().max() * 2 + 1)
        _, index = max_pool2d(latest.detach() + excess, 2, return_indices=True)
        return times.flatten(2).gather(2, index.flatten(2)).view(index.shape)
