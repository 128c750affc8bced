"""The accelerators that the area model is fitted to and judged by: drawn, not chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sstdp_hw import ready
from sstdp_hw.hardware import PIXELS_PER_BEAT, AcceleratorParameters, Configuration
from sstdp_hw.layers import Dense, Flatten
from sstdp_hw.network import Network

DRAWN = 28
T_MAX = (4, 8, 16, 32)

#: Trained networks, never fitted to.
READY = (
    ("digits-64-64-10-4bit", Configuration((16, 10), 1)),
    ("digits-64-64-10-4bit", Configuration((64, 10), 8)),
    ("mnist-784-128-10-4bit", Configuration((4, 1), 1)),
    ("mnist-784-400-10-sparse-4bit", Configuration((16, 10), 1)),
    ("mnist-784-400-10-1bit", Configuration((40, 5), 4)),
    ("mnist-784-400-10-sparse-4bit", Configuration((400, 10), 8)),
)


@dataclass(frozen=True)
class Point:
    """One accelerator; ``fit`` says whether the model may learn from it."""

    name: str
    parameters: AcceleratorParameters
    fit: bool


def points() -> list[Point]:
    """Every second drawn one is fitted to, the others and the trained ones are held out."""
    drawn = [Point(f"drawn-{seed}", _draw(seed), seed % 2 == 0) for seed in range(DRAWN)]
    trained = []
    for name, configuration in READY:
        parameters = AcceleratorParameters(ready.load(name), configuration)
        label = f"{name} {','.join(map(str, parameters.lanes))} x{parameters.pixels_per_beat}"
        trained.append(Point(label, parameters, False))
    return drawn + trained


def _draw(seed: int) -> AcceleratorParameters:
    """One or two hidden layers, up to 400 inputs and 160 neurons, as training makes them: small
    numbers in the weights, thresholds mostly equal, dark borders at times without weights."""
    rng = np.random.default_rng([seed, 4])
    side = int(rng.integers(6, 21))
    t_max = int(rng.choice(T_MAX))
    layers: list[Flatten | Dense] = [Flatten()]
    inputs, lanes = side * side, []
    sizes = [int(size) for size in rng.integers(16, 161, rng.choice([1, 1, 2]))]
    sizes.append(int(rng.integers(2, 21)))
    for place, neurons in enumerate(sizes):
        width = int(rng.choice([1, 2, 3, 4, 5, 6, 8]))
        if width == 1:
            weight = rng.choice([-1, 1], (neurons, inputs))
        else:
            half = 1 << width - 1
            weight = np.clip(np.rint(rng.normal(0, half / 2, (neurons, inputs))), -half, half - 1)
        if not place and width > 1 and rng.random() < 0.4:
            weight[:, rng.random(inputs) < 0.3] = 0
        reach = int(np.abs(weight).sum(axis=1).max()) // 8 + 1
        threshold = (
            np.full(neurons, reach) if rng.random() < 0.6 else rng.integers(0, reach, neurons)
        )
        layers.append(Dense(weight.astype(np.int8), threshold.astype(np.int32), width))
        # Even on a logarithmic scale, and every fourth layer with a lane per neuron.
        lanes.append(max(1, round(neurons ** min(1.0, 1.33 * rng.random()))))
        inputs = neurons
    bright = rng.integers(150, 256)
    encoder = np.clip((255 - np.arange(256)) * t_max // bright, 0, t_max)
    network = Network(
        name=f"drawn-{seed}",
        t_max=t_max,
        input_shape=(1, side, side),
        class_names=tuple(map(str, range(inputs))),
        encoder=encoder.astype(np.uint8),
        layers=tuple(layers),
    )
    configuration = Configuration(tuple(lanes), int(rng.choice(PIXELS_PER_BEAT)))
    return AcceleratorParameters(network, configuration)
