"""The table from pixel value to spike time."""

from __future__ import annotations

import numpy as np
import pytest

from sstdp_hw.base.errors import UserError
from sstdp_train.network.encoder import equalized_table, ttfs_table


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


def test_equalized_steps_hold_equal_shares_of_the_spikes():
    rng = np.random.default_rng(0)
    images = np.minimum(rng.exponential(60, (50, 30, 30)), 255).astype(np.uint8)
    table = equalized_table(8, 32, images)
    assert np.all(np.diff(table.astype(int)) <= 0), "brighter must never be later"
    assert np.all(table[:32] == 8)
    assert np.all(table[32:] < 8)
    times = table[images]
    shares = np.bincount(times[times < 8], minlength=8) / np.sum(times < 8)
    np.testing.assert_allclose(shares, 1 / 8, atol=0.02)


def test_equalized_table_by_hand():
    """Spikes: 6 of 255, 2 of 200, 2 of 100; half of their own counts as before them."""
    images = np.array([255] * 6 + [200] * 2 + [100] * 2 + [10] * 50, np.uint8)
    table = equalized_table(10, 32, images)
    assert [int(table[pixel]) for pixel in (255, 200, 100, 50, 10)] == [3, 7, 9, 9, 10]


@pytest.mark.parametrize(
    "table_of", [ttfs_table, lambda *args: equalized_table(*args, np.zeros(1))]
)
@pytest.mark.parametrize(
    ("t_max", "cutoff", "message"),
    [
        (0, 0, "Encoder: t_max must be between 1 and 255, not 0"),
        (256, 0, "Encoder: t_max must be between 1 and 255, not 256"),
        (8, 256, "Encoder: cutoff must be between 0 and 255, not 256"),
        (8, -1, "Encoder: cutoff must be between 0 and 255, not -1"),
    ],
)
def test_arguments_out_of_range_are_refused(t_max, cutoff, message, table_of):
    with pytest.raises(UserError, match=message):
        table_of(t_max, cutoff)
