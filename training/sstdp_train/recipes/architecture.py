"""Networks named in text: ``conv16k5,pool2,conv32k5,pool2,400`` to layers and their shapes.

    400            400 fully connected neurons
    conv16k5       convolution: 16 channels, kernel 5x5; k3x5 is 3 high and 5 wide
    conv16k5s2p1   the same with stride 2 and padding 1; both may be given as 2x1 as well
    pool2          first-spike pooling of windows 2x2 side by side; pool2x1 is 2 high and 1 wide

The output layer, one neuron per class, is not named. Kinds and rules are those of the network file
(docs/network-format.md); what has no place there, such as a stride of pooling, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.layers import (
    EXTENTS,
    Array,
    Conv2d,
    ConvGeometry,
    Dense,
    Layer,
    Pool2d,
    Shape,
    ShapeError,
)

Pair = tuple[int, int]

_PAIR = r"(\d+(?:x\d+)?)"
_CONV = re.compile(rf"conv(\d+)k{_PAIR}(?:s{_PAIR})?(?:p{_PAIR})?")
_POOL = re.compile(rf"pool{_PAIR}")
_POOL_STRIDE = re.compile(rf"pool{_PAIR}s{_PAIR}")


class LayersError(UserError):
    """Layers as named that are none, or do not fit; the command line puts its option before it."""


@dataclass(frozen=True)
class Geometry:
    """Where the kernel of a convolution lies, for every output position.

    Parameters
    ----------
    inputs, outputs : (height, width, channels)
        Channels are last here: one position's neurons lie side by side.
    kernel, stride, padding : (int, int)
    """

    inputs: tuple[int, int, int]
    outputs: tuple[int, int, int]
    kernel: Pair
    stride: Pair
    padding: Pair

    @property
    def fan_in(self) -> int:
        return self.kernel[0] * self.kernel[1] * self.inputs[2]


@dataclass(frozen=True)
class DenseSpec:
    """Fully connected neurons as named.

    Members
    -------
    kind : str
        As in the network file, here and below.
    weighted : bool
    dense : bool
        Whether the layer takes and gives one index instead of an image.
    """

    neurons: int

    kind = Dense.kind
    weighted = True
    dense = True

    def __str__(self) -> str:
        return str(self.neurons)

    @property
    def entry(self) -> int:
        """The layer as recipes hold it."""
        return self.neurons

    @classmethod
    def read(cls, text: str) -> DenseSpec | None:
        """The layer that ``text`` stands for, None if it is of another kind; see `parse`."""
        return cls(_within(text, "neurons", int(text), 1)) if text.isdecimal() else None

    def output_shape(self, inputs: Shape) -> Shape:
        """ShapeError if the layer does not fit, by the rules of the network file."""
        return (self.neurons,)

    def geometry(self, inputs: Shape, outputs: Shape) -> Geometry:
        """See `PooledLayer`."""
        height, width, channels = _channels_last(inputs)
        return Geometry(
            (height, width, channels), (1, 1, self.neurons), (height, width), (1, 1), (0, 0)
        )


@dataclass(frozen=True)
class ConvSpec:
    """A convolution as named; pairs are vertical and horizontal. See `DenseSpec`."""

    channels: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)

    kind = Conv2d.kind
    weighted = True
    dense = False

    def __str__(self) -> str:
        return self.on(1).name

    def on(self, depth: int) -> ConvGeometry:
        """On an input of ``depth`` channels."""
        return ConvGeometry(self.channels, depth, self.kernel, self.stride, self.padding)

    @property
    def entry(self) -> str:
        return str(self)

    @classmethod
    def read(cls, text: str) -> ConvSpec | None:
        if not (found := _CONV.fullmatch(text)):
            return None
        spec = cls(
            _within(text, "channels", int(found[1]), 1), _pair(found[2], 1), _pair(found[3], 1),
            _pair(found[4], 0),
        )  # fmt: skip
        for what, pair, low in (
            ("kernel", spec.kernel, 1), ("stride", spec.stride, 1), ("padding", spec.padding, 0)
        ):  # fmt: skip
            for number in pair:
                _within(text, what, number, low)
        return spec

    def output_shape(self, inputs: Shape) -> Shape:
        return self.on(inputs[0]).output_shape(inputs)

    def geometry(self, inputs: Shape, outputs: Shape) -> Geometry:
        return Geometry(
            _channels_last(inputs), _channels_last(outputs), self.kernel, self.stride, self.padding
        )


@dataclass(frozen=True)
class PoolSpec:
    """First-spike pooling as named. See `DenseSpec`."""

    kernel: Pair

    kind = Pool2d.kind
    weighted = False
    dense = False

    def __str__(self) -> str:
        return Pool2d(self.kernel).name

    @property
    def entry(self) -> str:
        return str(self)

    @classmethod
    def read(cls, text: str) -> PoolSpec | None:
        if found := _POOL.fullmatch(text):
            spec = cls(_pair(found[1], 1))
            for number in spec.kernel:
                _within(text, "kernel", number, 1)
            return spec
        if _POOL_STRIDE.fullmatch(text):
            raise LayersError(
                f"Layer {text}: pooling must have no stride of its own, for windows lie side by "
                f"side (docs/network-format.md); use {text[: text.index('s')]}"
            )
        return None

    def output_shape(self, inputs: Shape) -> Shape:
        return Pool2d(self.kernel).output_shape(inputs)


Spec = DenseSpec | ConvSpec | PoolSpec

# By kind. Flattening has none: it goes without saying.
SPECS: dict[str, type[Spec]] = {spec.kind: spec for spec in (DenseSpec, ConvSpec, PoolSpec)}


def _pair(text: str | None, default: int) -> Pair:
    numbers = [int(part) for part in text.split("x")] if text else [default]
    return numbers[0], numbers[-1]


def _channels_last(shape: Shape) -> tuple[int, int, int]:
    channels, height, width = shape if len(shape) == 3 else (*shape, 1, 1)
    return height, width, channels


def parse(name: int | str) -> Spec:
    """The layer that ``name`` stands for.

    Raises
    ------
    UserError
        If it stands for none, or a number in it is out of its range.
    """
    text = str(name)
    for kind in SPECS.values():
        if spec := kind.read(text):
            return spec
    raise LayersError(
        f"Layer {text!r}: must be a number of neurons, or like conv16k5, conv16k3s2p1, pool2"
    )


def _within(text: str, what: str, number: int, low: int) -> int:
    if not low <= number < EXTENTS:
        raise LayersError(
            f"Layer {text}: {what} must be between {low} and {EXTENTS - 1}, not {number}"
        )
    return number


def canonical(names: Sequence[int | str]) -> tuple[int | str, ...]:
    """The layers as recipes hold them: numbers for fully connected ones, the shortest name for
    others."""
    return tuple(parse(name).entry for name in names)


def weighted_layers(names: Sequence[int | str]) -> int:
    """How many layers have weights, the output layer among them."""
    return sum(parse(name).weighted for name in names) + 1


def begins_dense(names: Sequence[int | str]) -> bool:
    """Whether the first layer is fully connected."""
    return not names or parse(names[0]).dense


@dataclass(frozen=True)
class PooledLayer:
    """A layer with weights and the pooling behind it, as a backend takes them in one pass.

    Parameters
    ----------
    geometry : Geometry
        A fully connected layer is a convolution whose kernel covers its input.
    pool : (int, int)
        Window of first-spike pooling between this layer and the next; (1, 1) for none.
    dense : bool
    """

    geometry: Geometry
    pool: Pair
    dense: bool

    @property
    def pooled(self) -> tuple[int, int, int]:
        """Height, width and channels behind pooling."""
        height, width, channels = self.geometry.outputs
        return height // self.pool[0], width // self.pool[1], channels

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the layer's neurons, as its spike times have it."""
        return self.geometry.outputs[2:] if self.dense else self.geometry.outputs

    def channels_first(self, weight: Array) -> Array:
        """A layer's weights, in its own order, as [channels, kernel height, kernel width, out]."""
        if not self.dense:
            return weight.transpose(2, 0, 1, 3)
        return weight.reshape(self.geometry.inputs[2], *self.geometry.kernel, -1)

    def own_order(self, weight: Array) -> Array:
        """The inverse of `channels_first`."""
        if not self.dense:
            return np.ascontiguousarray(weight.transpose(1, 2, 0, 3))
        return weight.reshape(self.geometry.fan_in, -1)


