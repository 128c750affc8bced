"""From torch to numpy without copying, where memory allows it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from sstdp_hw.network.layers import Array


def array_of(tensor: Tensor) -> Array:
    """The tensor's memory as a C-contiguous array, copied only if it is not."""
    return tensor.detach().contiguous().numpy()


def arrays_of(tensors: Sequence[Tensor]) -> tuple[Array, ...]:
    """The same of every layer's."""
    return tuple(array_of(tensor) for tensor in tensors)
