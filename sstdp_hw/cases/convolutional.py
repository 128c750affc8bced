"""Random networks of convolution, pooling and dense layers, and the configurations for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..network.layers import Conv2d, Flatten, Pool2d
from .dense import Case, finished_case, random_dense

T_MAX = (1, 2, 3, 5, 8, 16, 64)


def random_conv_case(seed: int, *, early_exit: bool, images: int = 6, planes: int = 1) -> Case:
    """1 to 3 channels in, 1 to 4 convolutions and poolings in any order, kernels 1 to 5, strides 1
    to 3, paddings 0 to 2, pools that divide the map and that do not, 1 to 2 dense layers; widths 1
    to 8 bit, t_max 1 to 64, thresholds also negative and huge, lanes that divide the channels and
    that do not, every fourth network with more than 16 of them; one image dark, one bright."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 4)), int(rng.integers(4, 10)), int(rng.integers(4, 10)))
    t_max = int(rng.choice(T_MAX))
    encoder = rng.integers(0, t_max + 1, (planes, 256) if planes > 1 else 256)
    encoder[rng.random(encoder.shape) < rng.random()] = t_max
    layers: list[Any] = []
    lanes: list[int] = []
    present = (planes * shape[0], *shape[1:])
    for _ in range(rng.integers(1, 5)):
        if rng.random() < 0.4 or len(lanes) == 2:
            kernel = tuple(min(int(rng.integers(1, 4)), size) for size in present[1:])
            layers.append(Pool2d((kernel[0], kernel[1])))
        else:
            most = 24 if seed % 4 == 0 and not lanes else 6
            layers.append(random_conv(rng, int(rng.integers(1, most + 1)), present))
            lanes.append(int(rng.integers(1, len(layers[-1].weight) + 1)))
        present = layers[-1].output_shape(present)
    if rng.integers(2):
        layers.append(Flatten())
    inputs = int(np.prod(present))
    for _ in range(rng.integers(1, 3)):
        neurons = int(rng.integers(1, 20))
        layers.append(random_dense(rng, neurons, inputs, int(rng.integers(1, 9))))
        lanes.append(int(rng.integers(1, neurons + 1)))
        inputs = neurons
    return finished_case(rng, f"random-conv-{seed}", seed, shape, t_max, encoder, layers, lanes,
                         images=images, early_exit=early_exit)  # fmt: skip


def random_conv(rng: np.random.Generator, channels: int, shape: tuple[int, ...], *,
                kernel: Any = None, stride: Any = None, padding: Any = None,
                width: int | None = None) -> Conv2d:  # fmt: skip
    """A convolution of an input of ``shape``; thresholds as in `random_dense`."""
    padding = padding or tuple(int(size) for size in rng.integers(0, 3, 2))
    kernel = kernel or tuple(
        min(int(rng.integers(1, 6)), size + 2 * border)
        for size, border in zip(shape[1:], padding, strict=True)
    )
    stride = stride or tuple(int(size) for size in rng.integers(1, 4, 2))
    inputs = shape[0] * kernel[0] * kernel[1]
    flat = random_dense(rng, channels, inputs, width or int(rng.integers(1, 9)))
    weight = flat.weight.reshape(channels, shape[0], *kernel)
    return Conv2d(weight, flat.threshold, flat.weight_width, stride, padding)
