"""Normalized networks as torch modules: layers whose thresholds follow their potentials.

What they compute stands in `rule.normalized`. Every kind of hidden layer is here one, for a fully
connected layer is a convolution whose kernel covers its input.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sstdp_hw.base.errors import UserError

from ..recipes.architecture import PooledLayer, place, pooled_layers
from ..recipes.recipe import Recipe
from ..rule.backend import Backend
from ..rule.normalized import (
    MARGIN_LIMIT,
    FireNormalized,
    NormalizedPass,
    NormalizedRule,
    Operands,
    Statistics,
)
from .quantization import rounded_scale

# Of weights that are not quantized; in wide layers the limit of potentials leaves 8 to 10. A GPU's
# TF32 holds them exactly.
FLOAT_WIDTH = 12
MOMENTUM = 0.1  # weight of one batch in the running mean and deviation
LEAST_DEVIATION = 1e-3  # of channels that get no spikes, in units of weights of length 1

# Steps of the quantizer of 2**width levels with the least squared error on normal numbers, in
# standard deviations: J. Max, Quantizing for minimum distortion, IRE Trans. Inform. Theory 6, 1960.
# At width 1 the levels are -1 and +1 steps, so it is the mean magnitude.
NORMAL_STEPS = {
    1: 0.7979, 2: 0.9957, 3: 0.5860, 4: 0.3352, 5: 0.1881, 6: 0.1041, 7: 0.0569, 8: 0.0308,
}  # fmt: skip


def integers(weight: Tensor, step: Tensor, width: int) -> Tensor:
    """Weights in steps, within the signed range of the width."""
    scaled = weight / step
    if width == 1:
        return torch.where(scaled >= 0, 1, -1).to(torch.int16)
    low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
    return torch.round(scaled).clamp(low, high).to(torch.int16)


def _steps(weight: Tensor, width: int, axes: tuple[int, ...]) -> Tensor:
    """What one unit of the integers is worth, over these axes of ``weight``."""
    if width in NORMAL_STEPS:
        step = NORMAL_STEPS[width] * weight.square().mean(axes).sqrt()
    else:
        step = weight.abs().amax(axes) / ((1 << (width - 1)) - 1)
    return step.clamp(min=1e-12)


class NormalizedIF(nn.Module):
    """A hidden layer of IF neurons whose thresholds are levels of their potential.

    Parameters
    ----------
    layer : PooledLayer
    level : float
        Of every channel at the start, in deviations above the mean.
    width : int
        Signed width of the weights in bits.

    Members
    -------
    weight : float32 [kernel height, kernel width, channels in, channels out]
        Of Euclidean length 1 in every channel at the start; their scale means nothing.
    level : float32 [channels out]
    mean, deviation : float32 [channels out]
        Of the potential, running.
    """

    grid = None  # its integers follow from its weights alone

    def __init__(self, layer: PooledLayer, level: float, width: int) -> None:
        super().__init__()
        g = layer.geometry
        self.weight = nn.Parameter(torch.zeros(*g.kernel, *(g.inputs[2], g.outputs[2])))
        self.level = nn.Parameter(torch.full((g.outputs[2],), float(level)))
        self.register_buffer("mean", torch.zeros(g.outputs[2]))
        self.register_buffer("deviation", torch.ones(g.outputs[2]))
        self.width, self.dense = width, layer.dense

    @property
    def parameters_of_rule(self) -> tuple[Tensor, Tensor]:
        """What gradients are returned for, in the order of `FireNormalized`."""
        return self.weight, self.level

    @property
    def threshold(self) -> Tensor:
        """In units of the weights, float32 [channels out]."""
        return self.mean + self.level * self.deviation

    @torch.no_grad()
    def operands(self) -> Operands:
        """The layer in integers; no sum of its weights is beyond `MARGIN_LIMIT`."""
        weight, axes = self.weight, (0, 1, 2)
        reach = torch.maximum(weight.clamp(min=0).sum(axes), -weight.clamp(max=0).sum(axes))
        room = MARGIN_LIMIT - 0.5 * weight[..., 0].numel()
        step = torch.maximum(_steps(weight, self.width, axes), reach / room)
        threshold = torch.floor(self.threshold / step).clamp(-MARGIN_LIMIT - 1, MARGIN_LIMIT)
        return Operands(integers(weight, step, self.width), threshold.to(torch.int32), step)

    @torch.no_grad()
    def rule(self, step: Tensor, recipe: Recipe) -> NormalizedRule:
        reach = recipe.gate * self.deviation
        return NormalizedRule(
            closing=step / reach if recipe.gate else None,
            gain=1 / (reach if recipe.gate else self.deviation),
            wake_silent=recipe.wake_silent, centered=recipe.centering,
            rate_penalty=recipe.rate_penalty, rate_target=recipe.rate_target,
        )  # fmt: skip

    @torch.no_grad()
    def observe(self, found: Statistics, step: Tensor, momentum: float = MOMENTUM) -> None:
        """Let the running numbers follow those of a batch; with momentum 1 take them."""
        mean = found.mean * step
        deviation = (found.square - found.mean.square()).clamp(min=0).sqrt() * step
        least = LEAST_DEVIATION * self.weight.square().sum((0, 1, 2)).sqrt()
        self.mean.lerp_(mean.to(torch.float32), momentum)
        self.deviation.lerp_(torch.maximum(deviation.to(torch.float32), least), momentum)


class PotentialOutput(nn.Module):
    """The output layer: its potentials at the last step are the answer.

    Trained with thresholds out of reach, so that the decision is always by the largest
    ``V - theta`` at the last step.

    Members
    -------
    weight : float32 [kernel height, kernel width, channels in, classes]
    threshold : float32 [classes]
        Relative to a common one that is out of reach.
    """

    grid = None

    def __init__(self, layer: PooledLayer, width: int) -> None:
        super().__init__()
        g = layer.geometry
        self.weight = nn.Parameter(torch.zeros(*g.kernel, *(g.inputs[2], g.outputs[2])))
        self.threshold = nn.Parameter(torch.zeros(g.outputs[2]))
        self.width, self.dense = width, layer.dense

    @property
    def parameters_of_rule(self) -> tuple[Tensor, Tensor]:
        """See `NormalizedIF`."""
        return self.weight, self.threshold

    @torch.no_grad()
    def operands(self) -> Operands:
        """The layer in integers, one step for all classes, and thresholds just out of reach."""
        step = float(_steps(self.weight, self.width, (0, 1, 2, 3)))
        step = rounded_scale(step, self.width)
        whole = integers(self.weight, torch.tensor(step, device=self.weight.device), self.width)
        reach = whole.clamp(min=0).sum((0, 1, 2), dtype=torch.int32)
        threshold = torch.floor(self.threshold / step).to(torch.int32)
        threshold += (reach - threshold).max()
        return Operands(whole, threshold, torch.full_like(self.threshold, step))

    @torch.no_grad()
    def rule(self, step: Tensor, recipe: Recipe) -> NormalizedRule:
        return NormalizedRule(None, torch.ones_like(step), recipe.wake_silent)

    def observe(self, found: Statistics, step: Tensor, momentum: float = MOMENTUM) -> None:
        """Nothing follows anything here."""


class NormalizedNetwork(nn.Module):
    """All layers behind a flattened image; see `network.layers.SpikingNetwork`.

    Raises
    ------
    UserError
        If a layer does not fit what comes before it, or the network cannot be normalized.
    """

    def __init__(
        self, input_shape: tuple[int, ...], classes: int, recipe: Recipe, backend: Backend
    ) -> None:
        super().__init__()
        placed = place(recipe.layers, input_shape, classes)
        layers = pooled_layers(placed)
        if layers is None or not placed[0].spec.weighted or layers[0].dense:
            raise UserError(
                "--normalization potential must have a network that begins with a convolution, "
                f"and pools behind convolutions only, once, not {list(recipe.layers)}"
            )
        self.placed, self.input_shape, self.recipe = layers, input_shape, recipe
        self.t_max, self.classes, self.backend = recipe.t_max, classes, backend
        self.passes = backend.normalized_network(layers)
        widths = recipe.weight_widths or (FLOAT_WIDTH,) * len(layers)
        self.layers = nn.ModuleList(
            NormalizedIF(layer, recipe.level, width)
            for layer, width in zip(layers[:-1], widths[:-1], strict=True)
        )
        self.layers.append(PotentialOutput(layers[-1], widths[-1]))
        self.last: list[Statistics] = []

    def forward(self, times: Tensor, until_decision: bool = False) -> tuple[list[Tensor], Tensor]:
        """Encoded images uint8 [batch, inputs] to spike times of the output layer, and margins.

        There is no decision before the last step, so ``until_decision`` changes nothing.
        """
        operands = [layer.operands() for layer in self.layers]
        rules = [
            layer.rule(of_layer.step, self.recipe)
            for layer, of_layer in zip(self.layers, operands, strict=True)
        ]
        parameters = [entry for layer in self.layers for entry in layer.parameters_of_rule]

        def keep(pass_: NormalizedPass) -> None:
            if self.training:
                self._observe(pass_.statistics, operands)

        spike_times, margin = FireNormalized.apply(
            self._images(times), self.passes, self.t_max, rules, operands, keep, *parameters
        )
        return [spike_times], margin

    def _images(self, times: Tensor) -> Tensor:
        return times.view(-1, *self.input_shape).permute(0, 2, 3, 1).contiguous()

    def _observe(self, found: list[Statistics], operands: list[Operands]) -> None:
        self.last = found
        for layer, of_layer, taken in zip(self.layers, found, operands, strict=True):
            layer.observe(of_layer, taken.step)

    def firing(self, _: list[Tensor]) -> list[Tensor]:
        """Share of neurons that fired, for every layer, in the last batch of training."""
        return [of_layer.rate.mean().to(torch.float32) for of_layer in self.last]

    @torch.no_grad()
    def measure(self, times: Tensor) -> None:
        """Take mean and deviation of every layer from these encoded images.

        A layer's numbers are right once those before it are, so this goes through all of them.
        """
        images = self._images(times)
        for index in range(len(self.layers) - 1):
            operands = [layer.operands() for layer in self.layers]
            found = self.passes.fire(images, operands, self.t_max).statistics[index]
            self.layers[index].observe(found, operands[index].step, 1.0)

    @torch.no_grad()
    def initialize(self, times: Tensor, generator: torch.Generator) -> None:
        """Draw normal weights and measure what they do on encoded training images [N, inputs]."""
        for layer in self.layers[:-1]:
            drawn = torch.randn(layer.weight.shape, generator=generator).to(layer.weight.device)
            layer.weight.copy_(drawn / drawn.square().sum((0, 1, 2)).sqrt())
        self.measure(times)
        last = self.layers[-1]
        drawn = torch.randn(last.weight.shape, generator=generator).to(last.weight.device)
        last.weight.copy_(drawn / math.sqrt(drawn[..., 0].numel()))

    @torch.no_grad()
    def load(self, weights: Sequence[tuple[Tensor, Tensor]], times: Tensor) -> None:
        """Start from weights [kernel height, kernel width, in, out] and thresholds [out].

        Levels are what the thresholds are on these encoded training images.
        """
        for layer, (weight, _) in zip(self.layers, weights, strict=True):
            layer.weight.copy_(weight)
        lengths = [layer.weight.square().sum((0, 1, 2)).sqrt() for layer in self.layers[:-1]]
        for index, length in enumerate(lengths):
            layer, threshold = self.layers[index], weights[index][1] / length
            layer.weight.div_(length)
            operands = [entry.operands() for entry in self.layers]
            found = self.passes.fire(self._images(times), operands, self.t_max).statistics[index]
            layer.observe(found, operands[index].step, 1.0)
            layer.level.copy_((threshold - layer.mean) / layer.deviation)
        last = weights[-1][1]
        self.layers[-1].threshold.copy_(last - last.max())


def to_file(
    layer: NormalizedIF | PotentialOutput, quantized: bool
) -> tuple[Tensor, Tensor, int, float | None]:
    """Weight, threshold, width and scale of a layer for the float network file.

    Where weights are not quantized, integers times a power of two near the step of each channel:
    the same network, exactly, with channels of like size. Quantized ones keep the integers; only
    the output layer has a scale, for `NormalizedNetwork.load` to find the size of its potentials.
    """
    operands = layer.operands()
    steps = operands.step.to(torch.float64)
    width, scale = layer.width, 1.0
    if quantized and isinstance(layer, NormalizedIF):
        steps = torch.ones_like(steps)
    elif quantized:
        scale = float(steps[0])
    else:
        steps = torch.exp2(torch.round(torch.log2(steps)))
    weight, threshold = (
        (part.to(torch.float64) * steps).to(torch.float32)
        for part in (operands.weight, operands.threshold)
    )
    return weight, threshold, *((width, scale) if quantized else (0, None))
