"""Quantization-aware training: the forward pass runs on the very integers that will be exported.

A quantized layer has one scale s. Its weights act as ``q = clip(rint(w / s))`` in the signed range
of the width (``-1`` or ``+1`` at width 1), its thresholds as ``floor(theta / s)``; gradients pass
straight through the rounding (Bengio et al. 2013, arXiv:1308.3432) and stop where a weight is
clipped. Integers below 2**24 are exact in float32, so the torch model and the integer network
compute the same numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

CANDIDATES = 60  # scales tried per layer; the error is smooth in the scale


@dataclass(frozen=True)
class Grid:
    """The integers of one layer and what one step of them is worth.

    Parameters
    ----------
    width : int
        Signed width in bits, 1 to 16; at 1 the weights are -1 and +1.
    scale : float
        Weight value of one integer step.
    """

    width: int
    scale: float

    @property
    def low(self) -> int:
        return -1 if self.width == 1 else -(1 << (self.width - 1))

    @property
    def high(self) -> int:
        return 1 if self.width == 1 else (1 << (self.width - 1)) - 1

    def weights(self, weight: Tensor) -> Tensor:
        """Integer-valued weights, differentiable straight through."""
        integers: Tensor = _StraightThrough.apply(weight, self)
        return integers

    def thresholds(self, threshold: Tensor) -> Tensor:
        """Integer-valued thresholds, differentiable straight through."""
        integers: Tensor = _Floor.apply(threshold, self.scale)
        return integers

    @classmethod
    def fitted(cls, weight: Tensor, width: int) -> Grid:
        """The grid whose scale leaves the smallest squared error on ``weight``.

        The scale is rounded to few significant bits (8 up to a width of 8, a power of two above),
        so that scale times integer is exact in float32 and the exported floats are the integers,
        exactly.
        """
        flat = weight.detach().abs().flatten().to(torch.float64)
        top = max(float(flat.max()), 1e-12)
        if width == 1:
            return cls(1, rounded_scale(max(float(flat.mean()), 1e-12), 1))
        best, least = None, math.inf
        for share in np.linspace(1.0, 0.2, CANDIDATES):
            grid = cls(width, rounded_scale(top * float(share) / ((1 << (width - 1)) - 1), width))
            integers = grid.weights(weight.detach())
            loss = float(((integers * grid.scale - weight.detach()) ** 2).mean())
            if loss < least:
                best, least = grid, loss
        assert best is not None
        return best


def rounded_scale(scale: float, width: int) -> float:
    """``scale`` rounded up to 8 significant bits, or to a power of two for widths above 8."""
    bits = 8 if width <= 8 else 1
    mantissa, exponent = math.frexp(scale)
    return math.ldexp(math.ceil(mantissa * (1 << bits)), exponent - bits)


class _StraightThrough(torch.autograd.Function):
    """Weights to integers; the gradient passes where the weight is inside the range."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, grid: Grid) -> Tensor:
        scaled = weight / grid.scale
        ctx.grid = grid
        if grid.width == 1:
            ctx.save_for_backward(scaled.abs() <= 2)  # a weight far from its sign's border may rest
            return torch.where(scaled >= 0, 1.0, -1.0)
        ctx.save_for_backward((scaled >= grid.low - 0.5) & (scaled <= grid.high + 0.5))
        return torch.round(scaled).clamp(grid.low, grid.high)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (inside,) = ctx.saved_tensors
        return gradient * inside / ctx.grid.scale, None


class _Floor(torch.autograd.Function):
    """Thresholds to integers: V > theta for integer V is V > floor(theta)."""

    @staticmethod
    def forward(ctx: Any, threshold: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return torch.floor(threshold / scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient / ctx.scale, None
