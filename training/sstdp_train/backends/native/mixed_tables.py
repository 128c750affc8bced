"""The layers of a network with convolutions as the tables that `mixed_network` walks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sstdp_hw.network.layers import Array

from ...recipes.architecture import PooledLayer
from .arrays import array_of
from .conv_layout import ConvLayout


class MixedTables(NamedTuple):
    """All layers, as compiled code takes them. Numbers of all layers lie side by side in one row.

    Members
    -------
    first_neuron, first_cell, first_threshold : int64 [layers + 1]
        Where the neurons, the pooled cells, and the thresholds and pushes of each layer begin.
    cell_of : int32 [neurons]
        The pooled cell of every neuron, -1 for none.
    first_in : int32 [cells]
        The first neuron of every pooled cell, counted within its layer.
    pools : int64 [layers, 2]
        Height and width of each layer's pooling window.
    layers : tuple of ConvTables
    """

    first_neuron: Any
    first_cell: Any
    first_threshold: Any
    cell_of: Any
    first_in: Any
    pools: Any
    layers: Any


class MixedLayout:
    """How the numbers of a network with convolutions lie in memory.

    Parameters
    ----------
    layers : sequence of PooledLayer
        All layers with weights.
    """

    def __init__(self, layers: Sequence[PooledLayer]) -> None:
        self.layers = tuple(layers)
        self.convs = [ConvLayout(layer.geometry) for layer in layers]
        outputs = [layer.geometry.outputs for layer in layers]
        first_cell = _starts([layer.pooled for layer in layers])
        pooling = [_pooling(*of) for of in zip(layers, first_cell, strict=False)]
        self.tables = MixedTables(
            first_neuron=_starts(outputs),
            first_cell=first_cell,
            first_threshold=_starts([shape[2:] for shape in outputs]),
            cell_of=np.concatenate([of for of, _ in pooling]).astype(np.int32),
            first_in=np.concatenate([of for _, of in pooling]).astype(np.int32),
            pools=np.array([layer.pool for layer in layers]),
            layers=tuple(conv.tables for conv in self.convs),
        )

    def by_event(self, weights: Sequence[Tensor]) -> tuple[Array, ...]:
        """Weights as events add them, flat: [channels, kernel height, columns, neurons]."""
        return tuple(
            layer.channels_first(array_of(weight))[:, :, conv.order].reshape(-1)
            for layer, conv, weight in zip(self.layers, self.convs, weights, strict=True)
        )

    def by_neuron(self, weights: Sequence[Tensor]) -> tuple[Array, ...]:
        """Weights as neurons have them, flat: [neurons, kernel height, kernel width, channels]."""
        return tuple(
            np.ascontiguousarray(
                layer.channels_first(array_of(weight)).transpose(3, 1, 2, 0)
            ).reshape(-1)
            for layer, weight in zip(self.layers, weights, strict=True)
        )

    def together(self, by_event: Sequence[Array], by_neuron: Sequence[Array]) -> list[Tensor]:
        """The sum of both forms, in the shape of each layer's weights."""
        totals = []
        for layer, conv, one, other in zip(
            self.layers, self.convs, by_event, by_neuron, strict=True
        ):
            (height, width), (_, _, channels) = layer.geometry.kernel, layer.geometry.inputs
            total = one.reshape(channels, height, width, -1)[:, :, conv.place]
            total += other.reshape(-1, height, width, channels).transpose(3, 1, 2, 0)
            totals.append(torch.from_numpy(layer.own_order(total)))
        return totals

    @cached_property
    def weight_counts(self) -> list[int]:
        """How many weights each layer has."""
        return [layer.geometry.fan_in * layer.geometry.outputs[2] for layer in self.layers]


def _starts(shapes: Sequence[tuple[int, ...]]) -> Array:
    """Where each of these begins if they lie one after the other, and where the last ends."""
    return np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])


def _pooling(layer: PooledLayer, first_cell: int) -> tuple[Array, Array]:
    """See ``cell_of`` and ``first_in`` of `MixedTables`."""
    (height, width, channels), (rows, columns, _) = layer.geometry.outputs, layer.pooled
    y, x, channel = np.indices((height, width, channels))
    row, column = y // layer.pool[0], x // layer.pool[1]
    cell = (row * columns + column) * channels + channel + first_cell
    cell_of = np.where((row < rows) & (column < columns), cell, -1).reshape(-1)
    row, column, channel = np.indices((rows, columns, channels))
    first_in = (row * layer.pool[0] * width + column * layer.pool[1]) * channels + channel
    return cell_of, first_in.reshape(-1)
