"""A matrix product whose every number is one chain of fused multiply-adds in order; needs numba.

The library behind a torch product chooses order and instructions by processor. A fused multiply-add
rounds once, whether a processor has it or it is computed in software.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import types
from numba.extending import intrinsic
from torch import Tensor

from .arrays import array_of
from .compiled import njit


@intrinsic
def _fused(_context: Any, a: Any, b: Any, c: Any) -> Any:
    """``a * b + c``, rounded once."""

    def generate(_target: Any, builder: Any, _signature: Any, operands: Any) -> Any:
        return builder.fma(*operands)

    kind = types.float32
    return kind(kind, kind, kind), generate


@njit(cache=True, nogil=True)
def _add_scaled_row(total: Any, factor: Any, rows: Any, k: Any) -> None:
    for j in range(total.shape[0]):
        total[j] = _fused(factor, rows[k, j], total[j])


@njit(cache=True, nogil=True)
def _multiply(left: Any, right: Any, product: Any) -> None:
    product[:] = 0
    for i in range(left.shape[0]):
        for k in range(left.shape[1]):
            _add_scaled_row(product[i], left[i, k], right, k)


def product(left: Tensor, right: Tensor) -> Tensor:
    """``left @ right`` of float32 matrices on the CPU."""
    found = np.empty((left.shape[0], right.shape[1]), np.float32)
    _multiply(array_of(left), array_of(right), found)
    return torch.from_numpy(found)
