"""How long a whole epoch of MNIST takes, beside the same network in two other frameworks.

    SSTDP_DATA=/path/of/data python -m benchmarks.epoch_speed     # 784-400-10, 8 steps, one thread
    python -m benchmarks.epoch_speed --images 6000                # fewer training images

Everything that a user waits for in an epoch counts: encoding, batches, forward, loss, backward,
optimizer, validation, checkpoint. Ours is `sstdp_train.train` with its recipe, as it comes and
without augmentation; an epoch is what a run of two epochs takes more than a run of one. The others
are the usual training in their framework, as lean as we could write it: all images in memory and no
data loader, spike trains one-hot at the same steps, IF neurons with a surrogate gradient,
cross-entropy on spike counts, Adam, validation on the same images, no checkpoint and no
augmentation. Their neurons fire as often as they like, ours once.

Figures are of the processor's clock and one thread; speeds are ratios within one run. The other
frameworks are in the extra `interop`; one that is not installed is left out, and that is said.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.arguments import positive
from benchmarks.outcome import carried_out
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import write_json
from sstdp_hw.base.tables import number, percent, show, table
from sstdp_hw.data import datasets
from sstdp_hw.data.datasets import Samples
from sstdp_train import train
from sstdp_train.network.encoder import ttfs_table
from sstdp_train.recipes.recipe import DEFAULT, Recipe
from sstdp_train.training.loop import encode, split

HIDDEN = 400
EVALUATION_BATCH = 500
NO_AUGMENTATION = {"shift": 0.0, "rotation": 0.0, "scaling": 0.0, "shear": 0.0, "bending": 0.0}
Epoch = tuple[float, float]  # seconds of processor time, validation accuracy


def ours(recipe: Recipe, samples: Samples) -> Epoch:
    """What the second of two epochs takes."""
    seconds, accuracy = [], 0.0
    for epochs in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            start = time.process_time()
            told = train(recipe.with_(epochs=epochs), samples, out=Path(folder), device="cpu")
            seconds.append(time.process_time() - start)
            accuracy = told["validation_accuracy"]
    return seconds[1] - seconds[0], accuracy


class SnnTorch(nn.Module):
    """Leaky neurons without a leak, step by step as its tutorials do it."""

    name = "snnTorch"

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        import snntorch

        self.hidden, self.output = nn.Linear(inputs, HIDDEN), nn.Linear(HIDDEN, classes)
        self.first, self.second = (snntorch.Leaky(beta=1.0) for _ in range(2))

    def forward(self, trains: Tensor) -> Tensor:
        """Spike counts [batch, classes] of spike trains [steps, batch, inputs]."""
        first, second = self.first.init_leaky(), self.second.init_leaky()
        counts = []
        for step in trains:
            spikes, first = self.first(self.hidden(step), first)
            spikes, second = self.second(self.output(spikes), second)
            counts.append(spikes)
        return torch.stack(counts).sum(0)


class SpikingJelly(nn.Module):
    """IF neurons in its multi-step mode, the faster one."""

    name = "SpikingJelly"

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        from spikingjelly.activation_based import functional, layer, neuron

        self.layers = nn.Sequential(
            layer.Linear(inputs, HIDDEN), neuron.IFNode(),
            layer.Linear(HIDDEN, classes), neuron.IFNode(),
        )  # fmt: skip
        functional.set_step_mode(self.layers, "m")
        self.reset = functional.reset_net

    def forward(self, trains: Tensor) -> Tensor:
        """As `SnnTorch.forward`."""
        self.reset(self.layers)
        counts: Tensor = self.layers(trains).sum(0)
        return counts


class OtherFramework:
    """Epochs of a peer's network."""

    def __init__(self, kind: Callable[[int, int], nn.Module], recipe: Recipe, samples: Samples):
        torch.manual_seed(recipe.seed)
        self.recipe, self.samples = recipe, samples
        self.network = kind(samples.images[0].size, len(samples.class_names))
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3, fused=True)
        self.table = torch.from_numpy(ttfs_table(recipe.t_max, recipe.cutoff))
        trained, held_back = split(len(samples), recipe.validation_share, recipe.seed)
        self.trained, self.held_back = self._tensors(trained), self._tensors(held_back)

    def _tensors(self, part: Any) -> tuple[Tensor, Tensor]:
        """Images and labels of a part of the samples."""
        labels = self.samples.labels[part].astype(np.int64)
        return torch.from_numpy(self.samples.images[part]), torch.from_numpy(labels)

    def trains(self, images: Tensor) -> Tensor:
        """Spike trains [steps, batch, inputs] with the spikes that ours sees."""
        times = encode(self.table, images)
        steps = torch.arange(self.recipe.t_max, dtype=torch.uint8)[:, None, None]
        return (times == steps).to(torch.float32)

    def epoch(self) -> Epoch:
        """Train on all images, then validate."""
        start = time.process_time()
        images, labels = self.trained
        for chosen in torch.randperm(len(labels)).split(self.recipe.batch_size):
            counts = self.network(self.trains(images[chosen]))
            loss = nn.functional.cross_entropy(counts, labels[chosen])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        accuracy = self._accuracy(*self.held_back)
        return time.process_time() - start, accuracy

    @torch.no_grad()
    def _accuracy(self, images: Tensor, labels: Tensor) -> float:
        found = [
            self.network(self.trains(batch)).argmax(1) for batch in images.split(EVALUATION_BATCH)
        ]
        return float((torch.cat(found) == labels).to(torch.float64).mean())


