"""The sums over events of a convolution in plain PyTorch, on any device.

The spikes of one step are an image of zeros and ones, and what they add to all potentials is its
convolution: one for every step in which any image of the batch has a spike. Backward likewise, with
the errors of those neurons that had not fired before that step. Nothing is unfolded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d
from torch.nn.grad import conv2d_input, conv2d_weight

from ...recipes.architecture import Geometry


def _channels_first(images: Tensor) -> Tensor:
    return images.permute(0, 3, 1, 2)


def _channels_last(images: Tensor) -> Tensor:
    return images.permute(0, 2, 3, 1)


@dataclass(frozen=True)
class TorchConvPass:
    """One batch through one convolution; see `rule.backend.LayerPass`.

    Members
    -------
    times : [batch, height, width, channels]
    occupied : tuple of int
        Step 0 and the steps in which an input spikes.
    """

    geometry: Geometry
    times: Tensor
    t_max: int
    occupied: tuple[int, ...]
    spike_times: Tensor
    excess: Tensor

    @property
    def spiked(self) -> Tensor:
        return self.times < self.t_max

    def sum_over_samples(self, error: Tensor) -> Tensor:
        g = self.geometry
        shape = (g.outputs[2], g.inputs[2], *g.kernel)
        total = error.new_zeros(shape)
        for step, in_time in self._errors_in_time(error):
            spikes = _channels_first((self.times == step).to(error.dtype))
            total += conv2d_weight(spikes, shape, in_time, g.stride, g.padding)
        return total.permute(2, 3, 1, 0)

    def sum_over_neurons(self, error: Tensor, weight: Tensor) -> Tensor:
        g = self.geometry
        held = torch.where(self.spiked, self.times, 0)  # a silent input is never late
        shape = (len(error), g.inputs[2], *g.inputs[:2])
        total = torch.zeros(held.shape, dtype=error.dtype, device=error.device)
        for step, in_time in self._errors_in_time(error):
            sent = conv2d_input(shape, weight.permute(3, 2, 0, 1), in_time, g.stride, g.padding)
            total += _channels_last(sent) * (held == step)
        return total

    def _errors_in_time(self, error: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Every occupied step with the errors of the neurons that a spike then reached in time."""
        for step in self.occupied:
            yield step, _channels_first(error * (self.spike_times >= step))


@dataclass(frozen=True)
class TorchConvLayer:
    """See `rule.backend.LayerBackend`."""

    geometry: Geometry

    def fire(self, times: Tensor, weight: Tensor, threshold: Tensor, t_max: int) -> TorchConvPass:
        g = self.geometry
        filters = weight.permute(3, 2, 0, 1)
        v = (-threshold).expand(len(times), *g.outputs).contiguous()
        spike_times, excess = torch.full_like(v, t_max), torch.empty_like(v)
        steps = times.unique().tolist()
        occupied = tuple(sorted({0, *(int(step) for step in steps if step < t_max)}))
        for step in occupied:
            spikes = _channels_first((times == step).to(weight.dtype))
            v += _channels_last(conv2d(spikes, filters, None, g.stride, g.padding))
            fired = v > 0
            spike_times.masked_fill_(fired, step)
            excess = torch.where(fired, v, excess)
            v.masked_fill_(fired, -torch.inf)  # never again
        excess = torch.where(spike_times == t_max, v, excess)
        return TorchConvPass(g, times, t_max, occupied, spike_times, excess)
