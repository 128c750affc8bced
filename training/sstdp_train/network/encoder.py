"""Time-to-first-spike encoding: tables from pixel value to spike time."""

from __future__ import annotations

import numpy as np

from sstdp_hw.network.layers import Array
from sstdp_hw.network.ttfs import PIXEL_VALUES, check_table, ttfs_table

__all__ = ["equalized_table", "ttfs_table"]


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
