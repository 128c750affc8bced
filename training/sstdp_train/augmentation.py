"""Mild affine distortion of training images: shift, rotation, size and shear in one resampling."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from .recipe import Recipe


def distort(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Distort every image by its own random map; what comes in from outside is black.

    Parameters
    ----------
    images : uint8 [batch, channels, height, width]
    recipe : Recipe
        ``shift`` in pixels, ``rotation`` in rad, ``scaling`` and ``shear`` relative: the bounds of
        uniform draws.
    generator : torch.Generator
        On the CPU, so that every device sees the same distortions.

    Returns
    -------
    uint8 [batch, channels, height, width]
    """
    batch, _, height, width = images.shape
    draws = torch.rand(6, batch, generator=generator) * 2 - 1
    angle, shear = draws[0] * recipe.rotation, draws[1] * recipe.shear
    size_x, size_y = 1 + draws[2] * recipe.scaling, 1 + draws[3] * recipe.scaling
    cos, sin = torch.cos(angle), torch.sin(angle)
    # The map from output to input coordinates, -1..1 across the image: rotation, shear, size.
    maps = torch.stack(
        [
            cos * size_x, (cos * shear - sin) * size_y, draws[4] * recipe.shift * 2 / width,
            sin * size_x, (sin * shear + cos) * size_y, draws[5] * recipe.shift * 2 / height,
        ],
        dim=1,
    ).view(batch, 2, 3)  # fmt: skip
    grid = affine_grid(maps.to(images.device), list(images.shape), align_corners=False)
    moved = grid_sample(images.to(torch.float32), grid, align_corners=False)
    return moved.round_().clamp_(0, 255).to(torch.uint8)
