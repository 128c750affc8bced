"""The images of a benchmark, in batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sstdp_hw.base.errors import UserError
from sstdp_hw.data import datasets

MNIST_LIT = 0.19  # share of pixels that are not dark; half of those are nearly white


@dataclass(frozen=True)
class Batches:
    """The images of a run, cut into batches that come round again.

    Members
    -------
    source : str
        ``mnist`` or ``synthetic``.
    images, labels : list of Tensor
        uint8 [batch, 1, 28, 28] and int64 [batch].
    """

    source: str
    images: list[Tensor]
    labels: list[Tensor]

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        index %= len(self.labels)
        return self.images[index], self.labels[index]


def load_batches(source: str, batch_size: int, count: int, classes: int, seed: int) -> Batches:
    """``count`` batches of MNIST training images, or of noise that is as sparse.

    Raises
    ------
    UserError
        If MNIST is asked for by name and not found; ``auto`` takes noise then.
    """
    if source in ("auto", "mnist"):
        try:
            samples = datasets.load("mnist", "train").first(batch_size * count)
            return _cut("mnist", samples.images, samples.labels, batch_size)
        except UserError:
            if source == "mnist":
                raise
    rng = np.random.default_rng(seed)
    shape = (batch_size * count, 1, 28, 28)
    lit = rng.random(shape) < MNIST_LIT
    images = np.where(lit, np.minimum(rng.integers(1, 510, shape), 254), 0).astype(np.uint8)
    return _cut("synthetic", images, rng.integers(0, classes, shape[0]), batch_size)


def _cut(source: str, images: Any, labels: Any, batch_size: int) -> Batches:
    return Batches(
        source,
        [*torch.from_numpy(images.copy()).split(batch_size)],
        [*torch.from_numpy(labels.copy()).split(batch_size)],
    )
