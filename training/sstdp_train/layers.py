"""Layers and the network as torch modules: spike times in, spike times out.

A layer owns its parameters and what its rule needs to know; what it computes stands in `rule`. A
new kind of layer (convolution, pooling) is another module with ``forward(times) -> times``.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from .kernels import Kernel, StackKernel
from .quantization import Grid
from .recipe import Recipe
from .rule import LayerRule, SpikeOnce, SpikeOnceStack

RATE_MOMENTUM = 0.01  # weight of one batch in a neuron's running firing rate


class DenseIF(nn.Module):
    """Fully connected IF neurons that fire at most once.

    Parameters
    ----------
    fan_in, neurons : int
    threshold : float
        Of every neuron at the start.
    rule : LayerRule
    kernel : Kernel
    homeostasis, homeostasis_rate : float
        Strength of the push, and the firing rate below which it acts; 0 for none.

    Members
    -------
    weight : float32 [fan_in, neurons]
        One row per input: the row that a spike of that input adds to the membrane potentials.
    threshold : float32 [neurons]
    firing_rate : float32 [neurons]
        Running share of training images in which each neuron fired.
    kept : bool [fan_in]
        Inputs that are not pruned; see `prune`.
    grid : Grid or None
        The integers that the forward pass runs on; None in float.
    """

    def __init__(
        self, fan_in: int, neurons: int, *, threshold: float, rule: LayerRule, kernel: Kernel,
        learn_threshold: bool = False, homeostasis: float = 0.0, homeostasis_rate: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(fan_in, neurons))
        self.threshold = nn.Parameter(
            torch.full((neurons,), float(threshold)), requires_grad=learn_threshold
        )
        self.register_buffer("firing_rate", torch.ones(neurons))
        self.register_buffer("kept", torch.ones(fan_in, dtype=torch.bool))
        self.rule, self.kernel = rule, kernel
        self.homeostasis, self.homeostasis_rate = homeostasis, homeostasis_rate
        self.grid: Grid | None = None

    @torch.no_grad()
    def prune(self) -> None:
        """Set the weights of pruned inputs to zero, where an optimizer has moved them."""
        self.weight[~self.kept] = 0

    def forward(self, times: Tensor) -> tuple[Tensor, Tensor]:
        """Spike times [batch, in] to spike times and margins [batch, out]; see `rule.SpikeOnce`."""
        *operands, rule = self.operands()
        spike_times, margin = SpikeOnce.apply(times, *operands, rule, self.kernel)
        self.observe(spike_times)
        return spike_times, margin

    def operands(self) -> tuple[Tensor, Tensor, Tensor | None, LayerRule]:
        """Weight, threshold, push and rule, as `rule.SpikeOnce` takes them."""
        weight, threshold, rule, push = self.weight, self.threshold, self.rule, None
        if self.grid:
            weight, threshold = self.grid.weights(weight), self.grid.thresholds(threshold)
            rule = replace(rule, unit=self.grid.scale)
        if self.training and self.homeostasis:
            push = self.homeostasis * (self.homeostasis_rate - self.firing_rate).clamp(min=0)
        return weight, threshold, push, rule

    @torch.no_grad()
    def observe(self, spike_times: Tensor) -> None:
        """Count the spikes of a training batch into the firing rates."""
        if self.training:
            fired = (spike_times < self.rule.t_max).to(torch.float32).mean(0)
            self.firing_rate.lerp_(fired, RATE_MOMENTUM)


class SpikingNetwork(nn.Module):
    """A stack of layers behind a flattened image.

    Parameters
    ----------
    fan_in : int
        Number of pixels.
    classes : int
    recipe : Recipe
    kernel : Kernel
        Where every layer does its sums; see `kernels.kernel_for`.
    """

    def __init__(self, fan_in: int, classes: int, recipe: Recipe, kernel: Kernel) -> None:
        super().__init__()
        sizes = (fan_in, *recipe.layers, classes)
        hidden_rule = LayerRule(
            t_max=recipe.t_max, depression=recipe.depression,
            normalize_error=recipe.normalize_error, gate=recipe.gate,
            gate_shape=recipe.gate_shape, wake_silent=recipe.wake_silent,
        )  # fmt: skip
        self.layers = nn.ModuleList()
        for index, (inputs, neurons) in enumerate(pairwise(sizes)):
            output = index == len(recipe.layers)
            self.layers.append(
                DenseIF(
                    inputs, neurons, learn_threshold=recipe.learn_thresholds,
                    threshold=recipe.output_threshold if output else recipe.hidden_threshold,
                    rule=replace(hidden_rule, gate=0.0) if output else hidden_rule,
                    kernel=kernel,
                    homeostasis=0.0 if output else recipe.homeostasis,
                    homeostasis_rate=recipe.homeostasis_rate,
                )
            )  # fmt: skip
        self.t_max, self.classes, self.kernel = recipe.t_max, classes, kernel
        self.at_once = isinstance(kernel, StackKernel)

    def forward(self, times: Tensor, until_decision: bool = False) -> tuple[list[Tensor], Tensor]:
        """Encoded images [batch, pixels] to spike times of every layer and output margins.

        With ``until_decision`` input spikes after the decision are taken away, as the accelerator's
        early exit does. By rule 6 the class is the output neuron of the largest ``V - theta`` at
        the decision: what comes later is no part of the answer, so neither should it be of the
        error. On the spikes that are left, ``V - theta`` of a neuron that has not fired is that at
        the decision.
        """
        if self.at_once:
            return self._at_once(times, until_decision)
        if until_decision:
            times = self._up_to_decision(times)
        return self._layer_by_layer(times)

    def _layer_by_layer(self, times: Tensor) -> tuple[list[Tensor], Tensor]:
        all_times = []
        for layer in self.layers:
            times, margin = layer(times)
            all_times.append(times)
        return all_times, margin

    def _at_once(self, times: Tensor, until_decision: bool) -> tuple[list[Tensor], Tensor]:
        operands, rules = [], []
        for layer in self.layers:
            *of_layer, rule = layer.operands()
            operands += of_layer
            rules.append(rule)
        *all_times, margin = SpikeOnceStack.apply(
            times, until_decision, rules, self.kernel, *operands
        )
        for layer, spike_times in zip(self.layers, all_times, strict=True):
            layer.observe(spike_times)
        return all_times, margin

    @torch.no_grad()
    def _up_to_decision(self, times: Tensor) -> Tensor:
        training = self.training
        self.eval()  # firing rates are counted once, in the pass that learns
        all_times, _ = self._layer_by_layer(times)
        self.train(training)
        last = all_times[-1].min(1, keepdim=True).values
        return times.masked_fill(times > last, self.t_max)


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
    there: with n input spikes on average, weights of mean ``drive * theta / n`` and deviation
    ``spread * theta / sqrt(n)`` end at potentials of mean ``drive * theta`` and deviation ``spread
    * theta``. For MNIST 784-400-10 this gives about N(0.04, 0.03) and N(0.02, 0.1). The idea of
    measuring on data layer by layer is that of Mishkin and Matas 2016 (arXiv:1511.06422).
    """
    for index, layer in enumerate(network.layers):
        output = index == len(network.layers) - 1
        drive = recipe.output_drive if output else recipe.hidden_drive
        spread = recipe.output_spread if output else recipe.hidden_spread
        theta = float(layer.threshold.abs().mean())
        spikes = max(float((times < recipe.t_max).sum(1).to(torch.float32).mean()), 1.0)
        noise = torch.randn(layer.weight.shape, generator=generator).to(layer.weight.device)
        layer.weight.copy_(drive * theta / spikes + noise * (spread * theta / spikes**0.5))
        layer.eval()
        times, _ = layer(times)
