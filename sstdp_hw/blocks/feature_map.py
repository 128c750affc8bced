"""How the events of a feature map are numbered on their way to the next layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..network.layers import Array, Shape
from .pipeline import BACKLOG_DEPTH, LARGEST_TABLE, QUEUE_DEPTH, rom_latency
from .widths import index_width


@dataclass(frozen=True)
class FeatureMap:
    """An event's index is ``y * row + x * column + channel``.

    A convolution or a pooling layer wants `fields`, from which it takes coordinates without
    arithmetic; a fully connected layer has a row of weights for every index and wants few of them,
    `packed`.

    Parameters
    ----------
    shape : (channels, height, width)
    column, row : int
        Distance of the indices of two neighbours in x and in y.
    """

    shape: Shape
    column: int
    row: int

    @classmethod
    def fields(cls, shape: Shape, channels: int) -> FeatureMap:
        """Coordinates in bit fields: channel lowest, then x, then y.

        ``channels`` may exceed those of ``shape``, for lanes without a neuron.
        """
        column = 1 << (channels - 1).bit_length()
        return cls(shape, column, column << (shape[2] - 1).bit_length())

    @classmethod
    def packed(cls, shape: Shape, channels: int) -> FeatureMap:
        """Without gaps, but for channels beyond those of ``shape``."""
        return cls(shape, channels, channels * shape[2])

    @property
    def widths(self) -> tuple[int, int, int]:
        """Bits of channel, x and y in the numbering of `fields`."""
        channel = self.column.bit_length() - 1
        column = self.row.bit_length() - 1 - channel
        return channel, column, (self.shape[1] - 1).bit_length()

    @property
    def count(self) -> int:
        """Indices that an event may carry."""
        _, height, width = self.shape
        return (height - 1) * self.row + (width - 1) * self.column + self.column

    @property
    def index_width(self) -> int:
        """Bits of an index."""
        return index_width(self.count)

    @property
    def indices(self) -> Array:
        """Index of every neuron, neurons in C order: int64."""
        channel, y, x = np.indices(self.shape).reshape(3, -1).astype(np.int64)
        found: Array = y * self.row + x * self.column + channel
        return found

    @property
    def neurons(self) -> Array:
        """Neuron in C order behind every index, -1 for none: int64 [count]."""
        found = np.full(self.count, -1, np.int64)
        found[self.indices] = np.arange(int(np.prod(self.shape)))
        return found


@dataclass(frozen=True, eq=False)
class MapParameters:
    """A block that takes the events of a feature map by their coordinates.

    Parameters
    ----------
    name : str
        Name of the layer in the network file, for messages ("layers.0").
    arriving : FeatureMap
        Of the input, in `FeatureMap.fields`.
    places : int64 [events], optional
        Index in ``arriving`` of every index of an event, -1 for those not in use; by default an
        event's index is one of ``arriving``.
    after : str
        Kind of the block that takes the spikes.
    """

    name: str
    arriving: FeatureMap
    places: Array | None
    after: str

    @property
    def inputs(self) -> int:
        """Indices that an event may carry."""
        return self.arriving.count if self.places is None else len(self.places)

    @property
    def index_width(self) -> int:
        """Bits of the index of an event."""
        return index_width(self.inputs)

    @property
    def places_style(self) -> str:
        """What the table of `places` is made of."""
        return "logic" if self.inputs <= LARGEST_TABLE else "block"

    @property
    def places_latency(self) -> int:
        """Cycles from an index to its coordinates."""
        return 0 if self.places is None else rom_latency(self.inputs, self.places_style)

    @cached_property
    def coordinates(self) -> tuple[Array, Array, Array]:
        """Channel, y and x behind every index of an event; of indices not in use, any."""
        index = np.arange(self.inputs) if self.places is None else np.maximum(self.places, 0)
        row, column = self.arriving.row, self.arriving.column
        parts = index % column, index // row, index % row // column
        channel, y, x = (
            np.minimum(part, size - 1)
            for part, size in zip(parts, self.arriving.shape, strict=True)
        )
        return channel, y, x

    @property
    def queue_depth(self) -> int:
        """Places in the queue of events behind the block."""
        return BACKLOG_DEPTH if self.after == "conv2d" else QUEUE_DEPTH

    def numbered(self, shape: Shape, channels: int) -> FeatureMap:
        """The numbering of the block's own spikes; ``channels`` may exceed those of ``shape``."""
        numbering = FeatureMap.packed if self.after == "dense" else FeatureMap.fields
        return numbering(shape, channels)