@dataclass(frozen=True)
class Placed:
    """A layer in its place: what it is called, its spec, and shapes as in the network file."""

    name: str
    spec: Spec
    inputs: Shape
    outputs: Shape

    @property
    def geometry(self) -> Geometry:
        """Of a weighted layer; see `PooledLayer`."""
        assert not isinstance(self.spec, PoolSpec)
        return self.spec.geometry(self.inputs, self.outputs)


def place(names: Sequence[int | str], input_shape: Shape, classes: int) -> tuple[Placed, ...]:
    """All layers of a network, the output layer as the last, each with its shapes.

    Parameters
    ----------
    names : sequence of int or str
    input_shape : (channels, height, width)
    classes : int

    Raises
    ------
    UserError
        If a layer does not fit what comes before it: names the layer, the rule and the value.
    """
    placed: list[Placed] = []
    shape = tuple(input_shape)
    for number, spec in enumerate([*map(parse, names), DenseSpec(classes)]):
        what = "the output layer" if number == len(names) else f"{number + 1} ({spec})"
        try:
            outputs = spec.output_shape(shape)
        except ShapeError as error:
            raise LayersError(f"Layer {what} on an input of {_by(shape)}: {error}") from None
        placed.append(Placed(what, spec, shape, outputs))
        shape = outputs
    return tuple(placed)


def pooled_layers(placed: Sequence[Placed]) -> list[PooledLayer] | None:
    """The layers with weights, each with the pooling behind it; what comes before them is left out.

    None if neurons are pooled twice: larger windows have the same spikes, but not the same first
    one of equally early ones.
    """
    found: list[PooledLayer] = []
    for layer in placed:
        if layer.spec.weighted:
            found.append(PooledLayer(layer.geometry, (1, 1), layer.spec.dense))
        elif isinstance(layer.spec, PoolSpec) and found and found[-1].pool == (1, 1):
            found[-1] = replace(found[-1], pool=layer.spec.kernel)
        elif found:
            return None
    return found


def _by(shape: Shape) -> str:
    return "x".join(str(extent) for extent in shape)


def names_of(layers: Sequence[Layer]) -> tuple[int | str, ...]:
    """The names of a network's hidden layers, flatten left out: the inverse of `place`."""
    names = [layer.name for layer in layers if layer.kind != "flatten"]
    return canonical(names[:-1])
