"""Changes of training images.

Drawings are distorted: shift, rotation, size, shear and bending in one resampling.

Bending is the elastic distortion of Simard, Steinkraus and Platt (ICDAR 2003): a smooth random
field of displacements. Here it is a sum of Gaussian bumps on a lattice, each with a random height,
so that the affine map and the bending of a whole batch are one matrix product.

Pictures are mirrored and shifted by whole pixels, what comes in being the mirror image at the edge;
and a square in them is made grey (cutout, DeVries and Taylor 2017, arXiv:1708.04552).
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, pad

from ..recipes.recipe import Recipe

try:
    from ..backends.native.product import product
except ImportError:  # without numba, as PyTorch does it on this processor
    product = torch.matmul

BUMP_SPACING, BUMP_WIDTH = 4.0, 4.0  # pixels between bumps, and their standard deviation


GREY = 128  # neither bright nor dark


def augmented(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Change every image at random, uint8 [batch, channels, height, width], as the recipe wants;
    the generator is on the CPU."""
    if recipe.distorts:
        images = distort(images, recipe, generator)
    if recipe.flip:
        mirrored = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    if recipe.crop:
        images = cropped(images, recipe.crop, generator)
    if recipe.cutout:
        images = cut_out(images, recipe.cutout, generator)
    return images


def cropped(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Shift every image by up to ``most`` whole pixels, mirrored at the edge."""
    batch, _, height, width = images.shape
    down, across = min(most, height - 1), min(most, width - 1)
    wide = pad(images.to(torch.float32), (across, across, down, down), mode="reflect")
    wide = wide.to(torch.uint8)
    rows = torch.randint(2 * down + 1, (batch, 1), generator=generator) + torch.arange(height)
    columns = torch.randint(2 * across + 1, (batch, 1), generator=generator) + torch.arange(width)
    rows, columns = rows.to(images.device), columns.to(images.device)
    picked = torch.arange(batch, device=images.device)[:, None, None]
    moved = wide.permute(0, 2, 3, 1)[picked, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2).contiguous()


def cut_out(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Make a square around a random pixel of every image grey, as far as it lies within."""
    batch, _, height, width = images.shape
    inside = []
    for extent in (height, width):
        centre = torch.randint(extent, (batch, 1), generator=generator)
        away = torch.arange(extent) - (centre - side // 2)
        inside.append(((away >= 0) & (away < side)).to(images.device))
    square = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return images.masked_fill(square, GREY)


def distort(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Distort every image by its own random map; what comes in from outside is black.

    Parameters
    ----------
    images : uint8 [batch, channels, height, width]
    recipe : Recipe
        ``shift`` in pixels, ``rotation`` in rad, ``scaling`` and ``shear`` relative: the bounds of
        uniform draws. ``bending``: standard deviation of the displacement in pixels.
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
    factors, fields = maps.flatten(0, 1), positions(height, width)
    if recipe.bending:
        bumps = _bumps(height, width)
        size = torch.tensor([2 / width, 2 / height]).repeat(batch)[:, None] * recipe.bending
        heights = torch.randn(2 * batch, len(bumps), generator=generator) * size
        factors, fields = torch.cat([factors, heights], 1), torch.cat([fields, bumps])
    grid = product(factors, fields).view(batch, 2, height, width)
    grid = grid.permute(0, 2, 3, 1).to(images.device)
    moved = grid_sample(images.to(torch.float32), grid, mode=recipe.resampling, align_corners=False)
    return moved.round_().clamp_(0, 255).to(torch.uint8)


@cache
def positions(height: int, width: int) -> Tensor:
    """Homogeneous coordinates (x, y, 1) of the pixel centres, -1..1 across the image: [3, H*W].

    One product with these is several times faster on a CPU than `torch.nn.functional.affine_grid`.
    """
    x = (2 * torch.arange(width) + 1) / width - 1
    y = (2 * torch.arange(height) + 1) / height - 1
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([columns, rows, torch.ones(height, width)]).flatten(1)


@cache
def _bumps(height: int, width: int) -> Tensor:
    """Gaussian bumps on a lattice, one row each [bumps, H*W], scaled so that the sum of all with
    random heights of variance 1 has variance 1 at every pixel."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pixels = torch.stack([rows, columns]).flatten(1).T.to(torch.float32)
    lattice = torch.cartesian_prod(
        torch.arange(0, height + BUMP_SPACING, BUMP_SPACING),
        torch.arange(0, width + BUMP_SPACING, BUMP_SPACING),
    )
    distances = torch.cdist(lattice, pixels)
    bumps = torch.exp(-0.5 * (distances / BUMP_WIDTH) ** 2)
    return bumps / bumps.norm(dim=0)
