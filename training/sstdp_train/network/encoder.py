"""Time-to-first-spike encoding: tables from pixel value to spike time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from sstdp_hw.network.layers import Array
from sstdp_hw.network.ttfs import PIXEL_VALUES, check_table, ttfs_table

__all__ = ["bright_dark_tables", "equalized_table", "ttfs_table"]


def earliness_table(t_max: int) -> Array:
    """The table that gives spike times back: uint8 [256] of ``t_max - time`` to ``time``.

    So spike times train as pixels do, and what augmentation puts at a border is silent.
    """
    return (t_max - np.minimum(np.arange(256), t_max)).astype(np.uint8)


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
    check_table(t_max, cutoff)
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
    check_table(t_max, 0)
    pixels = np.arange(PIXEL_VALUES)
    beyond = [pixels - level for level in bright] + [level - pixels for level in dark]
    tables = []
    for distance in beyond:
        early = distance // contrast if contrast else np.where(distance < 0, -1, t_max)
        times = t_max - 1 - np.minimum(early, t_max - 1)
        tables.append(np.where(distance < 0, t_max, times))
    return np.array(tables, np.uint8)


def planes_of(table: Array | Tensor) -> int:
    """Spike channels of one pixel channel, by the table [256] or [planes, 256]."""
    return 1 if table.ndim == 1 else len(table)


def spike_shape(shape: Sequence[int], planes: int) -> tuple[int, ...]:
    """Channels, height and width of the spikes of images [channels, height, width]."""
    channels, *extents = shape
    return (channels * planes, *extents)
