"""Section "arithmetic" of the design as plain loops over Python integers, to check `reference`.

Slow and obvious on purpose: no matrix, no floating point, no shared code with the fast version.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..network.layers import Array, Conv2d, Dense, Layer, Pool2d, Shape, WeightedLayer
from ..network.network import Network

Times = dict[tuple[int, ...], int]
Synapses = dict[tuple[int, ...], list[tuple[tuple[int, ...], int]]]


def infer(network: Network, image: Array) -> tuple[int, int, bool, list[Times]]:
    """Class, decision time, silent flag, and the spike time of every input and neuron by index."""
    times = INPUT_TIMES[network.input_kind](network, image)
    history = [times]
    margins: dict[tuple[int, ...], list[int]] = {}
    for layer, shape in zip(network.layers, network.shapes[1:], strict=True):
        times, margins = _layer(layer, times, shape, network.t_max)
        history.append(times)
    decision_time = min(times.values())
    silent = decision_time == network.t_max
    step = network.t_max - 1 if silent else decision_time
    candidates = [key for key in times if silent or times[key] == decision_time]
    best = max(candidates, key=lambda key: (margins[key][step], -key[0]))
    return best[0], decision_time, silent, history


def _encoded(network: Network, image: Array) -> Times:
    planes = len(network.tables)
    return {
        (channel * planes + plane, row, column): int(table[pixel])
        for (channel, row, column), pixel in _items(image)
        for plane, table in enumerate(network.tables)
    }


def _given(network: Network, spike_times: Array) -> Times:
    return dict(_items(spike_times))


def _items(image: Array) -> list[tuple[tuple[int, ...], int]]:
    channels, height, width = image.shape
    return [
        ((c, y, x), int(image[c, y, x]))
        for c in range(channels) for y in range(height) for x in range(width)
    ]  # fmt: skip


def _layer(
    layer: Layer, inputs: Times, shape: Shape, t_max: int
) -> tuple[Times, dict[tuple[int, ...], list[int]]]:
    if not isinstance(layer, WeightedLayer):
        return PASSED_ON[layer.kind](layer, inputs, shape), {}
    times: Times = {}
    margins: dict[tuple[int, ...], list[int]] = {}
    for neuron, synapses in SYNAPSES[layer.kind](layer, inputs, shape).items():
        theta = int(layer.threshold[neuron[0]])
        margins[neuron] = []
        times[neuron] = t_max
        for step in range(t_max):
            potential = sum(weight for key, weight in synapses if inputs[key] <= step)
            margins[neuron].append(potential - theta)
            if potential > theta and times[neuron] == t_max:
                times[neuron] = step
    return times, margins


def _flatten(layer: Layer, inputs: Times, shape: Shape) -> Times:
    return {(index,): inputs[key] for index, key in enumerate(sorted(inputs))}


def _pool2d(layer: Pool2d, inputs: Times, shape: Shape) -> Times:
    return {
        (c, y, x): min(
            inputs[c, y * layer.kernel[0] + dy, x * layer.kernel[1] + dx]
            for dy in range(layer.kernel[0]) for dx in range(layer.kernel[1])
        )
        for c in range(shape[0]) for y in range(shape[1]) for x in range(shape[2])
    }  # fmt: skip


def _dense(layer: Dense, inputs: Times, shape: Shape) -> Synapses:
    keys = sorted(inputs)
    return {
        (j,): [(key, int(layer.weight[j, i])) for i, key in enumerate(keys)]
        for j in range(shape[0])
    }


def _conv2d(layer: Conv2d, inputs: Times, shape: Shape) -> Synapses:
    _, depth, kernel_height, kernel_width = layer.weight.shape
    synapses: Synapses = {}
    for o in range(shape[0]):
        for y in range(shape[1]):
            for x in range(shape[2]):
                synapses[o, y, x] = [
                    (key, int(layer.weight[o, i, dy, dx]))
                    for i in range(depth)
                    for dy in range(kernel_height)
                    for dx in range(kernel_width)
                    if (
                        key := (
                            i,
                            y * layer.stride[0] + dy - layer.padding[0],
                            x * layer.stride[1] + dx - layer.padding[1],
                        )
                    )
                    in inputs
                ]
    return synapses


#: By the kind of a network's input: the spike time of every input.
INPUT_TIMES: dict[str, Callable[[Network, Array], Times]] = {
    "pixels": _encoded,
    "spikes": _given,
}

#: By the kind of a layer without neurons: the spike times it passes on.
PASSED_ON: dict[str, Callable[[Any, Times, Shape], Times]] = {
    "pool2d": _pool2d,
    "flatten": _flatten,
}

#: By the kind of a weighted layer: the inputs of every neuron, each with its weight.
SYNAPSES: dict[str, Callable[[Any, Times, Shape], Synapses]] = {
    "dense": _dense,
    "conv2d": _conv2d,
}
