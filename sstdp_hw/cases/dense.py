"""Random dense networks and configurations that reach into every corner of the arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..blocks.hardware import PIXELS_PER_BEAT, Configuration
from ..network.layers import Array, Dense, Flatten
from ..network.network import Network
from ..reference import inference as reference

T_MAX = (1, 2, 3, 5, 8, 16, 64, 255)


@dataclass(frozen=True, eq=False)
class Case:
    """A network, a configuration and images to run."""

    seed: int
    network: Network
    configuration: Configuration
    images: Array


def random_case(seed: int, *, early_exit: bool, images: int = 6, planes: int = 1) -> Case:
    """1 to 3 layers, 1 to 60 neurons, widths 1 to 12 bit, t_max 1 to 255, thresholds also negative
    and huge, random encoder tables, lanes that divide and that do not, every third network with
    pruned pixels (at times all of them); one image all dark, one all bright."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 3)), int(rng.integers(1, 8)), int(rng.integers(1, 8)))
    t_max = int(rng.choice(T_MAX))
    layers: list[Any] = [Flatten()] if rng.integers(2) else []
    inputs, lanes = planes * int(np.prod(shape)), list[int]()
    for _ in range(rng.integers(1, 4)):
        neurons, width = int(rng.integers(1, 61)), int(rng.integers(1, 13))
        layers.append(random_dense(rng, neurons, inputs, width))
        if seed % 3 == 0 and width > 1 and not lanes:
            layers[-1].weight[:, np.random.default_rng(seed).random(inputs) < (seed % 5) / 4] = 0
        divisors = [n for n in range(1, neurons + 1) if neurons % n == 0]
        lanes.append(int(rng.choice(divisors) if rng.integers(2) else rng.integers(1, neurons + 1)))
        inputs = neurons
    encoder = rng.integers(0, t_max + 1, (planes, 256) if planes > 1 else 256)
    # From no silent pixel values to nearly all.
    encoder[rng.random(encoder.shape) < rng.random()] = t_max
    return finished_case(rng, f"random-{seed}", seed, shape, t_max, encoder, layers, lanes,
                         images=images, early_exit=early_exit)  # fmt: skip


def finished_case(
    rng: np.random.Generator, name: str, seed: int, shape: tuple[int, ...], t_max: int,
    encoder: Array, layers: list[Any], lanes: list[int], *, images: int, early_exit: bool,
) -> Case:  # fmt: skip
    """A case of drawn layers: the network, a configuration, and images, the second dark and the
    third bright."""
    network = Network(
        name=name,
        t_max=t_max,
        input_shape=shape,
        class_names=tuple(map(str, range(layers[-1].neurons))),
        encoder=encoder.astype(np.uint8),
        layers=tuple(layers),
    )
    pixels = rng.integers(0, 256, (images, *shape)).astype(np.uint8)
    pixels[1], pixels[2] = 0, 255
    configuration = Configuration(tuple(lanes), int(rng.choice(PIXELS_PER_BEAT)), early_exit)
    return Case(seed, network, configuration, pixels)


def with_spikes(case: Case) -> Case:
    """The same case fed with its own spike times: they must be answered as the pixels are."""
    network = replace(case.network, encoder=None)
    configuration = replace(case.configuration, pixels_per_beat=1)
    return Case(case.seed, network, configuration, reference.encode(case.network, case.images))


def random_dense(rng: np.random.Generator, neurons: int, inputs: int, width: int) -> Dense:
    """A layer whose thresholds are reached by some, by all or by none."""
    if width == 1:
        weight = rng.choice([-1, 1], (neurons, inputs))
    else:
        weight = rng.integers(-(1 << width - 1), 1 << width - 1, (neurons, inputs))
    reach = max(2, int(np.abs(weight).sum(axis=1).max()) // 3)
    threshold = rng.integers(-reach // 4 - 1, reach, neurons)
    extreme = rng.random(neurons)
    threshold[extreme < 0.05] = np.iinfo(np.int32).max
    threshold[extreme > 0.97] = np.iinfo(np.int32).min
    if rng.random() < 0.3:
        threshold[:] = abs(int(threshold[0])) % reach  # all equal, as training makes them
    return Dense(weight.astype(np.int16), threshold.astype(np.int32), width)
