"""The backend in plain PyTorch, on any device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ...recipes.architecture import Geometry, PooledLayer
from .conv_layer import TorchConvLayer
from .dense_layer import TorchDenseLayer
from .normalized_network import TorchNormalizedNetwork


class TorchBackend:
    """See `rule.backend.Backend`."""

    name: ClassVar[str] = "torch"

    def dense_layer(self) -> TorchDenseLayer:
        return TorchDenseLayer()

    def conv_layer(self, geometry: Geometry) -> TorchConvLayer:
        return TorchConvLayer(geometry)

    def network(self, layers: Sequence[PooledLayer]) -> None:
        return None

    def normalized_network(self, layers: Sequence[PooledLayer]) -> TorchNormalizedNetwork:
        return TorchNormalizedNetwork(layers)


TORCH = TorchBackend()
