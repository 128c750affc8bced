"""Time-to-first-spike encoding: tables from pixel value to spike time."""

from __future__ import annotations

from collections.abc import Sequence

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


def bright_dark_tables(
    t_max: int, bright: Sequence[int], dark: Sequence[int], contrast: int
) -> Array:
    """One plane of spikes for every brightness and every darkness.

    In the last step a pixel of value p spikes in a plane of ``bright`` b if ``p >= b``, in one of
    ``dark`` d if ``p <= d``; for every step earlier it must be further by ``contrast``. So a grey
    pixel is silent, a lit one spikes in a bright plane, a shaded one in a dark one: pictures have
    no dark background, and what is missing in them is as telling as what is there.

    Parameters
    ----------
    t_max : int
    bright, dark : sequence of int
    contrast : int

    Returns
    -------
    uint8 array [planes, 256], bright planes first

    Raises
    ------
    UserError
        If an argument is out of its range.
    """
    _check(t_max, 0)
    pixels = np.arange(PIXEL_VALUES)
    beyond = [pixels - level for level in bright] + [level - pixels for level in dark]
    tables = []
    for distance in beyond:
        early = distance // contrast if contrast else np.where(distance < 0, -1, t_max)
        times = t_max - 1 - np.minimum(early, t_max - 1)
        tables.append(np.where(distance < 0, t_max, times))
    return np.array(tables, np.uint8)


def _check(t_max: int, cutoff: int) -> None:
    if not 1 <= t_max <= MAX_T:
        raise UserError(f"Encoder: t_max must be between 1 and {MAX_T}, not {t_max}")
    if not 0 <= cutoff < PIXEL_VALUES:
        raise UserError(f"Encoder: cutoff must be between 0 and {PIXEL_VALUES - 1}, not {cutoff}")
