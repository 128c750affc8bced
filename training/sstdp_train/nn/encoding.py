"""The first module of a model: pixels, or spike times, to `Spikes`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.chain import MAX_PLANES, MAX_T
from sstdp_hw.network.layers import Array
from sstdp_hw.network.ttfs import PIXEL_VALUES, ttfs_table

from ..network.encoder import planes_of, spike_shape
from ..training.loop import encode
from .spikes import Spikes


class TTFSEncoder(nn.Module):
    """Pixels to time-to-first-spike: bright fires early.

    uint8 [N, C, H, W] or [N, H, W] in; `Spikes` [N, C * planes, H, W] out, channel ``c`` of the
    image as the channels ``c * planes + plane``.

    Parameters
    ----------
    t_max : int
        Time steps, 1 to 255.
    cutoff : int
        Darkest pixel value that spikes.
    table : uint8 [256] or [planes, 256], optional
        Spike time of every pixel value, instead of ``cutoff``; `network.encoder` has functions that
        make some. Up to 4 planes.

    Members
    -------
    table : uint8 [256] or [planes, 256], a buffer

    Raises
    ------
    UserError
        If a number or the table is out of range, or pixels are no uint8 images.
    """

    def __init__(self, t_max: int, cutoff: int = 0, table: Any = None) -> None:
        super().__init__()
        checked = ttfs_table(t_max, cutoff) if table is None else _table(table, t_max)
        self.t_max = t_max
        self.register_buffer("table", torch.from_numpy(checked))

    @property
    def planes(self) -> int:
        return planes_of(self.table)

    def forward(self, images: Tensor) -> Spikes:
        if not isinstance(images, Tensor) or images.dtype != torch.uint8:
            found = getattr(images, "dtype", type(images).__name__)
            raise UserError(
                f"TTFSEncoder: pixels must be uint8, not {found}; of floats in 0 to 1 make them "
                "with (255 * images).round().to(torch.uint8)"
            )
        if images.dim() == 3:
            images = images[:, None]
        if images.dim() != 4:
            raise UserError(
                f"TTFSEncoder: images must be [N, C, H, W] or [N, H, W], not {list(images.shape)}"
            )
        shape = spike_shape(images.shape[1:], self.planes)
        return Spikes(encode(self.table, images).view(len(images), *shape), None, self.t_max)

    def extra_repr(self) -> str:
        return f"t_max={self.t_max}, planes={self.planes}"


class SpikeInput(nn.Module):
    """Spike times to `Spikes`, for networks whose input is spikes.

    Times uint8 or float [N, C, H, W], 0 to ``t_max``, which is silent.

    Raises
    ------
    UserError
        If ``t_max`` or a spike time is out of range.
    """

    def __init__(self, t_max: int) -> None:
        super().__init__()
        if not 1 <= t_max <= MAX_T:
            raise UserError(f"SpikeInput: t_max must be between 1 and {MAX_T}, not {t_max}")
        self.t_max = t_max

    def forward(self, times: Tensor) -> Spikes:
        if times.numel() and (times.min() < 0 or times.max() > self.t_max):
            worst = times.min() if times.min() < 0 else times.max()
            raise UserError(
                f"SpikeInput: spike times must be between 0 and {self.t_max}, which is silent, not "
                f"{float(worst):g}"
            )
        return Spikes(times, None, self.t_max)

    def extra_repr(self) -> str:
        return f"t_max={self.t_max}"


def _table(given: Any, t_max: int) -> Array:
    if not 1 <= t_max <= MAX_T:
        raise UserError(f"TTFSEncoder: t_max must be between 1 and {MAX_T}, not {t_max}")
    table = np.array(given)
    if table.shape[-1:] != (PIXEL_VALUES,) or not (
        table.ndim == 1 or (table.ndim == 2 and 1 <= len(table) <= MAX_PLANES)
    ):
        raise UserError(
            f"TTFSEncoder: table must be [256] or [planes, 256] of up to {MAX_PLANES} planes, not "
            f"{list(table.shape)}"
        )
    if table.dtype.kind not in "iu" or table.min() < 0 or table.max() > t_max:
        raise UserError(f"TTFSEncoder: table must hold integers between 0 and t_max, {t_max}")
    return table.astype(np.uint8)
