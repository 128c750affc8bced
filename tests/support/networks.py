"""Networks and cases for the tests; the random ones are those of `sstdp_hw.cases`."""

from __future__ import annotations

import numpy as np

from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.blocks.pipeline import SLICE_LANES
from sstdp_hw.cases.dense import (
    T_MAX,
    Case,
    finished_case,
    random_case,
    random_dense,
    with_spikes,
)
from sstdp_hw.network.layers import Flatten
from sstdp_hw.network.network import Network

__all__ = [
    "T_MAX", "Case", "directed", "finished_case", "random_case", "random_dense", "small_network",
    "spiking_case", "wide_case", "with_spikes",
]  # fmt: skip


def spiking_case(seed: int, **options) -> Case:
    """A `random_case` that takes spikes."""
    return with_spikes(random_case(seed, **options))


def wide_case(lanes: int, *, early_exit: bool) -> Case:
    """A hidden layer of four slices, the last one small, with ``lanes`` lanes."""
    rng = np.random.default_rng(lanes)
    neurons, t_max = 3 * SLICE_LANES + 7, 6
    hidden, output = random_dense(rng, neurons, 40, 3), random_dense(rng, 9, neurons, 3)
    encoder = rng.integers(0, t_max + 1, 256).astype(np.uint8)
    network = Network(
        "wide", t_max, (1, 5, 8), tuple("abcdefghi"), encoder, (Flatten(), hidden, output)
    )
    images = rng.integers(0, 256, (12, 1, 5, 8)).astype(np.uint8)
    return Case(lanes, network, Configuration((lanes, 9), 4, early_exit), images)


def directed(seed, *layers, shape, t_max=4, images=3, early_exit=False):
    """A network of layers that are there already, on random images, the last one dark."""
    rng = np.random.default_rng(seed)
    encoder = np.clip((255 - np.arange(256)) // 40, 0, t_max).astype(np.uint8)
    names = tuple(map(str, range(layers[-1].neurons)))
    network = Network("directed", t_max, shape, names, encoder, layers)
    pixels = rng.integers(0, 256, (images, *shape)).astype(np.uint8)
    pixels[-1] = 0
    return Case(seed, network, Configuration((1,), 1, early_exit), pixels)


def small_network(seed=5, t_max=6):
    """64-20-7: every image has an answer, and classes differ."""
    rng = np.random.default_rng(seed)
    encoder = np.clip((255 - np.arange(256)) // 30, 0, t_max).astype(np.uint8)
    hidden, output = random_dense(rng, 20, 64, 4), random_dense(rng, 7, 20, 3)
    hidden.threshold[:] = 12
    output.threshold[:] = 3
    names = tuple("abcdefg")
    return Network("small", t_max, (1, 8, 8), names, encoder, (Flatten(), hidden, output))
