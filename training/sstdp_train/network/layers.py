"""Layers and the network as torch modules: spike times in, spike times out.

A layer owns its parameters and what its rule needs to know; what it computes stands in `rule`.
Between the layers stand pooling and changes of shape, ``forward(times) -> times``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from sstdp_hw.network.layers import Conv2d, Dense, Pool2d

from ..recipes.architecture import Geometry, Placed, PoolSpec, place, pooled_layers
from ..recipes.recipe import Recipe
from ..rule.backend import Backend, LayerBackend
from ..rule.layer_rule import LayerRule
from ..rule.spike_once import SpikeOnce, SpikeOnceNetwork
from .quantization import Grid

RATE_MOMENTUM = 0.01  # weight of one batch in a neuron's running firing rate


class IFLayer(nn.Module):
    """IF neurons that fire at most once: a fully connected layer or a convolution.

    Parameters
    ----------
    weight_shape : tuple of int
        ``(fan_in, neurons)``, for a convolution ``(kernel height, kernel width, channels in,
        channels out)``; what follows calls its output channels neurons.
    threshold : float
        Of every neuron at the start.
    rule : LayerRule
    backend : LayerBackend
    homeostasis, homeostasis_rate : float
        Strength of the push, and the firing rate below which it acts; 0 for none.

    Members
    -------
    weight : float32 [*weight_shape]
        In rows along the last axis: what a spike adds to membrane potentials.
    threshold : float32 [neurons]
    firing_rate : float32 [neurons]
        Running share of training images in which each neuron fired; of images and positions in a
        convolution. Kept for homeostasis alone.
    grid : Grid or None
        The integers that the forward pass runs on; None in float.
    """

    def __init__(
        self, weight_shape: tuple[int, ...], *, threshold: float, rule: LayerRule,
        backend: LayerBackend, learn_threshold: bool = False, homeostasis: float = 0.0,
        homeostasis_rate: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        neurons = weight_shape[-1]
        self.weight = nn.Parameter(torch.zeros(weight_shape))
        self.threshold = nn.Parameter(
            torch.full((neurons,), float(threshold)), requires_grad=learn_threshold
        )
        self.register_buffer("firing_rate", torch.ones(neurons))
        self.rule, self.backend = rule, backend
        self.homeostasis, self.homeostasis_rate = homeostasis, homeostasis_rate
        self.grid: Grid | None = None

    def forward(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """Spike times [batch, in] to spike times and margins [batch, out]; see `SpikeOnce`."""
        *operands, rule = self.operands()
        spike_times, margin = SpikeOnce.apply(times, *operands, rule, self.backend)
        self.observe(spike_times)
        return spike_times, margin

    def operands(self) -> tuple[Tensor, Tensor, Tensor | None, LayerRule]:
        """Weight, threshold, push and rule, as `SpikeOnce` takes them."""
        weight, threshold, rule, push = self.rows().contiguous(), self.threshold, self.rule, None
        if self.grid:
            weight, threshold = self.grid.weights(weight), self.grid.thresholds(threshold)
            rule = replace(rule, unit=self.grid.scale)
        if self.training and self.homeostasis:
            push = self.homeostasis * (self.homeostasis_rate - self.firing_rate).clamp(min=0)
        return weight, threshold, push, rule

    def rows(self) -> Tensor:
        """The weights as the rule takes them, ``weight_shape``; layers may keep them otherwise."""
        return self.weight

    @torch.no_grad()
    def draw(self, times: Tensor, drive: float, spread: float, generator: Any = None) -> None:
        """Draw normal weights for the spikes in ``times``; see `initialize`."""
        self.draw_for(max(self.mean_fan_in(times), 1.0), drive, spread, generator)

    @torch.no_grad()
    def draw_for(self, spikes: float, drive: float, spread: float, generator: Any = None) -> None:
        """Draw normal weights for so many input spikes of a neuron."""
        theta, rows = float(self.threshold.abs().mean()), self.rows()
        noise = torch.randn(rows.shape, generator=generator).to(rows.device)
        rows.copy_(drive * theta / spikes + noise * (spread * theta / spikes**0.5))

    @torch.no_grad()
    def observe(self, spike_times: Tensor) -> None:
        """Count the spikes of a training batch into the firing rates, if anything looks at them."""
        if self.training and self.homeostasis:
            fired = (spike_times < self.rule.t_max).flatten(0, -2)
            self.firing_rate.lerp_(fired.to(torch.float32).mean(0), RATE_MOMENTUM)

    @torch.no_grad()
    def mean_fan_in(self, times: Tensor) -> float:
        """Spikes among the inputs of a neuron, on average over images (and positions)."""
        raise NotImplementedError


class DenseIF(IFLayer):
    """Fully connected IF neurons; see `IFLayer`.

    Members
    -------
    kept : bool [fan_in]
        Inputs that are not pruned; see `prune`.
    """

    def __init__(self, fan_in: int, neurons: int, *, backend: Backend, **settings: Any) -> None:
        super().__init__((fan_in, neurons), backend=backend.dense_layer(), **settings)
        self.register_buffer("kept", torch.ones(fan_in, dtype=torch.bool))

    @classmethod
    def of(cls, layer: Placed, **settings: Any) -> DenseIF:
        return cls(math.prod(layer.inputs), math.prod(layer.outputs), **settings)

    @torch.no_grad()
    def prune(self) -> None:
        """Set the weights of pruned inputs to zero, where an optimizer has moved them."""
        self.weight[~self.kept] = 0

    @torch.no_grad()
    def mean_fan_in(self, times: Tensor) -> float:
        return dense_fan_in(times, self.rule.t_max)


class ConvIF(IFLayer):
    """IF neurons with shared weights; see `IFLayer`.

    Times are [batch, height, width, channels].
    """

    def __init__(self, geometry: Geometry, *, backend: Backend, **settings: Any) -> None:
        shape = (*geometry.kernel, geometry.inputs[2], geometry.outputs[2])
        super().__init__(shape, backend=backend.conv_layer(geometry), **settings)
        self.geometry = geometry

    @classmethod
    def of(cls, layer: Placed, **settings: Any) -> ConvIF:
        return cls(layer.geometry, **settings)

    @torch.no_grad()
    def mean_fan_in(self, times: Tensor) -> float:
        return conv_fan_in(times, self.rule.t_max, self.geometry)


def dense_fan_in(times: Tensor, t_max: int) -> float:
    """`IFLayer.mean_fan_in` of fully connected neurons."""
    return float((times < t_max).sum(1).to(torch.float32).mean())


def conv_fan_in(times: Tensor, t_max: int, geometry: Geometry) -> float:
    """`IFLayer.mean_fan_in` of a convolution, over the positions that any spike reaches, for most
    of an image may be dark."""
    spikes = (times < t_max).sum(3).to(torch.float32)[:, None]
    window = torch.ones(1, 1, *geometry.kernel, device=times.device)
    reaching = conv2d(spikes, window, None, geometry.stride, geometry.padding)
    return float(reaching.sum() / (reaching > 0).sum().clamp(min=1))


class FirstSpikePool(nn.Module):
    """The earliest spike of every window, windows side by side; [batch, height, width, channels].

    The error goes to the neuron that fired first. Among equally early ones it is that of the
    largest ``V - theta``, as in rule 6, and then the first by row and column; in a silent window
    likewise, which is the neuron closest to firing. So each pooled cell has one neuron that answers
    for it.
    """

    def __init__(self, kernel: tuple[int, int]) -> None:
        super().__init__()
        self.kernel = kernel

    @classmethod
    def of(cls, layer: Placed) -> FirstSpikePool:
        assert isinstance(layer.spec, PoolSpec)
        return cls(layer.spec.kernel)

    def forward(self, times: Tensor, margin: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Pooled times, and the margins of the neurons that answer; pixels have none."""
        times = self._windows(times)
        earliest = times == times.detach().amin(-1, keepdim=True)
        if margin is None:
            answering = earliest.to(torch.uint8).argmax(-1, keepdim=True)
            return times.gather(-1, answering)[..., 0], None
        margin = self._windows(margin.detach())
        answering = margin.masked_fill(~earliest, -torch.inf).argmax(-1, keepdim=True)
        return times.gather(-1, answering)[..., 0], margin.gather(-1, answering)[..., 0]

    def _windows(self, cells: Tensor) -> Tensor:
        """[batch, pooled height, pooled width, channels, cells of the window in order of rows]."""
        (height, width), (down, across) = cells.shape[1:3], self.kernel
        rows, columns = height // down, width // across
        kept = cells[:, : rows * down, : columns * across]
        apart = kept.unflatten(1, (rows, down)).unflatten(3, (columns, across))
        return apart.permute(0, 1, 3, 5, 2, 4).flatten(4)


