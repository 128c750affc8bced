"""Small data and recipes: a training of a second or less."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch

from sstdp_hw.data.datasets import Samples
from sstdp_train.recipes.recipe import Recipe
from sstdp_train.training.loop import Training


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tests run beside each other; and two threads gain nothing on networks this small."""
    torch.set_num_threads(1)


@pytest.fixture
def interrupted_after(monkeypatch):
    """``with interrupted_after(2): train(...)``: interrupted when it begins its third epoch."""

    @contextlib.contextmanager
    def interrupted_after(epochs):
        original = Training.run_epoch

        def run_epoch(training, advance):
            if training.epoch == epochs:
                raise KeyboardInterrupt
            return original(training, advance)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Training, "run_epoch", run_epoch)
            yield

    return interrupted_after


@pytest.fixture(scope="session")
def bars() -> Samples:
    """Noisy bars in 6x6 images: four classes, easy to learn."""
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 4, 240)
    images = rng.integers(0, 60, (240, 1, 6, 6))
    for image, label in zip(images, labels, strict=True):
        at = 1 if label % 2 else 4
        if label < 2:
            image[0, at] += 180
        else:
            image[0, :, at] += 180
    return Samples("bars", images.astype(np.uint8), labels.astype(np.int64), ("a", "b", "c", "d"))


@pytest.fixture(scope="session")
def tiny() -> Recipe:
    """A few epochs of a network of 12 hidden neurons, with every addition switched on."""
    return Recipe(
        name="tiny", layers=(12,), t_max=6, epochs=5, batch_size=8, validation_share=0.2,
        learning_rate=0.03, shift=0.3, rotation=0.05, scaling=0.02, shear=0.02,
        learn_thresholds=True, seed=3,
    )  # fmt: skip
