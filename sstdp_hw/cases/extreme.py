"""Random networks of extreme shapes, with configurations of the sequential architecture."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..blocks.hardware import PIXELS_PER_BEAT, Configuration
from ..network.layers import Array, Conv2d, Dense, Flatten, Pool2d
from ..network.network import Network
from .convolutional import random_conv
from .dense import Case, random_dense

T_MAX = (1, 2, 7, 255)
MOST_LAYERS = 5


def corner_case(seed: int, *, early_exit: bool, images: int = 5) -> Case:
    """Layers of one neuron, one channel or one position; kernels as large as their map; pools in
    front, behind, twice and over the whole map; all spikes in one step, in the last one, none;
    thresholds that all lie below zero, or out of reach; lanes of one, of the widest layer, and
    those that divide nothing."""
    rng = np.random.default_rng(seed)
    t_max = int(rng.choice(T_MAX))
    shape = tuple(int(size) for size in (rng.integers(1, 4), *rng.choice([1, 2, 3, 5], 2)))
    layers: list[Any] = []
    present: tuple[int, ...] = shape
    for _ in range(int(rng.integers(0, MOST_LAYERS))):
        if rng.random() < 0.45:
            kernel = tuple(int(rng.choice([1, size, min(2, size)])) for size in present[1:])
            layers.append(Pool2d((kernel[0], kernel[1])))
        else:
            layers.append(_conv(rng, present))
        present = layers[-1].output_shape(present)
    if rng.integers(2):
        layers.append(Flatten())
    inputs = int(np.prod(present))
    for _ in range(int(rng.integers(1, 4))):
        layers.append(random_dense(rng, _count(rng, 12), inputs, int(rng.integers(1, 7))))
        inputs = layers[-1].neurons
    weighted = [layer for layer in layers if hasattr(layer, "threshold")]
    for layer in weighted:
        _extreme_thresholds(rng, layer)
    names = tuple(map(str, range(layers[-1].neurons)))
    network = Network(f"corner-{seed}", t_max, shape, names, _encoder(rng, t_max), tuple(layers))
    most = max(len(layer.weight) for layer in weighted)
    lanes = int(rng.choice([1, most, max(1, most - 1), int(rng.integers(1, most + 1))]))
    configuration = Configuration(
        (lanes,), int(rng.choice(PIXELS_PER_BEAT)), early_exit, architecture="sequential"
    )
    pixels = rng.integers(0, 256, (images, *shape)).astype(np.uint8)
    pixels[1], pixels[2] = 0, 255
    return Case(seed, network, configuration, pixels)


def _count(rng: np.random.Generator, most: int) -> int:
    """One quite often."""
    return 1 if rng.random() < 0.3 else int(rng.integers(1, most + 1))


def _conv(rng: np.random.Generator, present: tuple[int, ...]) -> Conv2d:
    """Kernels of one, of the whole map and of those between."""
    kernel = tuple(int(rng.choice([1, size, min(3, size)])) for size in present[1:])
    padding = tuple(int(rng.integers(0, 3)) for _ in kernel)
    stride = tuple(int(rng.choice([1, 1, 2, 5])) for _ in kernel)
    return random_conv(rng, _count(rng, 6), present, kernel=kernel, stride=stride, padding=padding)


def _extreme_thresholds(rng: np.random.Generator, layer: Conv2d | Dense) -> None:
    """All below zero, all out of reach, all at zero, or as they were drawn."""
    kind = rng.random()
    if kind < 0.1:
        layer.threshold[:] = -1 - rng.integers(0, 3, len(layer.threshold))
    elif kind < 0.2:
        layer.threshold[:] = np.iinfo(np.int32).max
    elif kind < 0.5:
        layer.threshold[:] = 0


def _encoder(rng: np.random.Generator, t_max: int) -> Array:
    """Any table; all in one step, in the last one, nothing at all; only bright ones, at once."""
    table = rng.integers(0, t_max + 1, 256)
    kind = rng.random()
    if kind < 0.15:
        table[:] = rng.integers(0, t_max)
    elif kind < 0.3:
        table[:] = t_max - 1
    elif kind < 0.35:
        table[:] = t_max
    elif kind < 0.5:
        table[:] = t_max
        table[128:] = 0
    return table.astype(np.uint8)
