"""The layers of a network with convolutions as the tables that `chain_native` walks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from sstdp_hw.network.layers import Array

from ...recipes.architecture import Link
from .rows import array_of
from .spans import Spans


class Chain:
    """The layers of a network with convolutions, in tables for compiled code.

    Parameters
    ----------
    links : sequence of Link
        All weighted layers; see `architecture.Link`.
    """

    def __init__(self, links: Sequence[Link]) -> None:
        self.links = tuple(links)
        self.spans = [Spans(link.geometry) for link in links]
        outputs = [link.geometry.outputs for link in links]
        pooled = [link.pooled for link in links]
        self.first = np.cumsum([0, *(int(np.prod(shape)) for shape in outputs)])
        self.pooled_first = np.cumsum([0, *(int(np.prod(shape)) for shape in pooled)])
        self.own_first = np.cumsum([0, *(shape[2] for shape in outputs)])
        tables = [self._pooling(index) for index in range(len(links))]
        self.pooled_of = np.concatenate([of for of, _ in tables]).astype(np.int32)
        self.first_of = np.concatenate([of for _, of in tables]).astype(np.int32)
        self.pools = np.array([(*link.pool, link.geometry.outputs[2]) for link in links])
        self.numbers = np.stack([spans.numbers for spans in self.spans])
        self.ys = tuple(spans.of_rows for spans in self.spans)
        self.xs = tuple(spans.of_columns for spans in self.spans)
        self.rows = tuple(spans.of_outputs for spans in self.spans)

    def _pooling(self, index: int) -> tuple[Array, Array]:
        """The pooled cell of every neuron, -1 for none; the first neuron of every pooled cell."""
        link = self.links[index]
        (height, width, channels), (rows, columns, _) = link.geometry.outputs, link.pooled
        y, x, channel = np.indices((height, width, channels))
        row, column = y // link.pool[0], x // link.pool[1]
        cell = (row * columns + column) * channels + channel + self.pooled_first[index]
        pooled_of = np.where((row < rows) & (column < columns), cell, -1).reshape(-1)
        row, column, channel = np.indices((rows, columns, channels))
        first_of = (row * link.pool[0] * width + column * link.pool[1]) * channels + channel
        return pooled_of, first_of.reshape(-1)

    @property
    def depth(self) -> int:
        return len(self.links)

    def by_event(self, weights: Sequence[Tensor]) -> tuple[Array, ...]:
        """Weights as events add them, flat: [channels, kernel height, columns, neurons]."""
        return tuple(
            link.channels_first(array_of(weight))[:, :, spans.order].reshape(-1)
            for link, spans, weight in zip(self.links, self.spans, weights, strict=True)
        )

    def by_neuron(self, weights: Sequence[Tensor]) -> tuple[Array, ...]:
        """Weights as neurons have them, flat: [neurons, kernel height, kernel width, channels]."""
        return tuple(
            np.ascontiguousarray(
                link.channels_first(array_of(weight)).transpose(3, 1, 2, 0)
            ).reshape(-1)
            for link, weight in zip(self.links, weights, strict=True)
        )

    def together(self, by_event: Sequence[Array], by_neuron: Sequence[Array]) -> list[Tensor]:
        """The sum of both forms, in the shape of each layer's weights."""
        totals = []
        for link, spans, one, other in zip(
            self.links, self.spans, by_event, by_neuron, strict=True
        ):
            (height, width), (_, _, channels) = link.geometry.kernel, link.geometry.inputs
            total = one.reshape(channels, height, width, -1)[:, :, spans.place]
            total += other.reshape(-1, height, width, channels).transpose(3, 1, 2, 0)
            totals.append(torch.from_numpy(link.own_order(total)))
        return totals

    @cached_property
    def weights_of(self) -> list[int]:
        return [link.geometry.fan_in * link.geometry.outputs[2] for link in self.links]
