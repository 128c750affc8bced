"""The ways to train that a benchmark sets beside each other; a new one is one entry in a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from benchmarks import published
from benchmarks.comparison import Gradients
from sstdp_hw.base.errors import UserError
from sstdp_train.backends.choice import backend_for
from sstdp_train.network.encoder import PIXEL_VALUES
from sstdp_train.network.layers import SpikingNetwork
from sstdp_train.recipes.recipe import PUBLISHED
from sstdp_train.training.loop import Training
from sstdp_train.training.loss import loss_of


@dataclass(frozen=True)
class Setting:
    """One network in one state, which every candidate starts from.

    Parameters
    ----------
    t_max : int
    weights : list of float32 Tensor [out, in]
    thresholds : list of float
        One per layer.
    device : torch.device
    """

    t_max: int
    weights: list[Tensor]
    thresholds: list[float]
    device: torch.device


class Contestant(Protocol):
    """One way to train, in the state it has reached."""

    def step(self, images: Tensor, labels: Tensor) -> None:
        """One whole training step on uint8 images [batch, 1, height, width]."""
        ...

    def gradients(self, times: Tensor, labels: Tensor) -> Gradients:
        """What one batch of input spike times [batch, in] gives, without an update."""
        ...


class InSteps:
    """The published formulation: a loop over time steps, dense."""

    def __init__(self, setting: Setting) -> None:
        self.t_max = setting.t_max
        weights = [weight.to(setting.device) for weight in setting.weights]
        self.network = published.PublishedNetwork(weights, setting.thresholds, setting.t_max)
        self.optimizer = torch.optim.SGD(
            self.network.parameters(),
            lr=published.LEARNING_RATE,
            weight_decay=published.WEIGHT_DECAY,
        )

    def step(self, images: Tensor, labels: Tensor) -> None:
        times = self.network(published.encode(images, self.t_max))
        loss = published.loss_of(times[-1], labels, self.t_max)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def gradients(self, times: Tensor, labels: Tensor) -> Gradients:
        self.network.zero_grad()
        every = self.network(times)
        for layer in every:
            layer.retain_grad()
        published.loss_of(every[-1], labels, self.t_max).backward()
        return Gradients(
            spike_times=[layer.detach() for layer in every],
            weights=[weight.grad for weight in self.network.weights],
            errors=[layer.grad for layer in every],
        )


class InEvents:
    """Ours, on one of its backends."""

    def __init__(self, setting: Setting, backend: str) -> None:
        hidden, output = setting.thresholds
        neurons, fan_in = setting.weights[0].shape
        classes = len(setting.weights[1])
        recipe = PUBLISHED.with_(
            layers=(neurons,), t_max=setting.t_max, target_gap=published.DELTA / setting.t_max,
            hidden_threshold=float(hidden), output_threshold=float(output),
        )  # fmt: skip
        network = SpikingNetwork(
            (1, 1, fan_in), classes, recipe, backend_for(backend, setting.device)
        )
        with torch.no_grad():
            for layer, weight in zip(network.layers, setting.weights, strict=True):
                layer.weight.copy_(weight.t())
        self.network = network.to(setting.device).train()
        pixels = torch.arange(PIXEL_VALUES, dtype=torch.uint8)[:, None]
        encoder = published.encode(pixels, setting.t_max)[:, 0].to(torch.uint8)
        nothing = torch.empty(0)
        self.training = Training(
            self.network, recipe, encoder.to(setting.device), nothing, nothing, nothing, nothing
        )

    def step(self, images: Tensor, labels: Tensor) -> None:
        times, margin = self.network(self.training.encode(images))
        loss = loss_of(self.training.recipe, times[-1], margin, labels)
        self.training.optimizer.zero_grad()
        loss.backward()
        self.training.optimizer.step()

    def gradients(self, times: Tensor, labels: Tensor) -> Gradients:
        self.network.zero_grad()
        every, margin = self.network(times)
        loss_of(self.training.recipe, every[-1], margin, labels).backward()
        return Gradients(
            spike_times=[layer.detach() for layer in every],
            weights=[layer.weight.grad.t() for layer in self.network.layers],
            errors=[],  # inside one pass on some backends; the weight gradients follow from them
        )


@dataclass(frozen=True)
class Candidate:
    """A name for the table, and how to make one. ``make`` raises UserError where it cannot run."""

    name: str
    make: Callable[[Setting], Contestant]


BASELINE = Candidate("published formulation", InSteps)
CANDIDATES = (
    BASELINE,
    Candidate("torch backend", partial(InEvents, backend="torch")),
    Candidate("native backend", partial(InEvents, backend="native")),
)


def runnable(setting: Setting) -> tuple[list[Candidate], dict[str, str]]:
    """The candidates that run here, and why the others do not."""
    able, unable = [], {}
    for candidate in CANDIDATES:
        try:
            candidate.make(setting)
            able.append(candidate)
        except UserError as error:
            unable[candidate.name] = str(error)
    return able, unable
