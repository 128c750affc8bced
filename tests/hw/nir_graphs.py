"""Random NIR graphs, and a model of them that shares no code with the importer.

The model steps through the nodes as NIR defines them: potentials grow by ``r * dt * current``, a
neuron fires above its threshold, and is then set to ``v_reset``. It computes in fractions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import nir
import numpy as np

FAR_BELOW = -(2.0**40)


@dataclass(frozen=True)
class Shape:
    """What a random graph is made of.

    Parameters
    ----------
    convs : tuple of bool
        One per convolution: whether a pooling follows.
    dense : int
        Fully connected layers, at least one.
    scaled, nested, biased, shuffled : bool
        With Scale nodes; with the hidden part in a graph of its own; with a bias; names and edges
        in no order.
    """

    seed: int
    convs: tuple[bool, ...] = ()
    dense: int = 1
    integers: bool = True
    at_threshold: bool = False
    scaled: bool = False
    nested: bool = False
    biased: bool = False
    shuffled: bool = False


def random_graph(shape: Shape):
    """A graph, and the width that its weights are to have."""
    rng = np.random.default_rng(shape.seed)
    width = int(rng.integers(2, 7))
    r = float(rng.choice([1.0, 1e4]))
    signal = (int(rng.integers(1, 3)), int(rng.integers(4, 8)), int(rng.integers(4, 8)))
    if not shape.convs and rng.integers(2):
        signal = (int(rng.integers(4, 17)),)
    nodes = [nir.Input(np.array(signal))]
    for pooled in shape.convs:
        kernel = tuple(int(rng.integers(1, min(3, extent) + 1)) for extent in signal[1:])
        stride, padding = rng.integers(1, 3, 2), rng.integers(0, 2, 2)
        channels = int(rng.integers(1, 4))
        weight = _weight(rng, (channels, signal[0], *kernel), width, shape.integers)
        bias = _bias(rng, channels, shape)
        nodes.append(nir.Conv2d(signal[1:], weight, stride, padding, np.array([1, 1]), 1, bias))
        extents = [
            (signal[1 + axis] + 2 * int(padding[axis]) - kernel[axis]) // int(stride[axis]) + 1
            for axis in (0, 1)
        ]
        signal = (channels, *extents)
        nodes += _neurons(rng, signal, weight, r, shape)
        if pooled:
            window = np.array([int(rng.integers(1, min(3, extent) + 1)) for extent in extents])
            nodes.append(nir.SumPool2d(window, window, np.array([0, 0])))
            signal = (channels, *(int(e // w) for e, w in zip(extents, window, strict=True)))
            nodes.append(_if(np.full(signal, 0.5), r))
    if len(signal) == 3:
        nodes.append(nir.Flatten({"input": np.array(signal)}, 0, -1))
    count = int(np.prod(signal))
    for _ in range(shape.dense):
        outputs = int(rng.integers(2, 9))
        weight = _weight(rng, (outputs, count), width, shape.integers)
        if shape.biased or rng.integers(2):
            nodes.append(nir.Affine(weight, _bias(rng, outputs, shape)))
        else:
            nodes.append(nir.Linear(weight))
        nodes += _neurons(rng, (outputs,), weight, r, shape)
        count = outputs
    nodes.append(nir.Output(np.array([count])))
    return _joined(rng, nodes, shape), width


def _weight(rng, extents, width, integers):
    if integers:
        high = 1 << (width - 1)
        return rng.integers(-high, high, extents).astype(np.float32)
    return rng.normal(0.1, 1, extents).astype(np.float32)


def _bias(rng, outputs, shape):
    return rng.integers(-2, 3, outputs).astype(np.float32) * np.float32(shape.biased)


def _neurons(rng, signal, weight, r, shape):
    found = []
    if shape.scaled:
        found.append(nir.Scale(np.full(signal, 2.0 ** int(rng.integers(-2, 3)))))
    top = np.abs(weight).reshape(len(weight), -1).sum(axis=1) * rng.uniform(-0.05, 0.5, len(weight))
    threshold = (np.rint(top * 2) / 2).astype(np.float32)  # on an integer as often as between two
    rows = threshold.reshape(-1, *[1] * (len(signal) - 1))
    return [*found, _if(np.broadcast_to(rows, signal).copy(), r)]


def _if(threshold, r):
    return nir.IF(
        r=np.full(threshold.shape, r), v_threshold=threshold,
        v_reset=np.full(threshold.shape, FAR_BELOW),
    )  # fmt: skip


def _joined(rng, nodes, shape):
    order = np.arange(len(nodes))
    if shape.shuffled:
        rng.shuffle(order)
    names = [f"n{order[place]}" for place in range(len(nodes))]
    if shape.nested and len(nodes) > 4:
        ports = [kind(np.array([1])) for kind in (nir.Input, nir.Output)]  # nobody asks for them
        inner = _graph(["in", "a", "b", "out"], [ports[0], *nodes[1:3], ports[1]], rng, shape)
        nodes, names = [nodes[0], inner, *nodes[3:]], [names[0], "inner", *names[3:]]
    return _graph(names, nodes, rng, shape)


def _graph(names, nodes, rng, shape):
    edges = list(pairwise(names))
    pairs = list(zip(names, nodes, strict=True))
    if shape.shuffled:
        rng.shuffle(edges)
        rng.shuffle(pairs)
        edges = [tuple(str(name) for name in edge) for edge in edges]
    return nir.NIRGraph(dict(pairs), edges, type_check=False)


def in_order(graph):
    """The nodes of a chain, graphs in it laid open."""
    after = dict(graph.edges)
    (name,) = set(graph.nodes) - set(after.values())
    found = []
    while name is not None:
        node = graph.nodes[name]
        found += in_order(node) if isinstance(node, nir.NIRGraph) else [node]
        name = after.get(name)
    return found


def answers(graph, times, t_max, *, at_threshold, scales):
    """Class, decision time and silence of every sample, by rule 6, and all spike times.

    ``scales`` has, for every node of weights, what one step of the integers is worth and their
    width: the weights act as these integers, chosen here again.
    """
    nodes, scales = in_order(graph), list(scales)
    states, weights = {}, {}
    for place, node in enumerate(nodes):
        if isinstance(node, nir.Linear | nir.Affine | nir.Conv2d):
            scale, width = scales.pop(0)
            high = 1 << (width - 1)
            integers = np.clip(np.rint(node.weight.astype(np.float64) / scale), -high, high - 1)
            weights[place] = integers.astype(np.int64), Fraction(scale)
    count = len(times)
    first = {}
    margins = [None] * count
    for step in range(t_max):
        signal, unit = (times == step).astype(np.int64), Fraction(1)
        added = Fraction(0)
        for place, node in enumerate(nodes):
            if place in weights:
                weight, unit = weights[place]
                bias = getattr(node, "bias", None)
                signal = _sums(node, weight, signal)
                added = 0 if bias is None or step else _spread(bias, signal.shape)
            elif isinstance(node, nir.SumPool2d):
                signal, unit, added = _windows(node, signal), Fraction(1), 0
            elif isinstance(node, nir.Scale):
                unit, added = (
                    unit * Fraction(float(node.scale.flat[0])),
                    added * Fraction(float(node.scale.flat[0])),
                )
            elif isinstance(node, nir.Flatten):
                signal = signal.reshape(count, -1)
            elif isinstance(node, nir.IF):
                shape = (count, *node.v_threshold.shape)
                if place not in states:
                    states[place] = np.full(shape, Fraction(0))
                    first[place] = np.full(shape, t_max)
                volts = states[place] = states[place] + signal.reshape(shape) * unit + added
                bar = _fractions(node.v_threshold)
                now = (volts >= bar if at_threshold else volts > bar).astype(bool)
                last = place == len(nodes) - 2
                for sample in range(count) if last else ():
                    if margins[sample] is None and (now[sample].any() or step == t_max - 1):
                        margins[sample] = _steps_above(volts[sample], bar, unit, at_threshold)
                first[place][now & (first[place] == t_max)] = step
                states[place] = np.where(now, Fraction(FAR_BELOW), volts)
                signal, unit, added = now.astype(np.int64), Fraction(1), 0
    output = first[len(nodes) - 2]
    found = []
    for sample in range(count):
        decision = int(output[sample].min())
        able = [
            neuron for neuron in range(output.shape[1])
            if decision == t_max or output[sample][neuron] == decision
        ]  # fmt: skip
        best = max(able, key=lambda neuron: (margins[sample][neuron], -neuron))
        found.append((best, decision, decision == t_max))
    return found, [first[place] for place in sorted(first)]


def _steps_above(volts, bar, unit, at_threshold):
    """How many integer steps a potential is above the highest one that does not fire.

    A potential is a whole number of steps and, perhaps, a bias.
    """
    missing = [(b - v) / unit for v, b in zip(volts, bar, strict=True)]
    return [-(math.ceil(m) - 1) if at_threshold else -math.floor(m) for m in missing]


def _fractions(values):
    return np.array([Fraction(float(value)) for value in values.flat], object).reshape(values.shape)


def _spread(bias, shape):
    rows = _fractions(bias)
    return rows.reshape(1, -1, *[1] * (len(shape) - 2))


def _sums(node, weight, spikes):
    if not isinstance(node, nir.Conv2d):
        return spikes.reshape(len(spikes), -1) @ weight.T
    (down, across), (rows, columns) = node.stride, node.padding
    padded = np.pad(spikes, ((0, 0), (0, 0), (rows, rows), (columns, columns)))
    _, _, height, width = weight.shape
    tall = (padded.shape[2] - height) // down + 1
    wide = (padded.shape[3] - width) // across + 1
    found = np.zeros((len(spikes), len(weight), tall, wide), np.int64)
    for y in range(tall):
        for x in range(wide):
            patch = padded[:, :, y * down : y * down + height, x * across : x * across + width]
            for channel, kernel in enumerate(weight):
                found[:, channel, y, x] = (patch * kernel).sum(axis=(1, 2, 3))
    return found


def _windows(node, spikes):
    height, width = (int(extent) for extent in node.kernel_size)
    tall, wide = spikes.shape[2] // height, spikes.shape[3] // width
    found = np.zeros((*spikes.shape[:2], tall, wide), np.int64)
    for y in range(tall * height):
        for x in range(wide * width):
            found[:, :, y // height, x // width] += spikes[:, :, y, x]
    return found
