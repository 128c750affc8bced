"""Energies of single operations, as published; picojoules.

Horowitz, "Computing's energy problem (and what we can do about it)", ISSCC 2014, doi
10.1109/ISSCC.2014.6757323: 45 nm, 0.9 V, dynamic energy alone. Where the table has no entry, the
nearest ones are joined by a line.
"""

from __future__ import annotations

import numpy as np

ADD_INT8, ADD_INT32, ADD_FLOAT32 = 0.03, 0.1, 0.9
MULTIPLY_INT8, MULTIPLY_FLOAT32 = 0.2, 3.7

#: Bits that one access of a memory moves.
ACCESS_BITS = 64

#: By the bytes of an SRAM (a cache): an access of `ACCESS_BITS`.
SRAM = {8 * 1024: 10.0, 32 * 1024: 20.0, 1024 * 1024: 100.0}

#: What papers on spiking networks take for an accumulation and for a multiply-accumulate: the
#: float additions and multiplications above, without any memory.
PAPER_ACCUMULATE, PAPER_MULTIPLY_ACCUMULATE = 0.9, 4.6


def addition(bits: int) -> float:
    """An integer addition: lines through 0, the table's 8 and its 32 bits, and on from there in
    proportion."""
    if bits > 32:
        return ADD_INT32 * bits / 32
    return float(np.interp(bits, (0, 8, 32), (0, ADD_INT8, ADD_INT32)))


def access(memory_bits: float) -> float:
    """An access of `ACCESS_BITS` to an SRAM of so many bits.

    Between the table's sizes, and above them, a line in logarithms: energy follows a power of the
    size. Smaller memories cost as much as the smallest of the table, which is more than they do.
    """
    smallest = min(SRAM)
    if memory_bits <= 8 * smallest:
        return SRAM[smallest]
    sizes, energies, size = np.log([*SRAM]), np.log([*SRAM.values()]), np.log(memory_bits / 8)
    if size <= sizes[-1]:
        return float(np.exp(np.interp(size, sizes, energies)))
    slope = (energies[-1] - energies[-2]) / (sizes[-1] - sizes[-2])
    return float(np.exp(energies[-1] + slope * (size - sizes[-1])))
