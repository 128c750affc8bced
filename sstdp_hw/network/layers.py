"""The layers a network is made of, one class a kind.

A layer is data: weights, thresholds and geometry. Its class owns what follows from the kind alone:
the shape it makes, its neurons' fan-out, its multiply-accumulates, its name, and its entry in a
file. What a layer computes stands in `sstdp_hw.reference`, what it becomes in hardware in
`sstdp_hw.blocks` and `sstdp_rtl`; there, tables keyed by `Layer.kind` tell the kinds apart.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, Protocol

import numpy as np

from .reach import Reach

Shape = tuple[int, ...]
Pair = tuple[int, int]
Array = np.ndarray[Any, np.dtype[Any]]

#: Strides, paddings and windows are below this; what training is asked for, too.
EXTENTS = 1 << 16

#: Refuses with a subject and a text of rule and value; never returns.
Refuse = Callable[[str, str], NoReturn]


class ShapeError(ValueError):
    """A layer does not fit what comes before it; the text says the rule and the value found."""


class Entry(Protocol):
    """A layer's part of a file, as `Layer.from_entry` reads it. What is missing or of another type
    is refused in one line."""

    def pair(self, key: str, default: Pair | None = None) -> Pair:
        """Two integers from 0 to `EXTENTS`, vertical and horizontal."""
        ...

    def numbers(self) -> tuple[Array, Array, int]:
        """Weights, thresholds and weight width."""
        ...


@dataclass(frozen=True)
class Layer(ABC):
    """Base of all kinds.

    Members
    -------
    kind : str
        As the file has it.
    required, optional : sets of str
        Geometry that the layer's entry in a file must or may have.
    passes_inputs_on : bool
        Whether an output is the input of the same place in C order, so that nothing happens here.
    """

    kind: ClassVar[str]
    required: ClassVar[frozenset[str]] = frozenset()
    optional: ClassVar[frozenset[str]] = frozenset()
    passes_inputs_on: ClassVar[bool] = False

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """The shape this makes of an input of ``shape``.

        Raises
        ------
        ShapeError
            If the layer does not fit such an input.
        """

    @property
    @abstractmethod
    def name(self) -> str:
        """In one word, as it is named on the command line: 400, conv16k5s2p1, pool2."""

    def multiply_accumulates(self, shape: Shape) -> int:
        """Of the same layer without spikes on an input of ``shape``, padding among them."""
        return 0

    def geometry(self) -> dict[str, list[int]]:
        """What the layer's entry in a file says besides kind and numbers."""
        return {}

    def check_geometry(self, refuse: Refuse) -> None:  # noqa: B027 - most kinds have none
        """Refuse a geometry that is out of range whatever the input."""

    @classmethod
    @abstractmethod
    def from_entry(cls, entry: Entry) -> Layer:
        """The layer of an entry in a file."""


@dataclass(frozen=True, eq=False)
class WeightedLayer(Layer):
    """A layer that has neurons.

    Parameters
    ----------
    weight : array [out, in] or [out, in, kh, kw]
        Integers of ``weight_width`` bits; in a float network real numbers.
    threshold : array [out]
    weight_width : int
        Signed width in bits that every weight fits in; 1 means the weights are -1 or +1.

    Members
    -------
    weight_rank : int
        Number of dimensions of ``weight``.
    shares_weights : bool
        Whether one weight serves many neurons.
    """

    weight: Array
    threshold: Array
    weight_width: int

    weight_rank: ClassVar[int]
    shares_weights: ClassVar[bool] = False

    @property
    def outputs(self) -> int:
        """Rows of ``weight``: neurons, or output channels of a convolution."""
        return int(self.weight.shape[0])

    @abstractmethod
    def fan_out(self, shape: Shape) -> Array:
        """Number of neurons that each input reaches: int64 of ``shape``."""

    @abstractmethod
    def used_inputs(self, shape: Shape) -> Array:
        """Inputs that any neuron has a weight for: bool of ``shape``."""


@dataclass(frozen=True, eq=False)
class Dense(WeightedLayer):
    """Fully connected IF neurons.

    Parameters
    ----------
    weight : int array [out, in]
    threshold : int32 array [out]
    weight_width : int
        Signed width in bits that every weight fits in; 1 means the weights are -1 or +1.
    """

    kind = "dense"
    weight_rank = 2

    @property
    def neurons(self) -> int:
        return self.outputs

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[1])

    @property
    def name(self) -> str:
        return str(self.neurons)

    def output_shape(self, shape: Shape) -> Shape:
        if int(np.prod(shape)) != self.inputs:
            raise ShapeError(
                f"weight must have as many columns as the layer has inputs, {int(np.prod(shape))}, "
                f"not {self.inputs}"
            )
        return (self.neurons,)

    def multiply_accumulates(self, shape: Shape) -> int:
        return int(self.weight.size)

    def fan_out(self, shape: Shape) -> Array:
        return np.full(shape, self.neurons, np.int64)

    def used_inputs(self, shape: Shape) -> Array:
        used: Array = (self.weight != 0).any(axis=0).reshape(shape)
        return used

    @classmethod
    def from_entry(cls, entry: Entry) -> Dense:
        return cls(*entry.numbers())


