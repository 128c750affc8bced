"""What blocks that work on the coordinates of a feature map have in common as hardware."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..network.layers import Array, Shape
from .feature_map import FeatureMap
from .pipeline import BACKLOG_DEPTH, LARGEST_TABLE, QUEUE_DEPTH, rom_latency
from .place import Place
from .widths import index_width


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

    @staticmethod
    def surroundings(place: Place) -> tuple[str, FeatureMap, Array | None, str]:
        """Name, ``arriving``, ``places`` and ``after`` of a block in its place."""
        assert place.after is not None, "the network's own check"
        return (place.name, *place.mapped, place.after)

    @property
    def leaving(self) -> FeatureMap:
        """How the block's own spikes are numbered."""
        raise NotImplementedError

    @property
    def sent(self) -> Array:
        """Neuron behind every index of a spike, -1 for none."""
        return self.leaving.neurons

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
