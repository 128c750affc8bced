"""From torch modules to the float network file and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sstdp_hw.datasets import Samples
from sstdp_hw.errors import UserError
from sstdp_hw.float_network import FloatNetwork
from sstdp_hw.layers import Array, Dense, Flatten, Layer

from .layers import DenseIF, SpikingNetwork
from .quantization import Grid
from .recipe import Recipe


def to_float_network(
    network: SpikingNetwork, recipe: Recipe, samples: Samples, provenance: dict[str, Any],
    encoder: Array,
) -> FloatNetwork:  # fmt: skip
    """The float network that ``network`` is.

    A layer with a grid is exported as exactly ``scale * integer``, weights and thresholds, with
    its width and scale; ``rint(weight / scale)`` and ``floor(threshold / scale)`` give back the
    integers it was trained with.
    """
    layers: list[Layer] = [Flatten()]
    scales: list[float | None] = [None]
    for module in network.layers:
        weight, threshold, width, scale = _tensors(module)
        layers.append(Dense(weight, threshold, width))
        scales.append(scale)
    return FloatNetwork(
        name=f"{samples.name}-{'-'.join(str(size) for size in (*recipe.layers, network.classes))}",
        t_max=recipe.t_max,
        input_shape=tuple(samples.images.shape[1:]),
        class_names=samples.class_names,
        encoder=encoder,
        layers=tuple(layers),
        scales=tuple(scales),
        provenance=provenance,
        source="trained network",
    )


@torch.no_grad()
def _tensors(module: DenseIF) -> tuple[Array, Array, int, float | None]:
    """Weight [out, in], threshold [out], width and scale of a layer."""
    weight, threshold = module.weight.detach().cpu(), module.threshold.detach().cpu()
    if module.grid is None:
        return np.ascontiguousarray(weight.numpy().T), threshold.numpy().copy(), 0, None
    grid = module.grid
    integers = [grid.weights(weight).numpy().T, grid.thresholds(threshold).numpy()]
    exported = [(array.astype(np.float64) * grid.scale).astype(np.float32) for array in integers]
    recovered = [
        np.rint(exported[0].astype(np.float64) / grid.scale),
        np.floor(exported[1].astype(np.float64) / grid.scale),
    ]
    for name, before, after in zip(("weights", "thresholds"), integers, recovered, strict=True):
        if not np.array_equal(before, after):
            raise UserError(
                f"Quantized {name} must be exact in float32 at scale {grid.scale:g}, and the "
                f"largest is {np.abs(before).max():.0f} steps; choose a smaller weight width"
            )
    return np.ascontiguousarray(exported[0]), exported[1], grid.width, grid.scale


def hidden_sizes(source: FloatNetwork) -> tuple[int, ...]:
    """Hidden layer sizes of a float network that this trainer can continue.

    Raises
    ------
    UserError
        If the network has another layer than flatten and dense.
    """
    for index, layer in enumerate(source.layers):
        if not isinstance(layer, Dense | Flatten):
            raise UserError(
                f"{source.source}: layers.{index} must be flatten or dense to be trained further, "
                f"not {layer.kind}"
            )
    return tuple(layer.neurons for layer in source.layers if isinstance(layer, Dense))[:-1]


@torch.no_grad()
def load_weights(network: SpikingNetwork, source: FloatNetwork) -> None:
    """Copy weights and thresholds of ``source`` into ``network``, which has the same sizes."""
    dense = [layer for layer in source.layers if isinstance(layer, Dense)]
    for module, layer in zip(network.layers, dense, strict=True):
        module.weight.copy_(torch.from_numpy(layer.weight.T.astype(np.float32)))
        module.threshold.copy_(torch.from_numpy(layer.threshold.astype(np.float32)))
    first = network.layers[0]
    first.kept.copy_(first.weight.any(1))  # a pruned pixel stays pruned


def fit_grids(network: SpikingNetwork, widths: tuple[int, ...]) -> None:
    """Give every layer the integer grid of its width, fitted to its present weights."""
    for module, width in zip(network.layers, widths, strict=True):
        module.grid = Grid.fitted(module.weight, width)