# The module of every kind of layer: IF neurons for those with weights, a step of `Between` for the
# others.
MODULES: dict[str, Callable[..., nn.Module]] = {
    Dense.kind: DenseIF.of, Conv2d.kind: ConvIF.of, Pool2d.kind: FirstSpikePool.of,
}  # fmt: skip


class ToChannelsLast(nn.Module):
    """Pixels [batch, channels * height * width] in C order to [batch, height, width, channels]."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, times: Tensor, _: Tensor | None) -> tuple[Tensor, None]:
        return times.view(-1, *self.shape).permute(0, 2, 3, 1), None


class ToIndex(nn.Module):
    """[batch, height, width, channels] to one index in C order of channels, rows, columns."""

    def forward(self, times: Tensor, _: Tensor | None) -> tuple[Tensor, None]:
        return times.permute(0, 3, 1, 2).flatten(1), None


class Between(nn.ModuleList):
    """What brings spike times from one layer to the next: pooling, changes of shape."""

    def forward(self, times: Tensor, margin: Tensor | None = None) -> Tensor:
        for step in self:
            times, margin = step(times, margin)
        return times


class SpikingNetwork(nn.Module):
    """All layers behind a flattened image.

    Parameters
    ----------
    input_shape : (channels, height, width)
    classes : int
    recipe : Recipe
    backend : Backend
        Where every layer does its sums; see `backends.choice.backend_for`.

    Members
    -------
    layers : ModuleList of IFLayer
    before : ModuleList of Between
        What comes before each of them.
    in_one_pass : NetworkBackend or None
        A shortcut with the results of layer by layer, if the backend has one.

    Raises
    ------
    UserError
        If a layer does not fit what comes before it.
    """

    def __init__(
        self, input_shape: tuple[int, ...], classes: int, recipe: Recipe, backend: Backend
    ) -> None:
        super().__init__()
        hidden_rule = LayerRule(
            t_max=recipe.t_max, depression=recipe.depression,
            normalize_error=recipe.normalize_error, gate=recipe.gate,
            gate_shape=recipe.gate_shape, wake_silent=recipe.wake_silent,
        )  # fmt: skip
        self.layers, self.before = nn.ModuleList(), nn.ModuleList()
        between: list[nn.Module] = []
        as_image = False
        placed = place(recipe.layers, input_shape, classes)
        for layer in placed:
            output = layer is placed[-1]
            dense = layer.spec.dense
            if dense and as_image:
                between.append(ToIndex())
            elif not dense and not as_image:
                between.append(ToChannelsLast(layer.inputs))
            as_image = not dense
            if not layer.spec.weighted:
                between.append(MODULES[layer.spec.kind](layer))
                continue
            settings = {
                "learn_threshold": recipe.learn_thresholds,
                "threshold": recipe.output_threshold if output else recipe.hidden_threshold,
                "rule": replace(hidden_rule, gate=0.0) if output else hidden_rule,
                "backend": backend,
                "homeostasis": 0.0 if output else recipe.homeostasis,
                "homeostasis_rate": recipe.homeostasis_rate,
            }
            self.layers.append(MODULES[layer.spec.kind](layer, **settings))
            self.before.append(Between(between))
            between = []
        self.t_max, self.classes, self.backend = recipe.t_max, classes, backend
        layers = pooled_layers(placed)
        self.in_one_pass = None if layers is None else backend.network(layers)

    def forward(self, times: Tensor, until_decision: bool = False) -> tuple[list[Tensor], Tensor]:
        """Encoded images [batch, pixels] to spike times of every layer and output margins.

        With ``until_decision`` input spikes after the decision are taken away, as the accelerator's
        early exit does. By rule 6 the class is the output neuron of the largest ``V - theta`` at
        the decision: what comes later is no part of the answer, so neither should it be of the
        error. On the spikes that are left, ``V - theta`` of a neuron that has not fired is that at
        the decision.
        """
        if self.in_one_pass is not None:
            return self._at_once(times, until_decision)
        if until_decision:
            times = self._up_to_decision(times)
        return self._layer_by_layer(times)

    def _layer_by_layer(self, times: Tensor) -> tuple[list[Tensor], Tensor]:
        all_times, margin = [], None
        for before, layer in zip(self.before, self.layers, strict=True):
            times, margin = layer(before(times, margin))
            all_times.append(times)
        assert margin is not None, "there is an output layer"
        return all_times, margin

    def _at_once(self, times: Tensor, until_decision: bool) -> tuple[list[Tensor], Tensor]:
        operands, rules = [], []
        for layer in self.layers:
            *of_layer, rule = layer.operands()
            operands += of_layer
            rules.append(rule)
        *all_times, margin = SpikeOnceNetwork.apply(
            self.before[0](times), until_decision, rules, self.in_one_pass, *operands
        )
        for layer, spike_times in zip(self.layers, all_times, strict=True):
            layer.observe(spike_times)
        return all_times, margin

    @torch.no_grad()
    def firing(self, all_times: list[Tensor]) -> list[Tensor]:
        """Share of neurons that fired, for every layer, of what `forward` returned."""
        return [(times < self.t_max).to(torch.float32).mean() for times in all_times]

    @torch.no_grad()
    def _up_to_decision(self, times: Tensor) -> Tensor:
        training = self.training
        self.eval()  # firing rates are counted once, in the pass that learns
        all_times, _ = self._layer_by_layer(times)
        self.train(training)
        return up_to_decision(times, all_times[-1], self.t_max)


def up_to_decision(times: Tensor, output_times: Tensor, t_max: int) -> Tensor:
    """Input spike times [batch, ...] without those after the first spike [batch, classes]."""
    last = output_times.min(1).values.view(-1, *[1] * (times.dim() - 1))
    return times.masked_fill(times > last, t_max)


def decide(times: Tensor, margin: Tensor, t_max: int) -> tuple[Tensor, Tensor]:
    """Classes and decision times by design rule 6, from the output layer's times and margins."""
    decision = times.min(1).values
    candidates = (times == decision[:, None]) | (decision == t_max)[:, None]
    classes = torch.where(candidates, margin, -torch.inf).argmax(1)  # argmax: first of equal ones
    return classes, decision


@torch.no_grad()
def initialize(
    network: SpikingNetwork, times: Tensor, recipe: Recipe, generator: torch.Generator
) -> None:
    """Draw normal weights so that potentials end where the recipe wants them.

    Layer by layer, with the spikes that ``times`` (encoded training images [N, pixels]) cause
    there: with n input spikes of a neuron on average, weights of mean ``drive * theta / n`` and
    deviation ``spread * theta / sqrt(n)`` end at potentials of mean ``drive * theta`` and deviation
    ``spread * theta``. For MNIST 784-400-10 this gives about N(0.04, 0.03) and N(0.02, 0.1). The
    idea of measuring on data layer by layer is that of Mishkin and Matas 2016 (arXiv:1511.06422).
    """
    margin: Tensor | None = None
    for index, layer in enumerate(network.layers):
        output = index == len(network.layers) - 1
        drive = recipe.output_drive if output else recipe.hidden_drive
        spread = recipe.output_spread if output else recipe.hidden_spread
        times = network.before[index](times, margin)
        layer.draw(times, drive, spread, generator)
        layer.eval()
        times, margin = layer(times)
