"""The table from pixel value to spike time."""

from __future__ import annotations

import numpy as np
import pytest

from sstdp_hw.errors import UserError
from sstdp_train.encoder import ttfs_table


@pytest.mark.parametrize("t_max", [1, 2, 8, 16, 100, 255])
@pytest.mark.parametrize("cutoff", [0, 1, 32, 255])
def test_bright_fires_early_and_dark_stays_silent(t_max, cutoff):
    table = ttfs_table(t_max, cutoff)
    assert table.shape == (256,)
    assert table.dtype == np.uint8
    assert table[255] == 0
    assert np.all(np.diff(table.astype(int)) <= 0), "brighter must never be later"
    assert np.all(table[:cutoff] == t_max)
    assert np.all(table[cutoff:] < t_max)


def test_every_step_has_an_equal_share_of_the_brightness():
    steps, counts = np.unique(ttfs_table(8), return_counts=True)
    assert steps.tolist() == list(range(8))
    assert counts.tolist() == [32] * 8


def test_known_values():
    table = ttfs_table(8, 32)
    assert [int(table[pixel]) for pixel in (255, 224, 223, 128, 127, 32, 31, 0)] == [
        0, 0, 1, 3, 4, 6, 8, 8
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("t_max", "cutoff", "message"),
    [
        (0, 0, "Encoder: t_max must be between 1 and 255, not 0"),
        (256, 0, "Encoder: t_max must be between 1 and 255, not 256"),
        (8, 256, "Encoder: cutoff must be between 0 and 255, not 256"),
        (8, -1, "Encoder: cutoff must be between 0 and 255, not -1"),
    ],
)
def test_arguments_out_of_range_are_refused(t_max, cutoff, message):
    with pytest.raises(UserError, match=message):
        ttfs_table(t_max, cutoff)
