"""Loops over one row of numbers, compiled by numba: what the native kernel spends its time in.

They are functions of their own: on whole, contiguous rows LLVM turns them into vector instructions,
which it does not for the same lines inside the loop over events.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from torch import Tensor

from sstdp_hw.layers import Array


@njit(cache=True, nogil=True)
def add_row(v: Any, row: Any) -> None:
    for j in range(v.shape[0]):
        v[j] += row[j]


@njit(cache=True, nogil=True)
def add_four_rows(v: Any, a: Any, b: Any, c: Any, d: Any) -> None:
    for j in range(v.shape[0]):
        v[j] += (a[j] + b[j]) + (c[j] + d[j])


@njit(cache=True, nogil=True)
def positive(v: Any) -> Any:
    """How many are above 0; few steps have any, and this looks at one array only."""
    count = np.int32(0)
    for j in range(v.shape[0]):
        count += np.int32(v[j] > 0)
    return count


@njit(cache=True, nogil=True)
def select_late(chosen: Any, row: Any, times: Any, step: Any) -> None:
    for j in range(chosen.shape[0]):
        chosen[j] = row[j] if times[j] >= step else np.float32(0)


@njit(cache=True, nogil=True)
def add_scaled_where_early(total: Any, factor: Any, row: Any, times: Any, step: Any) -> None:
    for j in range(total.shape[0]):
        total[j] += factor * row[j] if times[j] <= step else np.float32(0)


def array_of(tensor: Tensor) -> Array:
    """The tensor's memory as a C-contiguous array, copied only if it is not."""
    return tensor.detach().contiguous().numpy()
