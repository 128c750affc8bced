"""How fast a training step of a deep network is, beside other ways to compute it.

    python -m benchmarks.deep_speed                 # VGG-like, full and half width, one thread
    python -m benchmarks.deep_speed --threads 2     # the native backend with two
    python -m benchmarks.deep_speed --layers conv8k3p1,pool2,conv8k3p1,pool2 --batch 4 --rounds 2

The same step (forward, loss, backward; no weight update) of the same network with the same spikes:

- native: the passes for normalized networks, whose cost follows spikes and errors;
- dense: the same as dense convolutions over all steps, in PyTorch (`--backend torch`), which gives
  the same spikes and, within rounding, the same gradients; this is looked at before anything is
  timed, and the exit status is 1 if it is not so;
- event by event: the native backend for networks with convolutions that are not normalized, with
  the same weights and thresholds, and a gate that is open for as many errors.

Candidates take turns, one step each; a figure is the median, by the clock of the processor. Images
are random blobs: what fires depends on the network more than on them, and is printed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sstdp_hw.base.tables import number, show, table
from sstdp_train.backends.native.backend import NativeBackend
from sstdp_train.backends.torch.backend import TORCH
from sstdp_train.network.encoder import bright_dark_tables
from sstdp_train.network.layers import SpikingNetwork
from sstdp_train.network.normalized import NormalizedNetwork
from sstdp_train.recipes.recipe import RECIPES, Recipe
from sstdp_train.training.loop import encode
from sstdp_train.training.loss import loss_of

FULL = "conv64k3p1,conv64k3p1,pool2,conv128k3p1,conv128k3p1,pool2,conv256k3p1,conv256k3p1,pool2"
HALF = "conv32k3p1,conv32k3p1,pool2,conv64k3p1,conv64k3p1,pool2,conv128k3p1,conv128k3p1,pool2"
IMAGE = (3, 32, 32)
CLASSES = 10
AGREE = 5e-3  # of a layer's largest gradient: the native backend rounds errors to 12 bits


def images(count: int, generator: torch.Generator) -> Tensor:
    """Smooth random pictures, uint8 [count, channels, height, width]."""
    coarse = torch.rand(count, IMAGE[0], 8, 8, generator=generator) * 255
    smooth = interpolate(coarse, size=IMAGE[1:], mode="bicubic", align_corners=False)
    return smooth.clamp(0, 255).to(torch.uint8)


def as_plain(network: NormalizedNetwork, recipe: Recipe, shape: tuple[int, ...]) -> SpikingNetwork:
    """The same weights and thresholds without normalization."""
    plain = recipe.with_(normalization="none", gate=1.0)
    found = SpikingNetwork(shape, CLASSES, plain, NativeBackend())
    with torch.no_grad():
        for layer, source in zip(found.layers, network.layers, strict=True):
            operands = source.operands()
            weight = operands.weight.to(torch.float32)
            if source.dense:  # from [height, width, channels, out] to C order
                weight = weight.permute(2, 0, 1, 3).flatten(0, 2)
            layer.weight.copy_(weight)
            layer.threshold.copy_(operands.threshold.to(torch.float32))
    return found


def step_of(
    network: Any, recipe: Recipe, times: Tensor, labels: Tensor, scale: float
) -> Callable[[], None]:
    asked = recipe.with_(margin_scale=scale)

    def step() -> None:
        found, margin = network(times)
        network.zero_grad()
        loss_of(asked, found[-1], margin, labels).backward()

    return step


def contest(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every step; all take turns, and one round is not counted."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 1):
        for name, step in steps.items():
            start = time.process_time()
            step()
            if turn:
                found[name].append(time.process_time() - start)
    return found


def measure(layers: str, options: argparse.Namespace) -> tuple[list[list[str]], dict[str, Any]]:
    """Lines of the table, and the figures behind them."""
    recipe = RECIPES["cifar10"].with_(layers=tuple(layers.split(",")))
    generator = torch.Generator().manual_seed(options.seed)
    tables = bright_dark_tables(recipe.t_max, recipe.bright, recipe.dark, recipe.contrast)
    times = encode(torch.from_numpy(tables), images(options.batch, generator))
    labels = torch.randint(0, CLASSES, (options.batch,), generator=generator)
    shape = (IMAGE[0] * recipe.planes, *IMAGE[1:])
    native = NormalizedNetwork(shape, CLASSES, recipe, NativeBackend(options.threads))
    native.initialize(times, generator)
    dense = NormalizedNetwork(shape, CLASSES, recipe, TORCH)
    dense.load_state_dict(native.state_dict())
    native.train(), dense.train()
    steps = {
        "native": step_of(native, recipe, times, labels, 1.0),
        "dense": step_of(dense, recipe, times, labels, 1.0),
    }
    if not agree(native, dense, times, labels, recipe):
        raise SystemExit("error: native and dense steps must agree, and do not")
    events = as_plain(native, recipe, shape).train()
    scale = float(1 / native.layers[-1].operands().step[0])
    steps["event by event"] = step_of(events, recipe, times, labels, scale)
    seconds = contest(steps, options.rounds)
    median = {name: statistics.median(times_of) for name, times_of in seconds.items()}
    lines = [
        [name, number(options.batch / median[name], 1), f"{median[name] / median['native']:.1f}"]
        for name in steps
    ]
    firing = [round(float(share), 3) for share in native.firing([])[:-1]]
    figures = {
        "layers": layers,
        "images_per_second": {name: options.batch / median[name] for name in steps},
        "firing": firing,
    }
    return lines, figures


def agree(
    native: NormalizedNetwork, dense: NormalizedNetwork, times: Tensor, labels: Tensor,
    recipe: Recipe,
) -> bool:  # fmt: skip
    """The same margins, and gradients within rounding; both networks stay as they are."""
    state = {name: value.clone() for name, value in native.state_dict().items()}
    margins = []
    for network in (native, dense):
        found, margin = network(times)
        loss_of(recipe, found[-1], margin, labels).backward()
        margins.append(margin)
        network.load_state_dict(state)
    pairs = zip(native.parameters(), dense.parameters(), strict=True)
    near = all(
        float((one.grad - other.grad).abs().max()) <= AGREE * float(other.grad.abs().max())
        for one, other in pairs
    )
    return bool(torch.equal(*margins)) and near


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Speed of training steps of deep networks.")
    parser.add_argument("--layers", help="one network instead of the two")
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of the native backend")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for layers in [options.layers] if options.layers else [FULL, HALF]:
        lines, figures = measure(layers, options)
        print(f"{layers}-{CLASSES}, batch {options.batch}, firing {figures['firing']}")
        show(table("", ["step", "images/s of processor time", "times native"], lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
