"""From a network to the layers of the sequential engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...network.layers import Array
from ...network.network import Network
from ..feature_map import FeatureMap
from ..map_parameters import MapParameters
from ..place import Place
from ..pooling import PoolParameters
from ..weight_store import ROM, WeightStore
from .engine import EngineParameters
from .layer import SequentialLayer
from .tiled import TiledEngineParameters

#: Lanes that are taken if none are given, or as many as the widest layer can use.
DEFAULT_LANES = 16


@dataclass(frozen=True, eq=False)
class SequentialChain:
    """What stands behind the input.

    Parameters
    ----------
    filters : tuple of PoolParameters
        Pooling layers in front of the first weighted layer; they work on the stream of events.
    engine : EngineParameters
    """

    filters: tuple[PoolParameters, ...]
    engine: EngineParameters


def sequential_chain(
    network: Network, order: Array, lanes: int | None, store: WeightStore = ROM
) -> SequentialChain:
    """The blocks for a network.

    Parameters
    ----------
    network : Network
    order : int64
        Input of the network in C order behind every index of an event from the input, -1 for none.
    lanes : int, optional
    store : WeightStore

    Raises
    ------
    UserError
        If the lanes are out of range.
    """
    present: list[tuple[int, Any]] = [
        (index, layer) for index, layer in enumerate(network.layers) if not layer.passes_inputs_on
    ]
    if lanes is None:
        lanes = min(DEFAULT_LANES, max(layer.outputs for _, layer in network.weighted))
    filters: list[PoolParameters] = []
    while present[0][1].kind == "pool2d":
        index, layer = present.pop(0)
        place = _place(network, index, order, filters, present[0][1].kind)
        filters.append(PoolParameters.create(layer, place, iter(()), store))
    weighted = [number for number, (_, layer) in enumerate(present) if layer.kind != "pool2d"]
    found: list[SequentialLayer] = []
    for number, after in zip(weighted, [*weighted[1:], len(present)], strict=True):
        index, layer = present[number]
        name = f"layers.{index}"
        pools = tuple(
            PoolParameters(
                f"layers.{at}", FeatureMap.fields(network.shapes[at], network.shapes[at][0]),
                None, "pool2d", pool,
            )
            for at, pool in present[number + 1 : after]
        )  # fmt: skip
        entry, sources = None, np.zeros(0, np.int64)
        arriving = found[-1].sends if found else (0, 0, 0)
        if not found:
            place = _place(network, index, order, filters, layer.kind)
            if layer.kind == "conv2d":
                arriving, places = place.mapped[0].shape, place.mapped[1]
                entry = MapParameters(name, place.mapped[0], places, layer.kind)
            else:
                arriving, sources = (len(place.sources), 1, 1), place.sources
        elif layer.kind == "dense":
            columns = np.arange(int(np.prod(arriving))).reshape(arriving)
            sources = columns.transpose(1, 2, 0).reshape(-1)
        found.append(
            SequentialLayer(
                name, layer, lanes, after == len(present), arriving, sources, entry, pools,
                store=store,
            )
        )  # fmt: skip
    kind = TiledEngineParameters if store.external else EngineParameters
    return SequentialChain(tuple(filters), kind.of(found, network.t_max))


def _place(
    network: Network, index: int, order: Array, filters: list[PoolParameters], after: str
) -> Place:
    """Of the block of a layer that takes the input's events, behind the ``filters``."""
    sources = filters[-1].sent if filters else order
    arriving = filters[-1].leaving if filters else None
    return Place(f"layers.{index}", network.shapes[index], sources, arriving, after)
