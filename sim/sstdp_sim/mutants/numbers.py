"""Flipped bits of weights and thresholds: which, what they change, and when they change nothing."""

from __future__ import annotations

import numpy as np

from sstdp_hw.blocks.hardware import WeightedBlock
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.network.layers import Array, Dense

from ..comparison.mutation import Mutation, changed_network, home


def random_flips(
    directory: GeneratedDirectory, random: np.random.Generator, count: int
) -> list[Mutation]:
    """``count`` different bits, every fourth of a threshold; layers alike."""
    found: dict[str, Mutation] = {}
    layers = directory.parameters.layers
    for _ in range(50 * count):
        if len(found) == count:
            break
        layer = int(random.integers(len(layers)))
        p, memories = layers[layer], directory.manifest["layers"][layer]["memories"]
        neuron = int(random.integers(len(p.layer.weight)))  # of a convolution, an output channel
        kind, source = "threshold", -1
        memory, (row, lane) = memories["initial"], p.initial_place(neuron)
        sources = p.weight_sources
        if len(found) % 4 != 3 and len(sources):
            kind, memory = "weight", memories["weights"]
            source = int(random.choice(sources))
            row, lane = p.weight_place(neuron, source)
        bit = lane * memory["width"] + int(random.integers(memory["width"]))
        mutation = Mutation(kind, p.name, neuron, source, home(memory), row, bit)
        found.setdefault(str(mutation), mutation)
    return list(found.values())


def equivalent(directory: GeneratedDirectory, mutation: Mutation) -> str | None:
    """Why the flipped bit can change no spike of any image, or None if that is not shown.

    A neuron fires when the sum over some subset of its weights exceeds its threshold. All sums that
    any subset has are counted out; if none of them lies between what the number and the flipped
    one ask for, the two neurons are the same. The potential must not overflow with the flipped
    number, or the sums in hardware would be others.
    """
    layers = directory.parameters.layers
    place = next(n for n, layer in enumerate(layers) if layer.name == mutation.layer)
    p = layers[place]
    if p.kind != "dense":
        return None
    before = layers[place - 1] if place else None
    if (
        mutation.kind == "weight"
        and before is not None
        and before.kind == "dense"
        and not _can_fire(before, mutation.input)
    ):
        return f"input neuron {mutation.input} can never fire: its positive weights sum up too low"
    if p.output:
        return None
    network = changed_network(directory, mutation)
    changed = network.layers[int(p.name.partition(".")[2])]
    assert isinstance(changed, Dense), "as before"
    weight, threshold = changed.weight.astype(np.int64), changed.threshold.astype(np.int64)
    return _same_neurons(p, weight, threshold)


def _can_fire(p: WeightedBlock, neuron: int) -> bool:
    row = p.layer.weight[neuron].astype(np.int64)
    return bool(row[row > 0].sum() > p.layer.threshold[neuron])


def _same_neurons(p: WeightedBlock, weight: Array, threshold: Array) -> str | None:
    ours = p.layer.weight.astype(np.int64)
    border = -p.initial - 1
    limit = 1 << (p.membrane_width - 1)
    for neuron in np.flatnonzero((ours != weight).any(axis=1) | (border != threshold)):
        low, high = (f(weight[neuron], 0).sum() - threshold[neuron] - 1
                     for f in (np.minimum, np.maximum))  # fmt: skip
        if low < -limit or high >= limit:
            return None
        different = np.flatnonzero(ours[neuron] != weight[neuron])
        rest = np.delete(ours[neuron], different)
        sums = _subset_sums(rest)
        pairs = [(0, 0)] + [(ours[neuron][i], weight[neuron][i]) for i in different]
        for before, after in pairs:
            fires = sums + before > border[neuron]
            if (fires != (sums + after > threshold[neuron])).any():
                return None
    return "no subset of the weights has a sum between the old and the new border"


def made_witness(directory: GeneratedDirectory, mutation: Mutation) -> Array | None:
    """An image in which a neuron of the first layer fires in one network only: uint8
    [*input_shape], of pixels that fire together and pixels that never fire. None if the neuron is
    of another layer or of a convolution, the encoder has no such pixels or several planes, or there
    is no such image.
    """
    p, encoder = directory.parameters.layers[0], directory.network.encoder
    if p.kind != "dense" or mutation.layer != p.name:
        return None
    if directory.network.planes > 1:  # one pixel is several inputs
        return None
    if encoder is None:  # every input may be silent, and fires as it is told
        encoder = np.arange(directory.network.t_max + 1)
    if not (encoder == directory.network.t_max).any():
        return None
    changed = changed_network(directory, mutation).weighted[0][1]
    ours, theirs = (layer.weight[mutation.neuron].astype(np.int64) for layer in (p.layer, changed))
    border, moved = (int(layer.threshold[mutation.neuron]) for layer in (p.layer, changed))
    certain = [] if mutation.input < 0 else [mutation.input]
    free = np.setdiff1d(np.flatnonzero(directory.network.live_inputs), certain)
    sums = _subset_sums(ours[free])
    differ = (sums + ours[certain].sum() > border) != (sums + theirs[certain].sum() > moved)
    if not differ.any():
        return None
    chosen = [*certain, *free[_subset(ours[free], int(sums[differ][0]))]]
    image = np.full(directory.network.pixels, int(np.argmax(encoder)), np.uint8)
    image[chosen] = int(np.argmin(encoder))
    return image.reshape(directory.network.input_shape)


def _reached(weights: Array) -> tuple[list[int], int]:
    """Sums of subsets of the first 0, 1, ... integers, as bits from an offset upwards."""
    offset = int(-np.minimum(weights, 0).sum())
    reached = [1 << offset]
    for value in weights.tolist():
        now = reached[-1]
        reached.append(now | (now << value if value >= 0 else now >> -value))
    return reached, offset


def _subset_sums(weights: Array) -> Array:
    """Every sum that a subset of the integers has, once each."""
    reached, offset = _reached(weights)
    text = np.frombuffer(bin(reached[-1])[:1:-1].encode(), np.uint8)
    sums: Array = np.flatnonzero(text == ord("1")) - offset
    return sums


def _subset(weights: Array, total: int) -> list[int]:
    """Places of a subset of the integers that sums up to ``total``."""
    reached, offset = _reached(weights)
    chosen, left = [], total + offset
    for place in reversed(range(len(weights))):
        if not reached[place] >> left & 1:
            chosen.append(place)
            left -= int(weights[place])
    assert left == offset, "the total is one of the sums"
    return chosen
