"""Where a block stands in the chain: what it is called, what arrives there, and who comes next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..network.layers import Array, Shape
from .feature_map import FeatureMap


@dataclass(frozen=True, eq=False)
class Place:
    """A block's surroundings.

    Parameters
    ----------
    name : str
        Name of the layer in the network file, for messages ("layers.1").
    shape : tuple of int
        Of the layer's input in the network.
    sources : int64 [events]
        Input in C order behind every index of an event, -1 for indices not in use.
    arriving : FeatureMap, optional
        How the events are numbered, if the block before keeps a feature map's coordinates.
    after : str, optional
        Kind of the block that takes the spikes; None behind the output layer.
    """

    name: str
    shape: Shape
    sources: Array
    arriving: FeatureMap | None
    after: str | None

    @property
    def mapped(self) -> tuple[FeatureMap, Array | None]:
        """For a block that works on coordinates: the numbering it takes, and the index in it of
        every index of an event, None if they are the same."""
        if self.arriving is not None:
            return self.arriving, None
        numbering = FeatureMap.fields(self.shape, self.shape[0])
        return numbering, np.where(self.sources >= 0, numbering.indices[self.sources], -1)
