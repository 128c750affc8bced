"""The benchmark of whole epochs: one epoch is timed, frameworks that are absent are named."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from benchmarks import epoch_speed
from sstdp_hw.data.datasets import Samples
from sstdp_train.recipes.recipe import DEFAULT

RECIPE = DEFAULT.with_(
    layers=(12,), t_max=4, batch_size=8, learning_rate=0.02, shift=0.5, validation_share=0.25
)


@pytest.fixture
def bars():
    """The upper or the lower half is lit."""
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 400)
    images = rng.integers(0, 40, (400, 1, 6, 6))
    images[labels == 0, :, :3] += 200
    images[labels == 1, :, 3:] += 200
    return Samples("bars", images.astype(np.uint8), labels, ("up", "down"))


class Counting(torch.nn.Module):
    """Stands in for a framework: a line that sees spike trains."""

    name = "counting"

    def __init__(self, inputs, classes):
        super().__init__()
        self.line, self.seen = torch.nn.Linear(inputs, classes), []

    def forward(self, trains):
        self.seen.append(trains)
        return self.line(trains).sum(0)


def test_an_epoch_of_another_framework_sees_every_spike_once(bars):
    other = epoch_speed.OtherFramework(Counting, RECIPE, bars)
    before = other.network.line.weight.detach().clone()
    seconds, accuracy = other.epoch()
    assert seconds > 0 and 0.3 < accuracy <= 1
    assert not torch.equal(before, other.network.line.weight), "trained"
    seen = other.network.seen
    assert sum(trains.shape[1] for trains in seen) == len(bars)
    lit = (bars.images >= RECIPE.cutoff).sum()
    assert all(trains.shape[0] == RECIPE.t_max for trains in seen)
    assert sum(float(trains.sum()) for trains in seen) == lit


def test_frameworks_that_are_absent_are_named(bars, monkeypatch):
    monkeypatch.setitem(sys.modules, "snntorch", None)
    monkeypatch.setitem(sys.modules, "spikingjelly.activation_based", None)
    found, absent = epoch_speed.measure(RECIPE, bars)
    assert list(found) == ["ours", "ours, no augmentation"]
    assert all(accuracy > 0.6 for _, accuracy in found.values())
    assert list(absent) == ["snnTorch", "SpikingJelly"]
    assert all("needs the extra interop" in reason for reason in absent.values())


def test_too_many_images_are_refused(monkeypatch, bars, capsys):
    monkeypatch.setattr(epoch_speed.datasets, "load", lambda *_: bars)
    assert epoch_speed.main(["--images", "401"]) == 2
    assert "--images must be at most 400, not 401" in capsys.readouterr().err
