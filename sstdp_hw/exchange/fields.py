"""The fields of a NIR node, checked: nothing in a graph is trusted.

Raises
------
Unmapped
    From every function, with the field, the rule and the value found.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..network.chain import shortened
from ..network.layers import EXTENTS, Array, Pair, Shape
from .graph import Node


class Unmapped(ValueError):
    """A node that cannot become part of a network; the text is the rule and the value found."""


def numbers(node: Node, name: str, *, rank: int | None = None, finite: bool = True) -> Array:
    """An array of real numbers: float32 as it is, all others as float64."""
    value: Any = node.fields.get(name)
    if hasattr(value, "detach"):  # some exporters leave torch tensors in the graph
        value = value.detach().cpu().numpy()
    try:
        found = np.asarray(value)
    except (ValueError, TypeError):
        found = np.asarray(None)
    if found.dtype.kind not in "iuf" or not found.size:
        what = "is missing" if value is None else f"is {shortened(repr(value))}"
        raise Unmapped(f"{name} must be numbers, and {what}")
    if rank is not None and found.ndim != rank:
        raise Unmapped(f"{name} must have {rank} axes, not {list(found.shape)}")
    if finite and not np.isfinite(found).all():
        raise Unmapped(f"{name} must be finite, and has NaN or infinity")
    return found if found.dtype == np.float32 else found.astype(np.float64)


def whole(node: Node, name: str) -> tuple[int, ...]:
    """Integers of a field, flat."""
    found = numbers(node, name).reshape(-1)
    if not np.array_equal(found, np.rint(found)) or np.abs(found).max() >= EXTENTS:
        raise Unmapped(f"{name} must be integers below {EXTENTS}, not {found.tolist()}")
    return tuple(int(value) for value in found)


def pair(node: Node, name: str) -> Pair:
    """Two integers, vertical and horizontal; one stands for both."""
    found = whole(node, name)
    if len(found) not in (1, 2):
        raise Unmapped(f"{name} must be one or two integers, not {len(found)}")
    return found[0], found[-1]


def in_words(node: Node) -> str | None:
    """Padding that is a word, if it is."""
    value = node.fields.get("padding")
    return value if isinstance(value, str) else None


def padding(node: Node, kernel: Pair) -> Pair:
    """Padding of a convolution, which may be in words."""
    word = in_words(node)
    if word == "valid":
        return (0, 0)
    if word != "same":
        return pair(node, "padding")
    if kernel[0] % 2 == 0 or kernel[1] % 2 == 0:
        raise Unmapped(
            f"padding 'same' must be the same on both sides, and is not with a kernel of "
            f"{kernel[0]}x{kernel[1]}"
        )
    return kernel[0] // 2, kernel[1] // 2


def of_shape(values: Array, shape: Shape, name: str) -> Array:
    """A parameter for every element of a signal: float64 of ``shape``.

    One number stands for all, one per channel (as [channels, 1, 1]) for those of a channel; a flat
    one is in C order.
    """
    values = values.astype(np.float64)
    if values.size == 1:
        return np.full(shape, values.reshape(()))
    if values.size == np.prod(shape):
        return values.reshape(shape)
    if values.shape == (shape[0], *[1] * (len(shape) - 1)):
        return np.broadcast_to(values, shape)
    raise Unmapped(f"{name} must have the shape of the signal, {list(shape)}, not {values.shape}")


def of_rows(values: Array, name: str) -> Array:
    """A parameter for every neuron [out, ...] as one for every row of the weights: [out]."""
    rows = values.reshape(len(values), -1)
    unlike = np.flatnonzero((rows != rows[:, :1]).any(axis=1))
    if len(unlike):
        row = rows[unlike[0]]
        raise Unmapped(
            f"{name} must be one for all neurons of a channel, and in channel {unlike[0]} goes "
            f"from {row.min():g} to {row.max():g}"
        )
    return rows[:, 0]
