"""Time-to-first-spike encoding by brightness alone, without a look at any data."""

from __future__ import annotations

import numpy as np

from ..base.errors import UserError
from .chain import MAX_T
from .layers import Array

PIXEL_VALUES = 256


def ttfs_table(t_max: int, cutoff: int = 0) -> Array:
    """Spike time of every pixel value: linear in brightness, bright first.

    ``table[p] = floor((255 - p) * t_max / 256)``, so that every time step takes an equal share of
    the brightness range; pixels below ``cutoff`` are silent (``t_max``).

    Parameters
    ----------
    t_max : int
        Number of time steps, 1 to 255.
    cutoff : int
        Darkest pixel value that spikes, 0 to 255. At 0 black spikes in the last step.

    Returns
    -------
    uint8 array [256]

    Raises
    ------
    UserError
        If an argument is out of its range.
    """
    check_table(t_max, cutoff)
    pixels = np.arange(PIXEL_VALUES)
    times = (PIXEL_VALUES - 1 - pixels) * t_max // PIXEL_VALUES
    times[pixels < cutoff] = t_max
    return times.astype(np.uint8)


def check_table(t_max: int, cutoff: int) -> None:
    """Refuse arguments of a table that are out of their range."""
    if not 1 <= t_max <= MAX_T:
        raise UserError(f"Encoder: t_max must be between 1 and {MAX_T}, not {t_max}")
    if not 0 <= cutoff < PIXEL_VALUES:
        raise UserError(f"Encoder: cutoff must be between 0 and {PIXEL_VALUES - 1}, not {cutoff}")
