"""Normalized networks in plain PyTorch, on any device: all steps of a layer in one convolution.

The input of a layer in step t is an image of zeros and ones, which inputs have spiked by then; its
convolution is the potential in step t. Steps stand side by side as further images of the batch.
This is the dense formulation: its cost does not depend on how many neurons fire.

On a GPU channels are last in memory, forward passes run in TF32, whose 11 bits hold every weight
(`network.normalized.FLOAT_WIDTH`) and whose sums are of float32, and errors are sent in bfloat16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import conv2d
from torch.nn.grad import conv2d_input, conv2d_weight

from ...recipes.architecture import PooledLayer
from ...rule.normalized import NormalizedRule, Operands, Statistics, looked_at


@dataclass(frozen=True)
class TorchNormalizedLayerPass:
    """One batch through one layer and the pooling behind it; images are [channels, height, width].

    Members
    -------
    present : [t_max * batch, channels in, height, width]
        1 for inputs that have spiked by a step, steps outermost.
    times : uint8 [batch, channels in, height, width]
    cell_times, cell_margin, winners : [batch, channels out, rows, columns]
        Of the neuron that answers for each cell; ``winners`` counts neurons of a channel by rows.
    """

    layer: PooledLayer
    operands: Operands
    present: Tensor
    times: Tensor
    cell_times: Tensor
    cell_margin: Tensor
    winners: Tensor
    statistics: Statistics

    @property
    def presence(self) -> Tensor:
        return self.present.mean((0, 2, 3))

    def on_v(self, error: Tensor, rule: NormalizedRule) -> tuple[Tensor, Tensor]:
        """Errors on V of winners, and those behind the gate summed per channel."""
        if rule.closing is not None:
            open_ = 1 - self.cell_margin.abs() * rule.closing[:, None, None]
            error = error * open_.clamp(min=0)
        return error * rule.gain[:, None, None], error.sum((0, 2, 3))

    def by_own_step(self, on_v: Tensor, t_max: int) -> Tensor:
        """Errors [t_max * batch, channels out, height, width], each in its own step."""
        height, width, channels = self.layer.geometry.outputs
        batch = len(on_v)
        spread = on_v.new_zeros(batch, channels, height * width)
        steps = torch.full_like(spread, t_max, dtype=torch.uint8)
        winners = self.winners.flatten(2)
        spread.scatter_(2, winners, on_v.flatten(2))
        own = self.cell_times.clamp(max=t_max - 1)
        steps.scatter_(2, winners, own.flatten(2))
        shape = (batch, channels, height, width)
        return torch.cat([(spread * (steps == t)).view(shape) for t in range(t_max)])

    def sum_over_samples(self, errors: Tensor) -> Tensor:
        g, weight = self.layer.geometry, self.operands.weight
        shape = (g.outputs[2], g.inputs[2], *weight.shape[:2])
        present = self.present.to(errors.dtype)
        sums = conv2d_weight(present, shape, errors, g.stride, g.padding)
        return sums.permute(2, 3, 1, 0).to(torch.float32)

    def sum_over_neurons(self, errors: Tensor, rule: NormalizedRule, t_max: int) -> Tensor:
        g = self.layer.geometry
        filters = (self.operands.weight * self.operands.step).permute(3, 2, 0, 1)
        shape = (len(errors), g.inputs[2], *g.inputs[:2])
        filters = filters.to(errors.dtype)
        sent = conv2d_input(shape, filters, errors, g.stride, g.padding).to(torch.float32)
        by_step = sent.view(t_max, -1, *sent.shape[1:])
        in_time = torch.zeros_like(by_step[0])
        for t in range(t_max):
            in_time += by_step[t] * (self.times <= t)
        if rule.wake_silent:
            in_time += by_step.sum(0) * (self.times == t_max)
        return in_time


@dataclass(frozen=True)
class TorchNormalizedPass:
    """See `rule.normalized.NormalizedPass`."""

    layers: list[TorchNormalizedLayerPass]
    t_max: int
    error_dtype: torch.dtype

    @property
    def spike_times(self) -> Tensor:
        return self.layers[-1].cell_times.flatten(1)

    @property
    def margin(self) -> Tensor:
        return self.layers[-1].cell_margin.flatten(1)

    @property
    def statistics(self) -> list[Statistics]:
        return [layer.statistics for layer in self.layers]

    @cached_property
    def presence(self) -> list[Tensor]:
        return [layer.presence for layer in self.layers]

    def send_back(
        self, error: Tensor, rules: Sequence[NormalizedRule]
    ) -> list[tuple[Tensor, Tensor]]:
        found: list[tuple[Tensor, Tensor]] = []
        error = error[:, :, None, None]
        for index in range(len(self.layers) - 1, -1, -1):
            layer, rule = self.layers[index], rules[index]
            on_v, drive = layer.on_v(error, rule)
            errors = layer.by_own_step(on_v, self.t_max).to(self.error_dtype)
            found.append((layer.sum_over_samples(errors), drive))
            if index:
                error = layer.sum_over_neurons(errors, rule, self.t_max)
        return found[::-1]


@dataclass(frozen=True)
class TorchNormalizedNetwork:
    """See `rule.normalized.NormalizedBackend`.

    Parameters
    ----------
    layers : sequence of PooledLayer
    error_dtype : torch.dtype, optional
        Of errors on their way; float32 on a CPU and bfloat16 on a GPU by default.
    """

    layers: Sequence[PooledLayer]
    error_dtype: torch.dtype | None = None

    def fire(self, times: Tensor, layers: Sequence[Operands], t_max: int) -> TorchNormalizedPass:
        times = times.permute(0, 3, 1, 2)
        error_dtype = self.error_dtype or (torch.bfloat16 if times.is_cuda else torch.float32)
        passes = []
        for layer, operands in zip(self.layers, layers, strict=True):
            passes.append(self._fire(layer, operands, times, t_max))
            times = passes[-1].cell_times
        return TorchNormalizedPass(passes, t_max, error_dtype)

    def _fire(
        self, layer: PooledLayer, operands: Operands, times: Tensor, t_max: int
    ) -> TorchNormalizedLayerPass:
        g = layer.geometry
        steps = torch.arange(t_max, device=times.device)[:, None, None, None, None]
        layout = torch.channels_last if times.is_cuda else torch.contiguous_format
        present = (times <= steps).flatten(0, 1).to(torch.float32, memory_format=layout)
        filters = operands.weight.permute(3, 2, 0, 1).to(torch.float32, memory_format=layout)
        v = conv2d(present, filters, None, g.stride, g.padding)
        excess = v - operands.threshold[:, None, None]
        by_step = excess.view(t_max, -1, *v.shape[1:])
        waits = (by_step <= 0).cumprod(0)
        fired = waits.sum(0).to(torch.uint8)
        own = fired.clamp(max=t_max - 1).to(torch.int64)
        margin = by_step.gather(0, own[None])[0]
        statistics = _statistics(v.view_as(by_step), fired, t_max)
        cells = _pool(fired, margin, layer.pool)
        return TorchNormalizedLayerPass(layer, operands, present, times, *cells, statistics)


def _statistics(v: Tensor, fired: Tensor, t_max: int) -> Statistics:
    _, batch, _, height, _ = v.shape
    every = looked_at(height)
    row = torch.arange(height, device=v.device) + torch.arange(batch, device=v.device)[:, None]
    image, height = (row % every == 0).nonzero(as_tuple=True)
    found = v.transpose(2, 3)[:, image, height].to(torch.float64)  # [t_max, rows, channels, width]
    sums = [part.mean((0, 1, 3)) for part in (found, found.square())]
    rate = (fired < t_max).to(torch.float64).mean((0, 2, 3))
    return Statistics(sums[0], sums[1], rate)


def _pool(times: Tensor, margin: Tensor, window: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Times, margins and places of the neurons that answer for the cells; see `FirstSpikePool`."""
    height, width = times.shape[2:]
    place = torch.arange(height * width, device=times.device).view(height, width)
    if window == (1, 1):
        return times, margin, place.expand_as(times)
    times, margin, place = (_windows(part, window) for part in (times, margin, place))
    earliest = times == times.amin(-1, keepdim=True)
    answering = margin.masked_fill(~earliest, -torch.inf).argmax(-1, keepdim=True)
    place = place.expand_as(times)
    return tuple(part.gather(-1, answering)[..., 0] for part in (times, margin, place))  # type: ignore[return-value]


def _windows(image: Tensor, window: tuple[int, int]) -> Tensor:
    """[..., rows, columns, cells of the window in order of rows]."""
    (height, width), (down, across) = image.shape[-2:], window
    kept = image[..., : height // down * down, : width // across * across]
    apart = kept.unflatten(-1, (-1, across)).unflatten(-3, (-1, down))
    return apart.transpose(-3, -2).flatten(-2)