@dataclass(frozen=True)
class ConvGeometry:
    """A convolution without its weights.

    Parameters
    ----------
    channels : int
        Of the output.
    depth : int
        Channels of the input.
    kernel, stride, padding : (int, int)
        Vertical and horizontal.
    """

    channels: int
    depth: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)

    @property
    def name(self) -> str:
        """As `Layer.name`; stride 1 and padding 0 go without saying."""
        stride = "" if self.stride == (1, 1) else f"s{_sides(self.stride)}"
        padding = "" if self.padding == (0, 0) else f"p{_sides(self.padding)}"
        return f"conv{self.channels}k{_sides(self.kernel)}{stride}{padding}"

    def output_shape(self, shape: Shape) -> Shape:
        """See `Layer.output_shape`."""
        if len(shape) != 3:
            raise ShapeError(f"conv2d needs an input of 3 dimensions, not {list(shape)}")
        if shape[0] != self.depth:
            raise ShapeError(
                f"weight must have as many input channels as its input, {shape[0]}, "
                f"not {self.depth}"
            )
        padded = [shape[1 + axis] + 2 * self.padding[axis] for axis in (0, 1)]
        if self.kernel[0] > padded[0] or self.kernel[1] > padded[1]:
            raise ShapeError(
                f"kernel must not be larger than the padded input {padded[0]}x{padded[1]}, "
                f"not {self.kernel[0]}x{self.kernel[1]}"
            )
        rows, columns = self.reaches(shape)
        return (self.channels, rows.outputs, columns.outputs)

    def reaches(self, shape: Shape) -> tuple[Reach, Reach]:
        """What the rows and the columns of an input of ``shape`` reach."""
        rows, columns = (
            Reach(int(shape[1 + axis]), self.kernel[axis], self.stride[axis], self.padding[axis])
            for axis in (0, 1)
        )
        return rows, columns

    def positions_reached(self, shape: Shape) -> Array:
        """Number of output positions that each input reaches: int64 of ``shape``."""
        rows, columns = self.reaches(shape)
        return np.broadcast_to(np.outer(rows.count, columns.count), shape)


@dataclass(frozen=True, eq=False)
class Conv2d(WeightedLayer):
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

    stride: Pair = (1, 1)
    padding: Pair = (0, 0)

    kind = "conv2d"
    weight_rank = 4
    shares_weights = True
    optional = frozenset({"stride", "padding"})

    @property
    def without_weights(self) -> ConvGeometry:
        channels, depth, height, width = (int(extent) for extent in self.weight.shape)
        return ConvGeometry(channels, depth, (height, width), self.stride, self.padding)

    @property
    def name(self) -> str:
        return self.without_weights.name

    def output_shape(self, shape: Shape) -> Shape:
        return self.without_weights.output_shape(shape)

    def multiply_accumulates(self, shape: Shape) -> int:
        return int(self.weight.size * np.prod(self.output_shape(shape)[1:]))

    def fan_out(self, shape: Shape) -> Array:
        reached: Array = self.without_weights.positions_reached(shape) * self.outputs
        return reached

    def used_inputs(self, shape: Shape) -> Array:
        used = (self.weight != 0).any(axis=(0, 2, 3))
        return np.broadcast_to(used[:, None, None], shape)

    def geometry(self) -> dict[str, list[int]]:
        return {"stride": list(self.stride), "padding": list(self.padding)}

    def check_geometry(self, refuse: Refuse) -> None:
        if min(self.stride) < 1:
            refuse("stride", f"must be positive, not {list(self.stride)}")
        if min(self.padding) < 0:
            refuse("padding", f"must not be negative, not {list(self.padding)}")
        _check_extent(refuse, "stride", self.stride)
        _check_extent(refuse, "padding", self.padding)

    @classmethod
    def from_entry(cls, entry: Entry) -> Conv2d:
        stride, padding = entry.pair("stride", (1, 1)), entry.pair("padding", (0, 0))
        return cls(*entry.numbers(), stride, padding)


@dataclass(frozen=True)
class Pool2d(Layer):
    """First-spike pooling: windows of ``kernel`` side by side; what fills none is dropped."""

    kernel: Pair

    kind = "pool2d"
    required = frozenset({"kernel"})

    @property
    def name(self) -> str:
        return f"pool{_sides(self.kernel)}"

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

    def geometry(self) -> dict[str, list[int]]:
        return {"kernel": list(self.kernel)}

    def check_geometry(self, refuse: Refuse) -> None:
        if min(self.kernel) < 1:
            refuse("kernel", f"must be positive, not {list(self.kernel)}")
        _check_extent(refuse, "kernel", self.kernel)

    @classmethod
    def from_entry(cls, entry: Entry) -> Pool2d:
        return cls(entry.pair("kernel"))


@dataclass(frozen=True)
class Flatten(Layer):
    """Channels, rows and columns become one index, in C order."""

    kind = "flatten"
    passes_inputs_on = True

    @property
    def name(self) -> str:
        return self.kind

    def output_shape(self, shape: Shape) -> Shape:
        return (int(np.prod(shape)),)

    @classmethod
    def from_entry(cls, entry: Entry) -> Flatten:
        return cls()


#: Every kind of layer by its name. A table elsewhere that tells kinds apart has these keys, or says
#: which it leaves out; tests/hw/test_layer_kinds.py holds all of them to that.
KINDS: dict[str, type[Layer]] = {layer.kind: layer for layer in (Dense, Conv2d, Pool2d, Flatten)}


def _sides(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"


def _check_extent(refuse: Refuse, subject: str, values: Pair) -> None:
    if max(values) >= EXTENTS:
        refuse(subject, f"must be below {EXTENTS}, not {list(values)}")


def fits_width(weight: Array, width: int) -> bool:
    """Whether every weight is a signed ``width``-bit number; at width 1, -1 or +1."""
    if not weight.size:
        return True
    if width == 1:
        return bool(np.all(np.abs(weight.astype(np.int64)) == 1))
    bound = 1 << (width - 1)
    return bool(weight.min() >= -bound and weight.max() < bound)
