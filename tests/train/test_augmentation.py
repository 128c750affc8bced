"""Distortion of training images."""

from __future__ import annotations

import pytest
import torch

from sstdp_train.recipes.recipe import Recipe
from sstdp_train.training import augmentation
from sstdp_train.training.augmentation import distort

STILL = Recipe(shift=0.0, rotation=0.0, scaling=0.0, shear=0.0, bending=0.0)


def images(count: int = 200) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 1, 12, 10), generator=generator, dtype=torch.uint8)


def moved(batch: torch.Tensor, seed: int = 0, **changes: float) -> torch.Tensor:
    return distort(batch, STILL.with_(**changes), torch.Generator().manual_seed(seed))


def test_no_distortion_is_the_identity():
    assert torch.equal(moved(images()), images())


def test_a_whole_map_equals_torchs_affine_grid():
    """The sampling grid is computed here for speed; `affine_grid` is the reference."""
    theta = torch.tensor([[0.9, -0.2, 0.1], [0.3, 1.1, -0.05]])
    grid = (theta @ augmentation.positions(12, 10)).view(2, 12, 10).permute(1, 2, 0)
    expected = torch.nn.functional.affine_grid(theta[None], [1, 1, 12, 10], align_corners=False)[0]
    torch.testing.assert_close(grid, expected)


def test_a_shift_moves_by_at_most_its_bound():
    dot = torch.zeros(300, 1, 12, 10, dtype=torch.uint8)
    dot[:, 0, 6, 5] = 255
    found = moved(dot, shift=2.0)[:, 0].float()
    rows = (found.sum(2) * torch.arange(12)).sum(1) / found.sum((1, 2))
    assert (rows - 6).abs().max() <= 2.0 + 0.01
    assert (rows - 6).abs().max() > 1.8, "300 draws come near the bound"


def test_bending_displaces_by_its_standard_deviation():
    """On a ramp of brightness the change of a pixel is its displacement."""
    ramp = (torch.arange(40, dtype=torch.float32) * 6).to(torch.uint8).repeat(400, 1, 40, 1)
    displacement = (moved(ramp, bending=0.8).float() - ramp.float())[:, 0, 10:30, 10:30] / 6
    assert displacement.std() == pytest.approx(0.8, rel=0.05)
    assert displacement.mean().abs() < 0.05
    neighbours = (displacement[:, :, 1:] - displacement[:, :, :-1]).std()
    assert neighbours < 0.3, "the field is smooth: neighbours move together"


def test_the_same_generator_gives_the_same_distortion():
    changes = {"shift": 1.0, "bending": 0.5}
    assert torch.equal(moved(images(), 3, **changes), moved(images(), 3, **changes))
    assert not torch.equal(moved(images(), 3, **changes), moved(images(), 4, **changes))


def test_nearest_resampling_makes_no_new_brightness():
    """Images of two levels keep two levels; bilinear resampling blurs them."""
    batch = torch.where(images() > 127, 255, 0).to(torch.uint8)
    changes = {"rotation": 0.2, "bending": 0.5}
    assert set(moved(batch, resampling="nearest", **changes).unique().tolist()) == {0, 255}
    assert len(moved(batch, resampling="bilinear", **changes).unique()) > 100


def changed(batch: torch.Tensor, seed: int = 0, **changes: int) -> torch.Tensor:
    recipe = STILL.with_(**changes)
    assert recipe.augments and not recipe.distorts
    return augmentation.augmented(batch, recipe, torch.Generator().manual_seed(seed))


def test_a_crop_is_a_window_of_the_mirrored_image():
    batch = images().expand(-1, 3, -1, -1)
    found = changed(batch, crop=3)
    assert torch.equal(found, changed(batch, crop=3)) and found.dtype == torch.uint8
    wide = torch.nn.functional.pad(batch.float(), (3, 3, 3, 3), mode="reflect").to(torch.uint8)
    places = set()
    for image, cropped in zip(wide, found, strict=True):
        fits = [
            (y, x)
            for y in range(7)
            for x in range(7)
            if torch.equal(image[:, y : y + 12, x : x + 10], cropped)
        ]
        assert len(fits) == 1  # the same window in every channel
        places.update(fits)
    assert len(places) > 40, "nearly all of the 49 shifts are drawn"


def test_every_second_image_is_mirrored():
    batch = images()
    found = changed(batch, flip=True)
    mirrored = (found == batch.flip(3)).all(3).all(2).all(1)
    assert bool((mirrored | (found == batch).all(3).all(2).all(1)).all())
    assert 70 < int(mirrored.sum()) < 130


def test_a_square_is_made_grey():
    batch = torch.zeros(300, 2, 12, 10, dtype=torch.uint8)
    found = changed(batch, cutout=4)
    grey = found == augmentation.GREY
    assert torch.equal(grey[:, 0], grey[:, 1]) and bool(((found == 0) | grey).all())
    rows, columns = grey[:, 0].any(2).sum(1), grey[:, 0].any(1).sum(1)
    assert int(rows.max()) == int(columns.max()) == 4
    assert int(rows.min()) < 4, "a square may reach over the edge"
    assert torch.equal(grey[:, 0].sum((1, 2)), rows * columns)
