"""What a Python caller hands a network, brought into the types that a network holds.

Files and training make numpy arrays and plain numbers. A caller may have lists, numpy's scalars or
torch tensors instead: they are taken where that changes no value, and refused in one line where it
would. A numpy array is left as it is, for its type says what the caller means.

Raises
------
Unfit
    From every function, with rule and value found.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .layers import Array


class Unfit(ValueError):
    """A value that stands for no such thing."""


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


def integer(value: Any) -> int:
    """An integer of any type; a truth value is none."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        return operator.index(value)
    except (TypeError, ValueError, RuntimeError):
        raise Unfit(f"must be an integer, not {_kind(value)}") from None


def integers(value: Any, count: int | None = None) -> tuple[int, ...]:
    """``count`` integers, or any number of them."""
    found = tuple(integer(item) for item in sequence(value, "integers"))
    if count is not None and len(found) != count:
        raise Unfit(f"must be {count} integers, not {list(found)}")
    return found


def text(value: Any) -> str:
    """A string; nothing else is made one, for `str` takes anything."""
    if not isinstance(value, str):
        raise Unfit(f"must be text, not {_kind(value)}")
    return value


def number(value: Any) -> float:
    """A real number of any type; a truth value is none, nor is text."""
    try:
        if isinstance(value, bool | np.bool_ | str | bytes):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise Unfit(f"must be a number, not {_kind(value)}") from None


def sequence(value: Any, what: str) -> tuple[Any, ...]:
    """The items of a list, tuple or array, in order; ``what`` names them."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence | np.ndarray):
        raise Unfit(f"must be a sequence of {what}, not {_kind(value)}")
    return tuple(value)


def array(value: Any, dtypes: Sequence[str]) -> Array:
    """An array of one of ``dtypes``, of which the first that holds every value exactly is taken.

    A numpy array is returned whatever its type.
    """
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "detach"):  # a torch tensor: also of another device, also one that learns
        value = value.detach().cpu()
    try:
        found = np.asarray(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        found = np.asarray(None)
    if found.dtype.kind not in "iuf":
        raise Unfit(f"must be an array of numbers, not {_kind(value)}")
    if found.dtype.name in dtypes:
        return found
    for name in dtypes:
        with np.errstate(all="ignore"):
            taken = found.astype(name)
        if np.array_equal(taken.astype(found.dtype), found, equal_nan=found.dtype.kind == "f"):
            return taken
    raise Unfit(f"must be {' or '.join(dtypes)}, which its values do not fit")
