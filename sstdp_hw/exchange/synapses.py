"""The nodes between neurons: input, output, weights, sums of windows, changes of shape and scale.

Each function takes a node and the state before it, changes the state, and returns what the node
becomes, in words.
"""

from __future__ import annotations

import math

import numpy as np

from ..network.layers import Array, Conv2d, ConvGeometry, Dense, Flatten, Layer, Pool2d, Shape
from . import fields
from .fields import Unmapped
from .graph import Node
from .state import MappedLayer, Mapping, Reading, Sums

MOST_CELLS = 1 << 22  # of one layer; the largest networks that fit an FPGA have some 10,000


def take_input(node: Node, mapping: Mapping) -> str:
    if mapping.input_shape is not None:
        return "passes on"  # of a graph in the graph
    extents = fields.whole(node, "shape" if "shape" in node.fields else "input_type")
    shape = _without_batch(extents)
    mapping.input_shape = mapping.shape = _bounded(shape)
    return f"input {_shown(shape)}"


def _bounded(shape: Shape) -> Shape:
    """A shape whose cells can be held: a graph may ask for more in a few bytes."""
    if math.prod(shape) > MOST_CELLS:
        raise Unmapped(f"must have at most {MOST_CELLS} inputs or neurons, not {list(shape)}")
    return shape


def _without_batch(extents: tuple[int, ...]) -> Shape:
    """[N] or [C, H, W]: exporters leave a batch of one in front, and one channel away."""
    shape = list(extents)
    while len(shape) > 1 and shape[0] == 1 and len(shape) != 3:
        del shape[0]
    if len(shape) == 2:
        shape.insert(0, 1)
    if len(shape) not in (1, 3) or min(shape) < 1:
        raise Unmapped(f"shape must be [N] or [C, H, W], positive, not {list(extents)}")
    return tuple(shape)


def give_output(node: Node, mapping: Mapping) -> str:
    return "the decision: earliest spike, then the largest margin, then the lowest index"


def linear(node: Node, mapping: Mapping) -> str:
    weight = fields.numbers(node, "weight", rank=2)
    outputs, inputs = weight.shape
    shape = mapping.spikes((inputs,))
    mapping.shape = (outputs,)
    if len(shape) == 3 and max(shape) != np.prod(shape):
        raise Unmapped(
            f"must take one row of inputs, not {list(shape)}; a Flatten must stand before"
        )
    if inputs != np.prod(shape):
        raise Unmapped(
            f"weight must be [outputs, inputs] with {np.prod(shape)} inputs, not "
            f"{list(weight.shape)}"
        )
    bias = np.zeros(outputs)
    if node.fields.get("bias") is not None:
        bias = _bias(node, outputs, mapping.reading)
    if mapping.gain is not None:
        weight = weight.astype(np.float64) * mapping.gain.reshape(1, -1)
    if len(shape) == 3 or not mapping.layers:
        mapping.layers.append(MappedLayer(Flatten()))

    def make(weight: Array, threshold: Array) -> Layer:
        return Dense(weight, threshold, 0)

    return _wait(mapping, Sums(node, (outputs,), make, weight, bias, np.ones(outputs)))


def conv2d(node: Node, mapping: Mapping) -> str:
    weight = fields.numbers(node, "weight", rank=4)
    channels, depth, height, width = weight.shape
    kernel = (height, width)
    if (groups := fields.whole(node, "groups")) != (1,):
        raise Unmapped(f"groups must be 1, not {groups[0]}")
    if (dilation := fields.pair(node, "dilation")) != (1, 1):
        raise Unmapped(f"dilation must be 1, not {list(dilation)}")
    stride, padding = fields.pair(node, "stride"), fields.padding(node, kernel)
    if fields.in_words(node) == "same" and stride != (1, 1):
        raise Unmapped(f"stride must be 1 with padding 'same', not {list(stride)}")
    if min(stride) < 1 or min(padding) < 0:
        raise Unmapped(
            f"stride must be positive and padding not negative, not {list(stride)} and "
            f"{list(padding)}"
        )
    geometry = ConvGeometry(channels, depth, kernel, stride, padding)
    mapping.shape = shape = _bounded(geometry.output_shape(mapping.spikes()))
    bias = np.zeros(channels)
    if node.fields.get("bias") is not None:
        bias = _bias(node, channels, mapping.reading)
    if mapping.gain is not None:
        gain = fields.of_rows(mapping.gain, "scale before a convolution")
        weight = weight.astype(np.float64) * gain.reshape(1, -1, 1, 1)

    def make(weight: Array, threshold: Array) -> Layer:
        return Conv2d(weight, threshold, 0, stride, padding)

    return _wait(mapping, Sums(node, shape, make, weight, bias, np.ones(shape)))


