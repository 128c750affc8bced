"""A network from plain arrays of weights and thresholds, for people without any framework."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base.errors import UserError
from ..network import given
from ..network.float_network import FLOAT_DTYPES, FloatNetwork
from ..network.layers import Array, Conv2d, Dense, Flatten, Layer, Pair, Pool2d, Shape
from ..network.network import Network
from ..network.ttfs import PIXEL_VALUES, ttfs_table
from ..quantization.quantize import quantize
from .reading import square

SOURCE = "network from arrays"


def from_arrays(
    weights: Sequence[Any],
    thresholds: Sequence[Any],
    *,
    t_max: int,
    weight_width: int | Sequence[int] = 4,
    calibration: Array | None = None,
    **settings: Any,
) -> Network:
    """The integer network of float weights and thresholds: layers, encoder and quantization in one
    call.

    Parameters
    ----------
    weights : sequence of arrays
        One per layer of neurons: [out, in], or [out, in, kh, kw] for a convolution.
    thresholds : sequence of numbers or arrays [out]
    t_max : int
        Time steps of an inference.
    weight_width : int or sequence of int
        Signed width of the weights in bits, for all layers or per layer; see `quantize`. Weights
        that are integers of the width are kept as they are.
    calibration : uint8 array [N, *input_shape], optional
        Training images that refine the scales.
    settings
        Encoder, geometry and names, as of `float_from_arrays`.

    Raises
    ------
    UserError
        If the arrays do not fit each other, or a width is out of range.
    """
    network = float_from_arrays(weights, thresholds, t_max=t_max, **settings)
    return quantize(network, weight_width, calibration=calibration)[0]


def float_from_arrays(
    weights: Sequence[Any],
    thresholds: Sequence[Any],
    *,
    t_max: int,
    input_shape: Sequence[int] | None = None,
    encoder: Any = None,
    cutoff: int = 0,
    strides: Sequence[Any] | None = None,
    paddings: Sequence[Any] | None = None,
    pools: Sequence[Any] | None = None,
    class_names: Sequence[str] | None = None,
    name: str = "network",
) -> FloatNetwork:
    """The float network of weights and thresholds, for `quantize`, `evaluate` and `train --init`.

    Parameters
    ----------
    weights, thresholds, t_max
        As of `from_arrays`.
    input_shape : (channels, height, width), optional
        Of the image. A fully connected first layer can do without: then a square, or a row.
    encoder : uint8 array [256] or [planes, 256], optional
        Spike time of every pixel value; left out, that of `ttfs_table` with ``cutoff``.
    cutoff : int
        Darkest pixel value that spikes.
    strides, paddings : sequence of int or (int, int), optional
        One per layer, vertical and horizontal; None for fully connected layers.
    pools : sequence of int, (int, int) or None, optional
        Window of first-spike pooling behind each layer.
    class_names, name : optional

    Raises
    ------
    UserError
        If the arrays do not fit each other.
    """
    try:
        count = len(given.sequence(weights, "arrays"))
        geometry = [_per_layer(value, count) for value in (thresholds, strides, paddings, pools)]
    except given.Unfit as error:
        raise UserError(f"{SOURCE}: weights, thresholds and geometry {error}") from None
    table = ttfs_table(t_max, cutoff) if encoder is None else _whole(encoder)
    layers: list[Layer] = []
    flat = False
    for place, (weight, *rest) in enumerate(zip(weights, *geometry, strict=True)):
        made = _layer(f"{SOURCE}: layer {place}", weight, *rest)
        if not flat and isinstance(made[0], Dense):
            layers.append(Flatten())
            flat = True
        layers += made
    first = next((layer for layer in layers if isinstance(layer, Dense | Conv2d)), None)
    return FloatNetwork(
        name=name,
        t_max=t_max,
        input_shape=_image(input_shape, first, table),
        class_names=_classes(class_names, layers),
        encoder=table,
        layers=tuple(layers),
        scales=(None,) * len(layers),
        source=SOURCE,
    )


def _whole(encoder: Any) -> Any:
    """A table as it was given, if it has an entry for every pixel value; the network looks at the
    rest."""
    shape = np.shape(encoder)
    if len(shape) == 1 and shape[0] != PIXEL_VALUES:
        raise UserError(
            f"{SOURCE}: encoder must have {PIXEL_VALUES} spike times, one for every value of 8 "
            f"bits, not {shape[0]}; values that no pixel has may get any"
        )
    return encoder


def _per_layer(values: Sequence[Any] | None, count: int) -> tuple[Any, ...]:
    """One value per layer; None where none is given."""
    found = (None,) * count if values is None else given.sequence(values, "values per layer")
    if len(found) != count:
        raise given.Unfit(f"must be one for each of {count} layers, not {len(found)}")
    return found


def _layer(
    subject: str, weight: Any, threshold: Any, stride: Any, padding: Any, pool: Any
) -> list[Layer]:
    """A layer of neurons and the pooling behind it."""
    try:
        weight = _real(given.array(weight, FLOAT_DTYPES))
        if weight.ndim not in (2, 4):
            raise given.Unfit(f"must be [out, in] or [out, in, kh, kw], not {list(weight.shape)}")
        threshold = _real(given.array(threshold, FLOAT_DTYPES))
        if threshold.ndim == 0:
            threshold = np.full(len(weight), threshold)
        if weight.ndim == 2:
            if stride is not None or padding is not None or pool is not None:
                raise given.Unfit("must be a convolution to have stride, padding or pooling")
            return [Dense(weight, threshold, 0)]
        layers: list[Layer] = [
            Conv2d(weight, threshold, 0, _pair(stride, (1, 1)), _pair(padding, (0, 0)))
        ]
        return layers if pool is None else [*layers, Pool2d(_pair(pool, (1, 1)))]
    except given.Unfit as error:
        raise UserError(f"{subject} {error}") from None


def _real(array: Array) -> Array:
    """Floats as they are; integers as floats, which hold every weight and threshold there is."""
    if array.dtype.name in FLOAT_DTYPES:
        return array
    if array.dtype.kind not in "iuf":
        raise given.Unfit(f"must be an array of numbers, not {array.dtype}")
    return array.astype(np.float64)


def _pair(value: Any, default: Pair) -> Pair:
    if value is None:
        return default
    if isinstance(value, Sequence | np.ndarray):
        first, second = given.integers(value, 2)
        return first, second
    number = given.integer(value)
    return number, number


def _image(asked: Sequence[int] | None, first: Layer | None, table: Any) -> Shape:
    if asked is not None:
        return tuple(asked)
    if not isinstance(first, Dense):
        raise UserError(f"{SOURCE}: input_shape must be given with a convolution, and is missing")
    planes = max(1, np.asarray(table).size // 256)
    return square(first.inputs // planes)


def _classes(names: Sequence[str] | None, layers: list[Layer]) -> tuple[str, ...]:
    if names is not None:
        return tuple(names)
    count = layers[-1].neurons if layers and isinstance(layers[-1], Dense) else 0
    return tuple(str(number) for number in range(count))
