"""A graph as it was before its neurons were made to fire once: how often they fired, and how right.

A neuron that resets and goes on may fire again in the same inference. This plays it so, in float64
and step by step, and is meant for the one look at what `--spike-once` changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..base.errors import UserError
from ..data.samples import Samples
from ..network.float_network import FloatNetwork
from ..network.layers import Array, Conv2d, Dense, Flatten, Layer, Pool2d, Shape
from ..reference import inference as reference
from .state import MappedLayer

BATCH = 64


@dataclass(frozen=True)
class LayerRefiring:
    """Spikes of one layer before, per image.

    Parameters
    ----------
    name : str
    neurons : int
    fired : float
        Neurons that fired at all.
    fired_again : float
        Of these, those that fired more than once.
    more_spikes : float
        Spikes besides the first of every neuron.
    """

    name: str
    neurons: int
    fired: float
    fired_again: float
    more_spikes: float


@dataclass(frozen=True)
class Refiring:
    """What making neurons fire once changed.

    Parameters
    ----------
    images : int
    layers : tuple of LayerRefiring
    accuracy_before, accuracy_after : float
        By rule 6: the first output spike decides.
    accuracy_before_by_count : float
        The output neuron with the most spikes decides, the lowest index among equals, as many
        networks of neurons that fire again are read.
    classes_changed : float
        Share of images whose class by rule 6 is another one.
    """

    images: int
    layers: tuple[LayerRefiring, ...]
    accuracy_before: float
    accuracy_before_by_count: float
    accuracy_after: float
    classes_changed: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(
    network: FloatNetwork,
    mapped: Sequence[MappedLayer],
    samples: Samples,
    *,
    progress: Callable[[int], None] | None = None,
) -> Refiring:
    """Play samples through the graph as it was and as it is now.

    Parameters
    ----------
    network : FloatNetwork
        Made of ``mapped``.
    mapped : sequence of MappedLayer
    samples : Samples
    progress : callable, optional
        Called with the number of images done since the last call.
    """
    names, resets = _neurons(network, mapped)
    counts = {index: np.zeros(3) for index in names}
    right = np.zeros(4, np.int64)
    for start in range(0, len(samples), BATCH):
        part = slice(start, start + BATCH)
        images, labels = samples.images[part], samples.labels[part]
        times = reference.encode(network, images)
        fired, first, margins = play(network, resets, times)
        for index, spikes in fired.items():
            counts[index] += [
                np.count_nonzero(spikes), np.count_nonzero(spikes > 1),
                spikes.sum() - np.count_nonzero(spikes),
            ]  # fmt: skip
        classes, _, _ = reference.classify(first, margins, network.t_max)
        after = reference.infer(network, times).classes
        by_count = np.argmax(fired[len(network.layers) - 1], axis=1)
        right += [
            np.count_nonzero(found == labels) for found in (classes, by_count, after)
        ] + [np.count_nonzero(classes != after)]  # fmt: skip
        if progress:
            progress(len(labels))
    shares = [float(value) for value in right / len(samples)]
    layers = tuple(
        LayerRefiring(
            name, int(np.prod(network.shapes[index + 1])),
            *(float(value) for value in counts[index] / len(samples)),
        )
        for index, name in names.items()
    )  # fmt: skip
    return Refiring(len(samples), layers, *shares)


def _neurons(
    network: FloatNetwork, mapped: Sequence[MappedLayer]
) -> tuple[dict[int, str], dict[int, tuple[Array, Array]]]:
    """Names, and what a spike leaves and takes, of the layers that had neurons in the graph."""
    remaining = iter([layer for layer in mapped if layer.reset is not None])
    names, resets = {}, {}
    for index, layer in enumerate(network.layers):
        if layer.kind == Flatten.kind:
            continue
        before = next(remaining, None)
        if before is None or before.layer.kind != layer.kind:
            raise UserError(f"{network.source}: layers must be those of the graph")
        assert before.reset is not None and before.border is not None
        shape = network.shapes[index + 1]
        names[index] = f"layers.{index}"
        resets[index] = (before.reset.reshape(shape), before.border.reshape(shape))
    return names, resets


def play(
    network: FloatNetwork, resets: dict[int, tuple[Array, Array]], times: Array
) -> tuple[dict[int, Array], Array, Array]:
    """Spike times of inputs through neurons that reset and go on.

    Parameters
    ----------
    network : FloatNetwork
    resets : dict
        By the index of a layer: the potential after a spike, and the one that it takes.
    times : uint8 array [N, *shapes[0]]

    Returns
    -------
    fired : dict of int arrays [N, *neurons]
        Spikes of every neuron, by the index of its layer.
    first : uint8 array [N, classes]
        Time of the first spike of the output neurons.
    margins : float64 array [N, classes]
        Of the output neurons at the first output spike of an image, or in the last step.
    """
    count, t_max, output = len(times), network.t_max, len(network.layers) - 1
    potential = {index: np.zeros((count, *network.shapes[index + 1])) for index in resets}
    fired = {index: np.zeros(volts.shape, np.int64) for index, volts in potential.items()}
    first = np.full(potential[output].shape, t_max, np.uint8)
    margins = np.zeros(first.shape)
    undecided = np.ones(count, bool)
    for step in range(t_max):
        spikes = (times == step).astype(np.float64)
        for index, layer in enumerate(network.layers):
            spikes = SUMS[layer.kind](layer, spikes, network.shapes[index + 1])
            if index not in resets:
                continue
            reset, border = resets[index]
            potential[index] += spikes
            now = potential[index] > border
            if index == output:
                margins[undecided] = (potential[index] - border)[undecided]
                first[now & (first == t_max)] = step
                undecided &= ~now.any(axis=1)
            potential[index] = np.where(now, reset, potential[index])
            fired[index] += now
            spikes = now.astype(np.float64)
    return fired, first, margins


def _dense(layer: Dense, spikes: Array, shape: Shape) -> Array:
    found: Array = spikes.reshape(len(spikes), -1) @ layer.weight.astype(np.float64).T
    return found


def _conv2d(layer: Conv2d, spikes: Array, shape: Shape) -> Array:
    (down, across), (rows, columns) = layer.stride, layer.padding
    padded = np.pad(spikes, ((0, 0), (0, 0), (rows, rows), (columns, columns)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, layer.weight.shape[2:], axis=(2, 3))
    windows = windows[:, :, ::down, ::across].transpose(0, 2, 3, 1, 4, 5)
    flat = windows.reshape(*windows.shape[:3], -1)
    found: Array = flat @ layer.weight.reshape(layer.outputs, -1).astype(np.float64).T
    return found.transpose(0, 3, 1, 2)


def _pool2d(layer: Pool2d, spikes: Array, shape: Shape) -> Array:
    (height, width), (channels, rows, columns) = layer.kernel, shape
    cropped = spikes[:, :, : rows * height, : columns * width]
    found: Array = cropped.reshape(-1, channels, rows, height, columns, width).sum(axis=(3, 5))
    return found


def _flatten(layer: Layer, spikes: Array, shape: Shape) -> Array:
    return spikes.reshape(len(spikes), *shape)


#: By the kind of a layer: what the spikes of one step add to its potentials.
SUMS: dict[str, Callable[[Any, Array, Shape], Array]] = {
    Dense.kind: _dense,
    Conv2d.kind: _conv2d,
    Pool2d.kind: _pool2d,
    Flatten.kind: _flatten,
}