def measure(recipe: Recipe, samples: Samples) -> tuple[dict[str, Epoch], dict[str, str]]:
    """An epoch of everyone, and who was left out and why. Compiling and first epochs are apart."""
    plain = recipe.with_(**NO_AUGMENTATION)
    ours(plain, samples.first(10 * recipe.batch_size))
    found = {"ours": ours(recipe, samples), "ours, no augmentation": ours(plain, samples)}
    absent = {}
    for kind in (SnnTorch, SpikingJelly):
        try:
            other = OtherFramework(kind, plain, samples)
        except ImportError as error:
            absent[kind.name] = f"needs the extra interop ({error})"
        else:
            found[kind.name] = other.epoch()
    return found, absent


def carry_out(options: argparse.Namespace) -> int:
    """Measure, show and write."""
    torch.set_num_threads(1)
    samples = datasets.load("mnist", "train")
    if options.images is not None:
        if options.images > len(samples):
            raise UserError(f"--images must be at most {len(samples)}, not {options.images}")
        samples = samples.first(options.images)
    recipe = DEFAULT.with_(layers=(HIDDEN,), t_max=options.steps, seed=options.seed)
    found, absent = measure(recipe, samples)
    base = found["ours, no augmentation"][0]
    rows = [
        (name, number(seconds, 2), number(len(samples) / seconds), f"{seconds / base:.2f}",
         percent(accuracy))
        for name, (seconds, accuracy) in found.items()
    ]  # fmt: skip
    show(
        table(
            f"An epoch of 784-{HIDDEN}-10 at {recipe.t_max} steps on {len(samples)} MNIST images",
            ("training", "s of processor time", "images/s", "times ours", "validation after it"),
            rows,
        )
    )
    for name, reason in absent.items():
        print(f"{name} is left out: {reason}")
    if options.json:
        result: dict[str, Any] = {
            "images": len(samples), "steps": recipe.t_max, "seed": recipe.seed, "left_out": absent,
            "epochs": {
                name: {"seconds": seconds, "validation_accuracy": accuracy}
                for name, (seconds, accuracy) in found.items()
            },
        }  # fmt: skip
        write_json(options.json, result)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.epoch_speed",
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--steps", type=positive, default=8, help="default: 8")
    parser.add_argument("--images", type=positive, metavar="N", help="default: all of them")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured")
    options = parser.parse_args(arguments)
    return carried_out("benchmarks.epoch_speed", lambda: carry_out(options))


if __name__ == "__main__":
    sys.exit(main())
