"""Networks that one accelerator can be loaded with in turn, and which of them an answer is from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.contract.answer import LOAD
from sstdp_hw.network.network import Network

from .networks import random_dense


def sibling(network: Network, seed: int) -> Network:
    """A network of the same shape: other weights, thresholds and, where it takes pixels, tables."""
    rng = np.random.default_rng(seed)
    layers = list(network.layers)
    for index, layer in network.weighted:
        shape, width = layer.weight.shape, layer.weight_width
        flat = random_dense(rng, shape[0], int(np.prod(shape[1:])), width)
        layers[index] = replace(layer, weight=flat.weight.reshape(shape), threshold=flat.threshold)
    found = replace(network, name=f"{network.name}-{seed}", layers=tuple(layers))
    if network.encoder is None:
        return found
    encoder = rng.integers(0, network.t_max + 1, network.encoder.shape).astype(np.uint8)
    return replace(found, encoder=encoder)


def for_all(configuration: Configuration, networks: list[Network]) -> list[AcceleratorParameters]:
    """The accelerator that any of the networks can be loaded into, with each of them."""
    loadable = replace(configuration, weights="loadable", membrane_width=None)
    widths = [AcceleratorParameters(each, loadable).membrane_widths for each in networks]
    widest = tuple(int(width) for width in np.max(widths, axis=0))
    return [
        AcceleratorParameters(each, replace(loadable, membrane_width=widest)) for each in networks
    ]


def loads_of(words: list[int], expected: list[list[int]], first: int = 1) -> list[int]:
    """Which load each answer is from, counted from 0: as bit 18 says, which flips with every load.

    ``expected`` has the answers to all images for every load that succeeded, in order, without bit
    18; ``first`` is the bit of the first load. Two loads may have come between two answers. Fails
    if an answer is not that of its load.
    """
    found, load = [], 0
    for image, word in enumerate(words):
        load += (load + first ^ word >> LOAD.offset) & 1
        got = word & ~(1 << LOAD.offset)
        wanted = [answers[image] for answers in expected[load::2]]
        assert got in wanted, f"answer {image} after {load} loads: {got:#x}, expected {wanted}"
        load += 2 * wanted.index(got)
        found.append(load)
    return found
