"""The layers a network is made of, each with the shape rule that validates it.

A layer is data: weights, thresholds and geometry. What it computes stands in `reference`, what it
becomes in hardware in `sstdp_rtl`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Shape = tuple[int, ...]
Array = np.ndarray[Any, np.dtype[Any]]


class ShapeError(ValueError):
    """A layer does not fit what comes before it; the text says the rule and the value found."""


@dataclass(frozen=True, eq=False)
class Dense:
    """Fully connected IF neurons.

    Parameters
    ----------
    weight : int array [out, in]
    threshold : int32 array [out]
    weight_width : int
        Signed width in bits that every weight fits in; 1 means the weights are -1 or +1.
    """

    weight: Array
    threshold: Array
    weight_width: int

    kind = "dense"

    @property
    def neurons(self) -> int:
        return int(self.weight.shape[0])

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[1])

    def output_shape(self, shape: Shape) -> Shape:
        if int(np.prod(shape)) != self.inputs:
            raise ShapeError(
                f"weight must have as many columns as the layer has inputs, {int(np.prod(shape))}, "
                f"not {self.inputs}"
            )
        return (self.neurons,)


@dataclass(frozen=True, eq=False)
class Conv2d:
    """IF neurons with shared weights; padding means that no spike arrives from there.

    Parameters
    ----------
    weight : int array [out, in, kh, kw]
    threshold : int32 array [out]
        One threshold per output channel.
    weight_width : int
    stride, padding : (int, int)
        Vertical and horizontal.
    """

    weight: Array
    threshold: Array
    weight_width: int
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)

    kind = "conv2d"

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3:
            raise ShapeError(f"conv2d needs an input of 3 dimensions, not {list(shape)}")
        if shape[0] != self.weight.shape[1]:
            raise ShapeError(
                f"weight must have as many input channels as its input, {shape[0]}, "
                f"not {self.weight.shape[1]}"
            )
        padded = [shape[1 + axis] + 2 * self.padding[axis] for axis in (0, 1)]
        kernel = self.weight.shape[2:]
        if kernel[0] > padded[0] or kernel[1] > padded[1]:
            raise ShapeError(
                f"kernel must not be larger than the padded input {padded[0]}x{padded[1]}, "
                f"not {kernel[0]}x{kernel[1]}"
            )
        height, width = ((padded[axis] - kernel[axis]) // self.stride[axis] + 1 for axis in (0, 1))
        return (int(self.weight.shape[0]), int(height), int(width))


@dataclass(frozen=True)
class Pool2d:
    """First-spike pooling: windows of ``kernel`` side by side; what fills none is dropped."""

    kernel: tuple[int, int]

    kind = "pool2d"

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 3:
            raise ShapeError(f"pool2d needs an input of 3 dimensions, not {list(shape)}")
        height, width = shape[1] // self.kernel[0], shape[2] // self.kernel[1]
        if not height or not width:
            raise ShapeError(
                f"kernel must not be larger than its input {shape[1]}x{shape[2]}, "
                f"not {self.kernel[0]}x{self.kernel[1]}"
            )
        return (shape[0], height, width)


@dataclass(frozen=True)
class Flatten:
    """Channels, rows and columns become one index, in C order."""

    kind = "flatten"

    def output_shape(self, shape: Shape) -> Shape:
        return (int(np.prod(shape)),)


Layer = Dense | Conv2d | Pool2d | Flatten


def layer_name(layer: Layer) -> str:
    """A layer in one word, as it is named on the command line: 400, conv16k5s2p1, pool2."""
    if isinstance(layer, Dense):
        return str(layer.neurons)
    if isinstance(layer, Conv2d):
        channels, _, height, width = layer.weight.shape
        return conv_name(channels, (height, width), layer.stride, layer.padding)
    return f"pool{_sides(layer.kernel)}" if isinstance(layer, Pool2d) else layer.kind


def conv_name(
    channels: int, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
) -> str:
    """A convolution in one word; stride 1 and padding 0 go without saying."""
    stride_part = "" if stride == (1, 1) else f"s{_sides(stride)}"
    padding_part = "" if padding == (0, 0) else f"p{_sides(padding)}"
    return f"conv{channels}k{_sides(kernel)}{stride_part}{padding_part}"


def _sides(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"


def fits_width(weight: Array, width: int) -> bool:
    """Whether every weight is a signed ``width``-bit number; at width 1, -1 or +1."""
    if not weight.size:
        return True
    if width == 1:
        return bool(np.all(np.abs(weight.astype(np.int64)) == 1))
    bound = 1 << (width - 1)
    return bool(weight.min() >= -bound and weight.max() < bound)
