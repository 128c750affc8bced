"""Random networks and images for the tests: every corner that the format allows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.layers import Conv2d, Dense, Flatten, Pool2d
from sstdp_hw.network.network import Network
from sstdp_hw.quantization.quantize import integer_range

INT32 = np.iinfo(np.int32)


def dense_network(rng, *, neurons=None, inputs=None, t_max=None, widths=None, planes=1, **fields):
    """One to three dense layers behind a flatten; thresholds also negative and huge."""
    t_max = t_max or int(rng.choice([1, 2, 3, 8, 16, 100, 255]))
    shape = inputs or (int(rng.integers(1, 3)), int(rng.integers(1, 6)), int(rng.integers(1, 6)))
    neurons = neurons or [int(rng.integers(1, 13)) for _ in range(rng.integers(1, 4))]
    widths = widths or [int(rng.integers(1, 13)) for _ in neurons]
    layers, count = [Flatten()], int(np.prod(shape)) * planes
    for size, width in zip(neurons, widths, strict=True):
        weight = random_weight(rng, (size, count), width)
        layers.append(Dense(weight, random_threshold(rng, weight), width))
        count = size
    return Network(
        name="random",
        t_max=t_max,
        input_shape=shape,
        class_names=tuple(str(c) for c in range(count)),
        encoder=random_tables(rng, t_max, planes) if planes > 1 else random_encoder(rng, t_max),
        layers=tuple(layers),
        **fields,
    )


def conv_network(rng, *, t_max=None, planes=1):
    """Convolution, pooling, convolution, dense; strides, paddings and kernels of all kinds."""
    t_max = t_max or int(rng.choice([1, 2, 8, 16]))
    shape = (int(rng.integers(1, 3)), int(rng.integers(6, 10)), int(rng.integers(6, 10)))
    layers, present = [], (shape[0] * planes, *shape[1:])
    for _ in range(int(rng.integers(1, 3))):
        kernel = rng.integers(1, 4, 2)
        width = int(rng.integers(1, 9))
        weight = random_weight(rng, (int(rng.integers(1, 4)), present[0], *kernel), width)
        layer = Conv2d(
            weight,
            random_threshold(rng, weight),
            width,
            tuple(int(x) for x in rng.integers(1, 3, 2)),
            tuple(int(x) for x in rng.integers(0, 3, 2)),
        )
        layers.append(layer)
        present = layer.output_shape(present)
        if min(present[1:]) >= 2 and rng.random() < 0.6:
            layers.append(Pool2d((int(rng.integers(1, 3)), int(rng.integers(1, 3)))))
            present = layers[-1].output_shape(present)
    if rng.random() < 0.8:
        layers.append(Flatten())  # a dense layer flattens by itself too
    weight = random_weight(rng, (3, int(np.prod(present))), 4)
    layers.append(Dense(weight, random_threshold(rng, weight), 4))
    encoder = random_tables(rng, t_max, planes) if planes > 1 else random_encoder(rng, t_max)
    return Network("random-conv", t_max, shape, ("a", "b", "c"), encoder, tuple(layers))


def random_weight(rng, shape, width):
    if width == 1:
        return rng.choice([-1, 1], shape).astype(np.int8)
    low, high = integer_range(width)
    drawn = rng.integers(low, high + 1, shape)
    if rng.random() < 0.3:  # many ties
        drawn = np.clip(drawn, -1, 1)
    return drawn.astype(np.int8 if width <= 8 else np.int16)


def random_threshold(rng, weight):
    reach = max(1, int(np.abs(weight.reshape(len(weight), -1)).sum(axis=1).max()))
    kind = rng.integers(0, 4)
    if kind == 0:
        drawn = rng.integers(-reach, reach + 1, len(weight))
    elif kind == 1:
        drawn = rng.choice([INT32.min, INT32.max, -1, 0, reach, -reach - 1], len(weight))
    elif kind == 2:
        drawn = np.full(len(weight), rng.integers(0, 3))
    else:
        drawn = rng.integers(0, max(2, reach // 4), len(weight))
    return drawn.astype(np.int32)


def random_encoder(rng, t_max):
    kind = rng.integers(0, 3)
    if kind == 0:
        table = rng.integers(0, t_max + 1, 256)
    elif kind == 1:
        table = (255 - np.arange(256)) * (t_max + 1) // 256
    else:
        table = np.full(256, rng.choice([0, t_max - 1, t_max]))
    return table.astype(np.uint8)


def random_tables(rng, t_max, planes):
    """Tables of several planes, each of its own kind: uint8 [planes, 256]."""
    return np.stack([random_encoder(rng, t_max) for _ in range(planes)])


def random_images(rng, network, count):
    """Random images, with an all dark and an all bright one among them."""
    images = rng.integers(0, 256, (count, *network.input_shape), dtype=np.uint8)
    images[0], images[-1] = 0, 255
    return images


def float_network(rng, *, sizes=(20, 12, 4), t_max=8, scale=0.37, widths=None, **fields):
    """Dense layers of normal weights; with ``widths`` as training for a width leaves them."""
    layers, scales = [Flatten()], [None]
    for place, (inputs, neurons) in enumerate(pairwise(sizes)):
        weight = rng.normal(0, 1, (neurons, inputs)).astype(np.float32)
        threshold = rng.uniform(0.2, 2.5, neurons).astype(np.float32)
        width = 0
        if widths:
            width = widths[place]
            step = np.float32(2.0**-3)
            weight = (random_weight(rng, weight.shape, width) * step).astype(np.float32)
            threshold = (np.floor(threshold / step) * step).astype(np.float32)
        layers.append(Dense(weight, threshold, width))
        scales.append(2.0**-3 if widths else None)
    settings = {
        "name": "float",
        "t_max": t_max,
        "input_shape": (1, 1, sizes[0]),
        "class_names": tuple(str(c) for c in range(sizes[-1])),
        "encoder": ((255 - np.arange(256)) * (t_max + 1) // 256).astype(np.uint8),
        "layers": tuple(layers),
        "scales": tuple(scales),
    }
    return FloatNetwork(**{**settings, **fields})
