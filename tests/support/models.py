"""Small models of `sstdp_train.nn` and images for them."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from sstdp_train.nn import (
    FirstSpikePool2d,
    Flatten,
    IFConv2d,
    IFLinear,
    IFOutput,
    TTFSEncoder,
    UntilDecision,
)

SHAPE = (2, 7, 6)
PLANES = np.stack([255 - np.arange(256), np.arange(256)]) // 52  # of T = 4, dark ones and bright


def images(count=40, shape=SHAPE, seed=0):
    drawn = np.random.default_rng(seed).integers(0, 256, (count, *shape))
    return torch.from_numpy(drawn.astype(np.uint8))


def convolutional(backend="torch", table=None, t_max=5, **hidden):
    """conv6k3p1, pool2, conv4k2s1x2, 9, 3 on `SHAPE`."""
    encoder = TTFSEncoder(t_max, 32, table)
    return nn.Sequential(
        encoder,
        UntilDecision(
            IFConv2d(2 * encoder.planes, 6, 3, padding=1, backend=backend, **hidden),
            FirstSpikePool2d(2),
            IFConv2d(6, 4, (2, 2), stride=(1, 2), backend=backend, **hidden),
            Flatten(),
            IFLinear(4 * 2 * 1, 9, backend=backend, **hidden),
            IFOutput(9, 3, backend=backend),
        ),
    )


def dense(backend="torch", t_max=5, **hidden):
    return nn.Sequential(
        TTFSEncoder(t_max, 32),
        Flatten(),
        UntilDecision(IFLinear(84, 9, backend=backend, **hidden), IFOutput(9, 3, backend=backend)),
    )


def if_layers(model):
    return [module for module in model.modules() if isinstance(module, IFLinear | IFConv2d)]
