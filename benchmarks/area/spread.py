"""The accelerators that the area model is fitted to and judged by: drawn, not chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sstdp_hw import ready
from sstdp_hw.blocks.axi_read import DATA_WIDTHS
from sstdp_hw.blocks.hardware import PIXELS_PER_BEAT, AcceleratorParameters, Configuration
from sstdp_hw.blocks.pipeline import MAX_BATCH
from sstdp_hw.network.layers import Array, Conv2d, Dense, Flatten, Layer, Pool2d
from sstdp_hw.network.network import Network

DRAWN = 28
DRAWN_CONV = 12
DRAWN_LOADABLE, DRAWN_CONV_LOADABLE = 8, 4
DRAWN_ENGINES, DRAWN_ENGINES_LOADABLE = 24, 18
#: Engines that were drawn when the model was done: none is fitted to.
DRAWN_LATER = 5
#: Of wider engines synthesis takes minutes.
MOST_ENGINE_LANES = 24
T_MAX = (4, 8, 16, 32)
WIDTHS = (1, 2, 3, 4, 5, 6, 8)

#: Trained networks, never fitted to.
READY = (
    ("digits-64-64-10-4bit", Configuration((16, 10), 1)),
    ("digits-64-64-10-4bit", Configuration((64, 10), 8)),
    ("mnist-784-128-10-4bit", Configuration((4, 1), 1)),
    ("mnist-784-400-10-sparse-4bit", Configuration((16, 10), 1)),
    ("mnist-784-400-10-1bit", Configuration((40, 5), 4)),
    ("mnist-784-400-10-sparse-4bit", Configuration((400, 10), 8)),
)

#: The same on one engine: network, lanes, and where the weights stand.
READY_ENGINES = (
    ("mnist-784-128-10-4bit", 4, "rom"),
    ("mnist-conv-4bit", 16, "rom"),
    ("digits-64-64-10-4bit", 8, "external"),
)


@dataclass(frozen=True)
class Point:
    """One accelerator; ``fit`` says whether the model may learn from it."""

    name: str
    parameters: AcceleratorParameters
    fit: bool


def points() -> list[Point]:
    """Every second drawn one is fitted to, the others and the trained ones are held out."""
    drawn = [Point(f"drawn-{seed}", _draw(seed), seed % 2 == 0) for seed in range(DRAWN)]
    drawn += [Point(f"conv-{seed}", _draw_conv(seed), seed % 2 == 0) for seed in range(DRAWN_CONV)]
    again = drawn[:DRAWN_LOADABLE] + drawn[DRAWN : DRAWN + DRAWN_CONV_LOADABLE]
    drawn += [_loadable(point, seed) for seed, point in enumerate(again)]
    engines = [_engine(seed) for seed in range(DRAWN_ENGINES)]
    drawn += engines
    drawn += [replace(_engine(DRAWN_ENGINES + seed), fit=False) for seed in range(DRAWN_LATER)]
    drawn += [_batched(point) for point in engines if point.parameters.store.external]
    drawn += [
        _loaded_engine(point) for point in engines[:DRAWN_ENGINES_LOADABLE]
        if not point.parameters.store.external
    ]  # fmt: skip
    trained = []
    for name, configuration in READY:
        parameters = AcceleratorParameters(ready.load(name), configuration)
        label = f"{name} {','.join(map(str, parameters.lanes))} x{parameters.pixels_per_beat}"
        trained.append(Point(label, parameters, False))
    for name, lanes, weights in READY_ENGINES:
        configuration = Configuration((lanes,), architecture="sequential", weights=weights)
        parameters = AcceleratorParameters(ready.load(name), configuration)
        trained.append(Point(f"engine {name} {lanes} {weights}", parameters, False))
    return drawn + trained


def _loadable(point: Point, seed: int) -> Point:
    """The same with weights that are loaded."""
    p = point.parameters
    configuration = replace(p.configuration, weights="loadable")
    parameters = AcceleratorParameters(p.network, configuration)
    return Point(f"{point.name} loadable", parameters, seed % 2 == 0)


def _engine(seed: int) -> Point:
    """One engine for all layers, in turn of dense layers and with convolutions, and with weights in
    the bitstream and in an external memory."""
    rng = np.random.default_rng([seed, 6])
    p = (_draw_conv if seed % 2 else _draw)(100 + seed)
    external = seed // 2 % 2 > 0
    most = max(layer.most_lanes for layer in p.layers)
    lanes = max(1, round(most ** min(1.0, 1.33 * rng.random())))
    lanes = min(lanes, MOST_ENGINE_LANES)
    configuration = replace(
        p.configuration, lanes=(lanes,), architecture="sequential",
        weights="external" if external else "rom",
    )  # fmt: skip
    if external:
        configuration = replace(configuration, memory_width=int(rng.choice(DATA_WIDTHS)))
        least = AcceleratorParameters(p.network, configuration).tiled.plan.least_bits
        configuration = replace(configuration, weight_buffer=int(least * rng.choice([1, 2, 4])))
    kind = "external" if external else "rom"
    parameters = AcceleratorParameters(p.network, configuration)
    return Point(f"engine-{seed} {kind}", parameters, seed // 4 % 2 == 0)


def _loaded_engine(point: Point) -> Point:
    """The same with weights that are loaded."""
    name = point.name.replace("rom", "loadable")
    return replace(_loadable(point, 0), name=name, fit=point.fit)


def _batched(point: Point) -> Point:
    """The same with a batch of several images."""
    p = point.parameters
    batch = 2 + len(p.tiled.plan.tiles) % (MAX_BATCH - 1)
    parameters = AcceleratorParameters(p.network, replace(p.configuration, batch=batch))
    return Point(f"{point.name} batch {batch}", parameters, point.fit)


def _draw(seed: int) -> AcceleratorParameters:
    """One or two hidden layers, up to 400 inputs and 160 neurons, as training makes them: small
    numbers in the weights, thresholds mostly equal, dark borders at times without weights."""
    rng = np.random.default_rng([seed, 4])
    side = int(rng.integers(6, 21))
    t_max = int(rng.choice(T_MAX))
    layers: list[Layer] = [Flatten()]
    inputs, lanes = side * side, []
    sizes = [int(size) for size in rng.integers(16, 161, rng.choice([1, 1, 2]))]
    sizes.append(int(rng.integers(2, 21)))
    for place, neurons in enumerate(sizes):
        width = int(rng.choice(WIDTHS))
        weight = _weight(rng, (neurons, inputs), width)
        if not place and width > 1 and rng.random() < 0.4:
            weight[:, rng.random(inputs) < 0.3] = 0
        layers.append(Dense(weight, _threshold(rng, weight), width))
        # Even on a logarithmic scale, and every fourth layer with a lane per neuron.
        lanes.append(max(1, round(neurons ** min(1.0, 1.33 * rng.random()))))
        inputs = neurons
    return _parameters(rng, f"drawn-{seed}", (1, side, side), t_max, layers, lanes)


def _draw_conv(seed: int) -> AcceleratorParameters:
    """One or two convolutions, each with a pooling layer behind it at times, and a dense layer."""
    rng = np.random.default_rng([seed, 5])
    side = int(rng.integers(8, 29))
    present: tuple[int, ...] = (int(rng.choice([1, 1, 3])), side, side)
    shape, t_max = present, int(rng.choice(T_MAX))
    layers: list[Layer] = []
    lanes = []
    for _ in range(rng.integers(1, 3)):
        channels, kernel = int(rng.integers(4, 33)), int(rng.choice([3, 5]))
        width = int(rng.choice(WIDTHS))
        weight = _weight(rng, (channels, present[0], kernel, kernel), width)
        padding = int(rng.integers(0, kernel // 2 + 1))
        layers.append(Conv2d(weight, _threshold(rng, weight), width, (1, 1), (padding, padding)))
        lanes.append(-(-channels // int(rng.choice([1, 1, 2, 4]))))
        present = layers[-1].output_shape(present)
        if rng.random() < 0.7:
            layers.append(Pool2d((2, 2)))
            present = layers[-1].output_shape(present)
    width = int(rng.choice(WIDTHS))
    weight = _weight(rng, (10, int(np.prod(present))), width)
    layers.append(Dense(weight, _threshold(rng, weight), width))
    return _parameters(rng, f"conv-{seed}", shape, t_max, layers, [*lanes, 10])


def _weight(rng: np.random.Generator, shape: tuple[int, ...], width: int) -> Array:
    """Small numbers, as training makes them."""
    if width == 1:
        return rng.choice([-1, 1], shape).astype(np.int8)
    half = 1 << width - 1
    drawn: Array = np.clip(np.rint(rng.normal(0, half / 2, shape)), -half, half - 1)
    return drawn.astype(np.int8)


def _threshold(rng: np.random.Generator, weight: Array) -> Array:
    """Thresholds, mostly equal."""
    flat = weight.reshape(len(weight), -1).astype(np.int64)
    reach = int(np.abs(flat).sum(axis=1).max()) // 8 + 1
    drawn = (
        np.full(len(weight), reach) if rng.random() < 0.6 else rng.integers(0, reach, len(weight))
    )
    return drawn.astype(np.int32)


def _parameters(
    rng: np.random.Generator, name: str, shape: tuple[int, ...], t_max: int, layers: list[Layer],
    lanes: list[int],
) -> AcceleratorParameters:  # fmt: skip
    bright = rng.integers(150, 256)
    encoder = np.clip((255 - np.arange(256)) * t_max // bright, 0, t_max)
    output = layers[-1]
    assert isinstance(output, Dense), "a network ends with its classes"
    network = Network(
        name=name,
        t_max=t_max,
        input_shape=shape,
        class_names=tuple(map(str, range(output.neurons))),
        encoder=encoder.astype(np.uint8),
        layers=tuple(layers),
    )
    configuration = Configuration(tuple(lanes), int(rng.choice(PIXELS_PER_BEAT)))
    return AcceleratorParameters(network, configuration)
