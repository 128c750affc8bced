"""How fast a training step of a network with convolutions is beside the published formulation.

    python -m benchmarks.conv_speed                          # T = 16 and 8, one thread
    python -m benchmarks.conv_speed --steps 255 --rounds 1 --turn 1
    python -m benchmarks.conv_speed --quick --images synthetic

As `benchmarks.training_speed`, with conv16k5-pool2-conv32k5-pool2-10 instead of 784-400-10: the
published rule carried over to shared weights (`published_conv`) against this project's backends, on
the same batches with the published settings. Before anything is timed, spike times and gradients of
one batch are compared on integer weights; if they differ by more than round-off, the exit status is
1.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks import published, published_conv, training_speed
from benchmarks.batches import Batches, load_batches
from benchmarks.candidates import Candidate, Setting
from benchmarks.comparison import SILENT_SHARE, WEIGHTS
from benchmarks.outcome import carried_out
from benchmarks.training_speed import Speed, contest
from sstdp_hw import __version__
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.tables import number, show, table
from sstdp_train.backends.choice import backend_for
from sstdp_train.network.encoder import PIXEL_VALUES
from sstdp_train.network.layers import SpikingNetwork
from sstdp_train.recipes.recipe import PUBLISHED
from sstdp_train.training.loop import Training
from sstdp_train.training.loss import loss_of

LAYERS = ("conv16k5", "pool2", "conv32k5", "pool2")
SHAPES = ((16, 1, 5, 5), (32, 16, 5, 5), (10, 512))
IMAGE = (1, 28, 28)
AGREE = 1e-4  # of the largest gradient: float32 sums of up to 64 * 576 errors in another order
LEARNING_RATE = 1e-3  # so small that the network stays as it is while it is timed
MEASURED_SETTINGS = ("batch_size", "threads", "clock", "seed", "rounds", "turn")


def mixed_network(times: Tensor, t_max: int, generator: torch.Generator) -> Setting:
    """Integer weights and thresholds such that about a third of the neurons stay silent."""
    weights, thresholds = [], []
    for shape in SHAPES:
        weight = torch.randint(*WEIGHTS, shape, generator=generator).to(torch.float32)
        spikes = (times < t_max).to(torch.float32)
        if len(shape) == 4:
            final = torch.nn.functional.conv2d(spikes, weight)
        else:
            times, final = times.flatten(1), spikes.flatten(1) @ weight.t()
        reached = final[final != 0][:1_000_000]
        threshold = float(reached.quantile(SILENT_SHARE).floor().clamp(min=0))
        simulate = published_conv.simulate if len(shape) == 4 else published.simulate
        times = simulate(times, weight, threshold, t_max)
        if len(shape) == 4:
            times = -torch.nn.functional.max_pool2d(-times, 2)
        weights.append(weight)
        thresholds.append(threshold)
    return Setting(t_max, weights, thresholds, torch.device("cpu"))


class InSteps:
    """The published formulation."""

    def __init__(self, setting: Setting, margins: bool = False) -> None:
        self.t_max = setting.t_max
        self.network = published_conv.PublishedConvNetwork(
            setting.weights, setting.thresholds, setting.t_max, margins
        )
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=LEARNING_RATE)

    def step(self, images: Tensor, labels: Tensor) -> None:
        self._loss(images, labels)
        self.optimizer.step()

    def gradients(self, images: Tensor, labels: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Spike times of every layer, and weight gradients as the network file has them."""
        every = self._loss(images, labels)
        return every, [weight.grad for weight in self.network.weights]

    def _loss(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        every = self.network(published.encode(images, self.t_max).view(-1, *IMAGE))
        self.optimizer.zero_grad()
        published.loss_of(every[-1], labels, self.t_max).backward()
        return [layer.detach() for layer in every]


class InEvents:
    """Ours, on one of its backends."""

    def __init__(self, setting: Setting, backend: str) -> None:
        hidden, other, output = setting.thresholds
        recipe = PUBLISHED.with_(
            layers=LAYERS, t_max=setting.t_max, target_gap=published.DELTA / setting.t_max,
            hidden_threshold=hidden, output_threshold=output, learning_rate=LEARNING_RATE,
            weight_decay=0.0,
        )  # fmt: skip
        self.network = SpikingNetwork(
            IMAGE, 10, recipe, backend_for(backend, setting.device)
        ).train()
        with torch.no_grad():
            for layer, weight in zip(self.network.layers, setting.weights, strict=True):
                axes = (2, 3, 1, 0) if weight.dim() == 4 else (1, 0)
                layer.weight.copy_(weight.permute(axes))
            self.network.layers[1].threshold.fill_(other)
        pixels = torch.arange(PIXEL_VALUES, dtype=torch.uint8)[:, None]
        encoder = published.encode(pixels, setting.t_max)[:, 0].to(torch.uint8)
        nothing = torch.empty(0)
        self.training = Training(self.network, recipe, encoder, nothing, nothing, nothing, nothing)

    def step(self, images: Tensor, labels: Tensor) -> None:
        self._loss(images, labels)
        self.training.optimizer.step()

    def gradients(self, images: Tensor, labels: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        every = self._loss(images, labels)
        gradients = [
            layer.weight.grad.permute((3, 2, 0, 1) if layer.weight.dim() == 4 else (1, 0))
            for layer in self.network.layers
        ]
        times = [one.movedim(-1, 1) if one.dim() == 4 else one for one in every]
        return [one.to(torch.float32) for one in times], gradients

    def _loss(self, images: Tensor, labels: Tensor) -> list[Tensor]:
        times, margin = self.network(self.training.encode(images))
        self.training.optimizer.zero_grad()
        loss_of(self.training.recipe, times[-1], margin, labels).backward()
        return [layer.detach() for layer in times]


Maker = Callable[[Setting], Any]
CANDIDATES: dict[str, Maker] = {
    "published formulation": InSteps,
    "torch backend": partial(InEvents, backend="torch"),
    "native backend": partial(InEvents, backend="native"),
}


@dataclass(frozen=True)
class Agreement:
    """One candidate beside the published formulation.

    Members
    -------
    spikes_that_differ : int
    relative : float
        Largest difference of two weight gradients, as a share of the layer's largest gradient.
    firing : list of float
        Share of each layer's neurons that fire.
    """

    name: str
    spikes_that_differ: int
    relative: float
    firing: list[float]

    @property
    def agrees(self) -> bool:
        return not self.spikes_that_differ and self.relative < AGREE


def check(
    setting: Setting, candidates: dict[str, Maker], batch: tuple[Tensor, Tensor]
) -> list[Agreement]:
    """Compare spike times and gradients of one batch."""
    _, *others = candidates
    times, gradients = InSteps(setting, margins=True).gradients(*batch)
    firing = [float((layer < setting.t_max).to(torch.float32).mean()) for layer in times]
    found = []
    for name in others:
        own_times, own = candidates[name](setting).gradients(*batch)
        different = sum(int((a != b).sum()) for a, b in zip(own_times, times, strict=True))
        relative = max(
            float((a - b).abs().max() / b.abs().max()) for a, b in zip(own, gradients, strict=True)
        )
        found.append(Agreement(name, different, relative, firing))
    return found


def runnable(setting: Setting) -> dict[str, Maker]:
    """The candidates that run here: without numba the native backend is left out."""
    able = {}
    for name, make in CANDIDATES.items():
        try:
            make(setting)
            able[name] = make
        except UserError as error:
            print(f"{name}: left out. {error}")
    return able


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything the options ask for, as JSON values; tables go to the terminal on the way."""
    if options.device != "cpu":
        raise UserError(f"--device must be cpu, not {options.device}: only that is measured here")
    torch.set_num_threads(options.threads)
    needed = 1 + options.rounds * options.turn
    batches = load_batches(options.images, options.batch_size, needed, 10, options.seed)
    runs = [_run(t_max, batches, options) for t_max in options.steps]
    return {
        "images": batches.source,
        "network": [*LAYERS, 10],
        **{name: getattr(options, name) for name in MEASURED_SETTINGS},
        "device": "cpu",
        "processor": platform.machine(),
        "versions": {
            "sstdp_hw": __version__, "torch": torch.__version__, "python": platform.python_version()
        },
        "runs": runs,
    }  # fmt: skip


def _run(t_max: int, batches: Batches, options: argparse.Namespace) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(options.seed)
    times = published.encode(batches[0][0], t_max).view(-1, *IMAGE)
    setting = mixed_network(times, t_max, generator)
    able = runnable(setting)
    agreements = check(setting, able, batches[0])
    candidates = [Candidate(name, make) for name, make in able.items()]
    speeds = contest(setting, candidates, batches, options.rounds, options.turn, options.clock)
    show(_table(t_max, speeds, agreements, batches.source))
    return {
        "t_max": t_max,
        "speeds": [speed.as_dict(speeds[0]) for speed in speeds],
        "comparisons": [
            {**vars(agreement), "agrees": agreement.agrees} for agreement in agreements
        ],
    }


def _table(t_max: int, speeds: list[Speed], agreements: list[Agreement], source: str) -> Any:
    told = {agreement.name: agreement for agreement in agreements}
    rows = []
    for speed in speeds:
        ratio, agreement = speed.against(speeds[0]), told.get(speed.name)
        rows.append(
            (
                speed.name, number(1000 * speed.median, 2),
                number(speed.batch_size / speed.median), f"{ratio['ratio']:.1f}",
                f"{ratio['ratio_lowest_round']:.1f}, {ratio['ratio_highest_round']:.1f}",
                "" if agreement is None else f"{agreement.spikes_that_differ} spikes, "
                f"{agreement.relative:.1e}",
            )
        )  # fmt: skip
    firing = " and ".join(f"{100 * share:.0f} %" for share in agreements[0].firing)
    return table(
        f"T = {t_max}: a training step of {'-'.join(LAYERS)}-10 on {source} images; {firing} of "
        "the neurons fire",
        ("candidate", "ms per step", "images/s", "times as fast", "lowest and highest round",
         "difference"),
        rows,
    )  # fmt: skip


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's options; ``--quick`` is a set of other defaults."""
    return training_speed.parse(arguments, description=__doc__, steps=[16, 8])


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0; 1 if gradients or spike times differ; 2 for bad input."""
    options = parse(arguments)
    return carried_out("benchmarks.conv_speed", lambda: training_speed.carry_out(options, measure))


if __name__ == "__main__":
    sys.exit(main())
