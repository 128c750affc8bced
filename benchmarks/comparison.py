"""Whether two formulations compute the same: equal spike times, gradients equal up to round-off."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from benchmarks import published

ROUND_OFF = 2.0**-24  # of one float32 operation
OF_NORMALIZING = 16  # operations at most on an error besides sums: loss, length, products
WEIGHTS = (-6, 10)  # integers from the first to below the second, drawn alike
SILENT_SHARE = 0.3


@dataclass(frozen=True)
class Gradients:
    """What one batch gives in one network.

    Members
    -------
    spike_times : list of Tensor [batch, neurons]
        Of every layer.
    weights : list of Tensor [out, in]
        Weight gradients.
    errors : list of Tensor [batch, neurons]
        Errors as they arrive at every layer, before they are scaled to length 1. Only those of the
        formulation that is expected are needed, for the bounds of round-off; else empty.
    """

    spike_times: list[Tensor]
    weights: list[Tensor]
    errors: list[Tensor]


@dataclass(frozen=True)
class LayerComparison:
    """One layer of one candidate beside the published formulation.

    Members
    -------
    spikes_that_differ : int
    firing : float
        Share of the neurons that fire.
    difference, largest : float
        Largest difference of two gradients, and the largest gradient.
    bound : float
        What round-off explains of the difference.
    """

    spikes_that_differ: int
    firing: float
    difference: float
    largest: float
    bound: float

    @property
    def relative(self) -> float:
        """The difference as a share of the largest gradient."""
        return self.difference / max(self.largest, 1e-30)

    @property
    def agrees(self) -> bool:
        return not self.spikes_that_differ and self.difference <= self.bound


@dataclass(frozen=True)
class Comparison:
    """All layers of one candidate."""

    name: str
    layers: list[LayerComparison]

    @property
    def agrees(self) -> bool:
        return all(layer.agrees for layer in self.layers)

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "agrees": self.agrees,
            "layers": [
                {**dataclasses.asdict(layer), "relative": layer.relative} for layer in self.layers
            ],
        }


def mixed_network(
    times: Tensor, sizes: Sequence[int], t_max: int, generator: torch.Generator
) -> tuple[list[Tensor], list[float]]:
    """Integer weights [out, in] and a threshold per layer, for input spike times [batch, in].

    Sums of integers are exact in float32 in whatever order, so no potential can land on the wrong
    side of a threshold by round-off. Weights have both signs, and thresholds leave about a third of
    the neurons silent at the end: spikes spread over the steps, and every case of the rule occurs.
    """
    weights, thresholds = [], []
    for fan_in, neurons in pairwise(sizes):
        weight = torch.randint(*WEIGHTS, (neurons, fan_in), generator=generator)
        weight = weight.to(torch.float32)
        final = (times < t_max).to(torch.float32) @ weight.t()
        # Below 0 every neuron would fire in step 0, before any input.
        threshold = float(final.quantile(SILENT_SHARE).floor().clamp(min=0))
        times = published.simulate(times, weight, threshold, t_max)
        weights.append(weight)
        thresholds.append(threshold)
    return weights, thresholds


def compare(
    name: str, found: Gradients, expected: Gradients, weights: Sequence[Tensor], t_max: int
) -> Comparison:
    """Layer by layer; ``weights`` are those that ``expected`` was computed with."""
    layers = zip(
        found.spike_times, expected.spike_times, found.weights, expected.weights,
        round_off_bounds(expected, weights), strict=True,
    )  # fmt: skip
    return Comparison(
        name,
        [
            LayerComparison(
                spikes_that_differ=int((own != theirs).sum()),
                firing=float((theirs < t_max).to(torch.float32).mean()),
                difference=float((gradient - wanted).abs().max()),
                largest=float(wanted.abs().max()),
                bound=bound,
            )
            for own, theirs, gradient, wanted, bound in layers
        ],
    )


def round_off_bounds(gradients: Gradients, weights: Sequence[Tensor]) -> list[float]:
    """How far apart two float32 computations of each layer's weight gradients can be.

    A sum of n numbers is off by at most n * 2**-24 times the sum of their magnitudes, in whatever
    order it is made. A weight gradient is a mean over the batch; the error of a hidden neuron is a
    sum over the next layer, whose terms may cancel, divided by a length that is off as well. So
    with unit errors ``e`` and, per neuron, the magnitude ``m`` of what was summed up to it,

        m[i] = sum over j of m[j] * abs(w[j, i]) * [t[i] <= t[j]] / length
        m = abs(e) at the output
        bound = 2 * n * 2**-24 * max over i of mean over the batch of (m[i] + abs(e[i]) * norm(m))

    where n counts the additions on the way from the loss, and 2 stands for the two computations.
    """
    bounds: list[float] = []
    additions = OF_NORMALIZING
    magnitude: Tensor | None = None
    for layer in reversed(range(len(weights))):
        error = gradients.errors[layer].to(torch.float64)
        length = error.norm(dim=1, keepdim=True).clamp(min=1e-30)
        unit = error.abs() / length
        if magnitude is None:
            magnitude = unit
        else:
            before = gradients.spike_times[layer][:, None, :]
            after = gradients.spike_times[layer + 1][:, :, None]
            reached = weights[layer + 1].to(magnitude).abs() * (before <= after)
            magnitude = (magnitude[:, None, :] @ reached)[:, 0] / length
            additions += len(weights[layer + 1]) + OF_NORMALIZING
        terms = magnitude + unit * magnitude.norm(dim=1, keepdim=True)
        per_gradient = float(terms.mean(0).max())
        bounds.insert(0, 2 * (additions + len(error)) * ROUND_OFF * per_gradient)
    return bounds