def _bias(node: Node, outputs: int, reading: Reading) -> Array:
    bias = fields.numbers(node, "bias").astype(np.float64).reshape(-1)
    if bias.size != outputs:
        raise Unmapped(f"bias must have {outputs} values, not {bias.size}")
    if bias.any() and not reading.bias_once and reading.t_max != 1:
        raise Unmapped(
            f"bias must be 0, and goes from {bias.min():g} to {bias.max():g}: it acts in every "
            "step, which no threshold can stand for; train without bias, or, if yours acts once, "
            "say --bias-once"
        )
    return bias


def sum_pool(node: Node, mapping: Mapping) -> str:
    kernel, stride = fields.pair(node, "kernel_size"), fields.pair(node, "stride")
    if min(kernel) < 1 or stride != kernel:
        raise Unmapped(
            f"stride must be the window, {list(kernel)}, so that windows lie side by side, not "
            f"{list(stride)}"
        )
    if (padding := fields.pair(node, "padding")) != (0, 0):
        raise Unmapped(f"padding must be 0, not {list(padding)}")
    pool = Pool2d(kernel)
    shape = pool.output_shape(mapping.spikes())
    gain = np.ones(shape)
    if mapping.gain is not None:
        channels = fields.of_rows(mapping.gain, "scale before a pooling")
        gain = np.broadcast_to(channels.reshape(-1, 1, 1), shape)
    return _wait(mapping, Sums(node, shape, lambda *_: pool, None, np.zeros(shape[0]), gain))


def _wait(mapping: Mapping, sums: Sums) -> str:
    mapping.sums, mapping.shape, mapping.gain = sums, sums.shape, None
    what = "windows" if sums.weight is None else "weights"
    return f"{what} of layers.{len(mapping.layers)}"


def flatten(node: Node, mapping: Mapping) -> str:
    shape = mapping.known()
    start, end = (
        fields.whole(node, name)[0] if name in node.fields else default
        for name, default in (("start_dim", 1), ("end_dim", -1))
    )
    first, last = (axis % len(shape) if -len(shape) <= axis < len(shape) else -1
                   for axis in (start, end))  # fmt: skip
    if min(first, last) < 0 or last < first:
        raise Unmapped(
            f"start_dim and end_dim must be axes of {list(shape)}, not {start} and {end}"
        )
    middle = int(np.prod(shape[first : last + 1]))
    left = (*shape[:first], middle, *shape[last + 1 :])
    if max(left) != np.prod(shape):
        raise Unmapped(f"must make one row of {list(shape)}, and makes {list(left)}")
    flat = (int(np.prod(shape)),)
    if mapping.sums is not None:
        mapping.sums.flat = True
    elif len(shape) == 3:
        mapping.layers.append(MappedLayer(Flatten()))
        mapping.gain = None if mapping.gain is None else mapping.gain.reshape(flat)
    mapping.shape = flat
    return "flatten"


def scale(node: Node, mapping: Mapping) -> str:
    scale = fields.numbers(node, "scale")
    if mapping.sums is not None:
        sums = mapping.sums
        sums.gain = sums.gain * fields.of_shape(scale, sums.shape, "scale")
        return f"folded into layers.{len(mapping.layers)}"
    gain = fields.of_shape(scale, mapping.known(), "scale")
    mapping.gain = gain if mapping.gain is None else mapping.gain * gain
    return "folded into the weights behind it"


def _shown(shape: Shape) -> str:
    return "x".join(map(str, shape))
