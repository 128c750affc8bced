"""The native backend: compiled for the CPU by numba; importing needs numba."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ...recipes.architecture import Geometry, PooledLayer
from ...rule.backend import NetworkBackend
from .conv_layer import NativeConvLayer
from .dense_layer import NativeDenseLayer
from .dense_network import NativeDenseNetwork
from .mixed_network import NativeMixedNetwork
from .normalized.network import NativeNormalizedNetwork


@dataclass(frozen=True)
class NativeBackend:
    """See `rule.backend.Backend`.

    Parameters
    ----------
    threads : int
        In normalized networks, where results are the same with any number of them.
    """

    threads: int = 1
    name: ClassVar[str] = "native"

    def dense_layer(self) -> NativeDenseLayer:
        return NativeDenseLayer()

    def conv_layer(self, geometry: Geometry) -> NativeConvLayer:
        return NativeConvLayer(geometry)

    def network(self, layers: Sequence[PooledLayer]) -> NetworkBackend:
        dense = all(layer.dense for layer in layers)
        return NativeDenseNetwork() if dense else NativeMixedNetwork(layers)

    def normalized_network(self, layers: Sequence[PooledLayer]) -> NativeNormalizedNetwork:
        return NativeNormalizedNetwork(layers, self.threads)
