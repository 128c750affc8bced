"""Widths of the numbers in the hardware, and numbers packed into memory rows."""

from __future__ import annotations

import numpy as np

from ..network.layers import Array


def signed_width(low: int, high: int) -> int:
    """Bits of the narrowest two's complement number that holds both ``low`` and ``high``."""
    return max((value if value >= 0 else ~value).bit_length() for value in (low, high)) + 1


def index_width(count: int) -> int:
    """Bits of an unsigned index below ``count``, at least one."""
    return max(1, (count - 1).bit_length())


def pack_rows(values: Array, width: int) -> list[int]:
    """Pack each row of integers [rows, columns] into one number, column 0 in the lowest bits."""
    masked = values.astype(np.int64) & ((1 << width) - 1)
    shifts = np.arange(width, dtype=np.int64)
    bits = ((masked[:, :, None] >> shifts) & 1).astype(np.uint8)
    packed = np.packbits(bits.reshape(len(values), -1), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]
