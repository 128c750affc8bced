"""Time-to-first-spike encoding: tables from pixel value to spike time."""

from __future__ import annotations

import numpy as np

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.chain import MAX_T
from sstdp_hw.network.layers import Array

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
    _check(t_max, cutoff)
    pixels = np.arange(PIXEL_VALUES)
    times = (PIXEL_VALUES - 1 - pixels) * t_max // PIXEL_VALUES
    times[pixels < cutoff] = t_max
    return times.astype(np.uint8)


def equalized_table(t_max: int, cutoff: int, images: Array) -> Array:
    """Spike time of every pixel value, bright first, such that all steps get as many spikes.

    ``table[p] = floor(t_max * (spikes brighter than p + half of those at p) / all spikes)``,
    counted over ``images``; pixels below ``cutoff`` are silent (``t_max``). Where most pixels are
    nearly white, as in MNIST, the first step of `ttfs_table` holds half of all spikes; here an
    early decision needs fewer.

    Parameters
    ----------
    t_max, cutoff : int
        As in `ttfs_table`.
    images : uint8 array
        Training images.

    Raises
    ------
    UserError
        If an argument is out of its range.
    """
    _check(t_max, cutoff)
    counts = np.bincount(images.reshape(-1), minlength=PIXEL_VALUES).astype(np.int64)
    counts[:cutoff] = 0
    brighter = counts[::-1].cumsum()[::-1] - counts
    times = t_max * (2 * brighter + counts) // max(2 * counts.sum(), 1)
    times = np.minimum(times, t_max - 1)  # values darker than every spike, yet not below cutoff
    times[:cutoff] = t_max
    return times.astype(np.uint8)


def _check(t_max: int, cutoff: int) -> None:
    if not 1 <= t_max <= MAX_T:
        raise UserError(f"Encoder: t_max must be between 1 and {MAX_T}, not {t_max}")
    if not 0 <= cutoff < PIXEL_VALUES:
        raise UserError(f"Encoder: cutoff must be between 0 and {PIXEL_VALUES - 1}, not {cutoff}")
