"""From torch modules to the float network file and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sstdp_hw.base.errors import UserError
from sstdp_hw.data.datasets import Samples
from sstdp_hw.network.chain import printable
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.layers import Array, Conv2d, Dense, Flatten, Layer, Pool2d

from ..recipes.architecture import PooledLayer, place
from ..recipes.recipe import Recipe
from .encoder import planes_of, spike_shape
from .layers import DenseIF, IFLayer, SpikingNetwork
from .normalized import NormalizedIF, NormalizedNetwork, PotentialOutput, to_file
from .quantization import Grid

# Axes from a module's weights, output last, to those of the network file, and back; by rank.
OUT_FIRST = {2: (1, 0), 4: (3, 2, 0, 1)}
OUT_LAST = {2: (1, 0), 4: (2, 3, 1, 0)}


def to_float_network(
    network: SpikingNetwork | NormalizedNetwork, recipe: Recipe, samples: Samples,
    provenance: dict[str, Any], encoder: Array | None,
) -> FloatNetwork:  # fmt: skip
    """The float network that ``network`` is.

    A layer with a grid is exported as exactly ``scale * integer``, weights and thresholds, with
    its width and scale; ``rint(weight / scale)`` and ``floor(threshold / scale)`` give back the
    integers it was trained with.
    """
    layers: list[Layer] = []
    scales: list[float | None] = []
    modules = iter(network.layers)
    planes = 1 if encoder is None else planes_of(encoder)
    shape = spike_shape(samples.images.shape[1:], planes)
    for layer in place(recipe.layers, shape, network.classes):
        if layer.spec.dense and len(layer.inputs) == 3:
            layers.append(Flatten())
            scales.append(None)
        *tensors, scale = _tensors(next(modules), recipe) if layer.spec.weighted else [None]
        layers.append(FILED[layer.spec.kind](layer.spec, *tensors))
        scales.append(scale)
    return FloatNetwork(
        name="-".join(map(str, (printable(samples.name), *recipe.layers, network.classes))),
        t_max=recipe.t_max,
        input_shape=tuple(samples.images.shape[1:]),
        class_names=samples.class_names,
        encoder=encoder,
        layers=tuple(layers),
        scales=tuple(scales),
        provenance=provenance,
        source="trained network",
    )


# Every kind of layer as the network file has it: from its spec and, if it has weights, its weight,
# threshold and width.
FILED: dict[str, Callable[..., Layer]] = {
    Dense.kind: lambda spec, *tensors: Dense(*tensors),
    Conv2d.kind: lambda spec, *tensors: Conv2d(*tensors, spec.stride, spec.padding),
    Pool2d.kind: lambda spec: Pool2d(spec.kernel),
}


@torch.no_grad()
def _tensors(
    module: IFLayer | NormalizedIF | PotentialOutput, recipe: Recipe
) -> tuple[Array, Array, int, float | None]:
    """Weight [out, in] or [out, in, kh, kw], threshold [out], width and scale of a layer."""
    if not isinstance(module, IFLayer):
        kernels, of_neurons, width, scale = to_file(module, bool(recipe.weight_widths))
        kernels = kernels.permute(3, 2, 0, 1)
        if module.dense:
            kernels = kernels.flatten(1)
        return kernels.contiguous().cpu().numpy(), of_neurons.cpu().numpy(), width, scale
    return if_tensors(module)


@torch.no_grad()
def if_tensors(module: IFLayer) -> tuple[Array, Array, int, float | None]:
    """Weight [out, in] or [out, in, kh, kw], threshold [out], width (0 in float) and scale."""
    weight, threshold = module.rows().detach().cpu(), module.threshold.detach().cpu()
    axes = OUT_FIRST[weight.dim()]
    if module.grid is None:
        filed = np.ascontiguousarray(weight.permute(axes).numpy())
        return filed, threshold.numpy().copy(), 0, None
    grid = module.grid
    integers = [grid.weights(weight).permute(axes).numpy(), grid.thresholds(threshold).numpy()]
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


@torch.no_grad()
def load_weights(network: SpikingNetwork, source: FloatNetwork) -> None:
    """Copy weights and thresholds of ``source`` into ``network``, which has the same layers."""
    for module, (_, layer) in zip(network.layers, source.weighted, strict=True):
        axes = OUT_LAST[layer.weight.ndim]
        module.weight.copy_(torch.from_numpy(layer.weight.astype(np.float32)).permute(axes))
        module.threshold.copy_(torch.from_numpy(layer.threshold.astype(np.float32)))
    first = network.layers[0]
    if isinstance(first, DenseIF):
        first.kept.copy_(first.weight.any(1))  # a pruned pixel stays pruned


def weights_of(source: FloatNetwork, layers: Sequence[PooledLayer]) -> list[tuple[Tensor, Tensor]]:
    """Weights [kernel height, kernel width, in, out] and thresholds [out] of ``source``."""
    found = []
    for layer, (_, filed_layer) in zip(layers, source.weighted, strict=True):
        weight = filed_layer.weight.astype(np.float32)
        weight = weight.transpose(OUT_LAST[weight.ndim])
        kernels = layer.channels_first(weight).transpose(1, 2, 0, 3)
        threshold = filed_layer.threshold.astype(np.float32)
        found.append((torch.from_numpy(np.ascontiguousarray(kernels)), torch.from_numpy(threshold)))
    return found


def fit_grids(network: SpikingNetwork, widths: tuple[int, ...]) -> None:
    """Give every layer the integer grid of its width, fitted to its present weights."""
    for module, width in zip(network.layers, widths, strict=True):
        module.grid = Grid.fitted(module.weight, width)
