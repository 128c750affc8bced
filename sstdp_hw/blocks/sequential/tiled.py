"""The engine whose weights come from an external memory, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from ...base.errors import UserError
from ..map_parameters import MapParameters
from ..pipeline import rom_latency
from ..weight_store import ExternalStore
from ..widths import index_width
from .engine import EngineParameters
from .layer import SequentialLayer
from .tiles import TilePlan

#: Cycles from an address to its weights: that of the memory, and one in which its half is chosen.
BUFFER_LATENCY = rom_latency(1, "block") + 1


@dataclass(frozen=True, eq=False)
class TiledEngineParameters(EngineParameters):
    """An engine that runs a layer once for each of its tiles, with that tile's groups only.

    To the engine a tile is a layer with fewer channels; what the tiles of a layer have in common is
    the list they read, and the one they write.
    """

    @classmethod
    def of(cls, layers: list[SequentialLayer], t_max: int) -> TiledEngineParameters:
        """The engine for layers that stand alone so far.

        Raises
        ------
        UserError
            As `EngineParameters.of` and `TilePlan`, or if potentials have less than they need.
        """
        found = EngineParameters.of(layers, t_max)
        engine = cls(found.layers, t_max)
        engine._refuse_shared()
        return engine

    def _refuse_shared(self) -> None:
        """Refuse a limit of potentials that tiles do not help to keep."""
        store, needed = self.store, self.plan.word_bits * self.words
        assert isinstance(store, ExternalStore), "made for such a store"
        if not self.maps and 0 < store.potential_bits < needed:
            raise UserError(
                f"Memory of potentials must be at least {needed:,} bits, not "
                f"{store.potential_bits:,}: without convolutions it has a word for every group of "
                "the widest layer, however that is cut into tiles; give it more, or leave it out"
            )

    @property
    def tiled(self) -> bool:
        return True

    @cached_property
    def plan(self) -> TilePlan:
        """The tiles."""
        store = self.store
        assert isinstance(store, ExternalStore), "made for such a store"
        # Without positions every group has a word, also those of other tiles.
        limit = store.potential_bits if self.maps else 0
        return TilePlan(
            tuple(
                (layer.groups, layer.group_rows, layer.shape[1] * layer.shape[2])
                for layer in self.layers
            ),
            self.lanes * self.widths.weight, store.buffer_bits, store.bus, store.base,
            self.lanes * (self.widths.membrane + 1) + 1, limit,
        )  # fmt: skip

    @cached_property
    def passes(self) -> tuple[SequentialLayer, ...]:
        """A layer of fewer channels for every tile; its weights begin with the buffer's half."""
        found = []
        for tile in self.plan.tiles:
            layer = self.layers[tile.layer]
            channels = slice(
                tile.first_group * self.lanes, (tile.first_group + tile.groups) * self.lanes
            )
            weighted = layer.layer
            part = replace(
                weighted, weight=weighted.weight[channels], threshold=weighted.threshold[channels]
            )
            found.append(replace(layer, layer=part, weight_base=0, first_group=tile.first_group))
        return tuple(found)

    @cached_property
    def pass_layers(self) -> tuple[int, ...]:
        return tuple(tile.layer for tile in self.plan.tiles)

    @property
    def batch(self) -> int:
        store = self.store
        assert isinstance(store, ExternalStore), "made for such a store"
        return store.batch

    @property
    def image_bytes(self) -> int:
        """Bytes that are fetched for an image; of a batch that is full, rounded up."""
        return -(-self.plan.fetched_bytes // self.batch)

    @property
    def image_bits(self) -> int:
        """Bits of the number of an image within its batch."""
        return index_width(self.batch)

    @property
    def image_places(self) -> int:
        """With a batch: whole images that can be in front of the engine and in it; so many that the
        next batch can be there when one ends."""
        return 2 << self.image_bits

    def image(self) -> bytes:
        """The external memory from the base address on."""
        return self.plan.image([layer.weight_rows() for layer in self.layers])

    @property
    def replays(self) -> bool:
        """Whether the events of the present image are kept for further tiles of the first layer;
        those of a batch always are."""
        return self.batch == 1 and self.plan.counts()[0] > 1

    @property
    def events(self) -> int:
        """Events of the first layer at most, without the end."""
        return self.layers[0].inputs

    @property
    def kept_events(self) -> int:
        """Events that there is room for in front of the engine. Those of a batch stand in a ring,
        image behind image: a power of two, at least of as many images as a batch has."""
        if self.batch > 1:
            return 1 << index_width(self.batch * self.events)
        return self.events if self.replays else 0

    @property
    def replay_width(self) -> int:
        """Bits of an event that is kept."""
        entry: MapParameters | None = self.entry
        width = entry.index_width if entry else index_width(self.layers[0].inputs)
        return width + index_width(self.t_max)

    @property
    def weight_depth(self) -> int:
        """Rows of half of the buffer."""
        return self.plan.half_rows

    @property
    def weight_latency(self) -> int:
        return BUFFER_LATENCY

    @cached_property
    def weight_rows(self) -> list[int]:
        raise UserError("Weights of this engine stand in an external memory")

    @property
    def list_items(self) -> tuple[int, int]:
        """As `EngineParameters.list_items`; every tile has markers of its own, and every image of a
        batch items of its own."""
        items = [0] * (len(self.layers) - 1)
        for tile, number in zip(self.passes, self.pass_layers, strict=True):
            if number < len(items):
                at_positions = tile.channels * tile.sends[1] * tile.sends[2]
                most = min(at_positions, tile.words * self.t_max) + self.t_max
                items[number] += most * self.batch
        first, second = (max(items[which::2], default=0) for which in (0, 1))
        return max(first, 1), second + 1

    @property
    def memory_bits(self) -> int:
        """Bits of the buffer in place of all weights, and of events that are kept."""
        buffer = 2 * self.weight_depth * self.plan.row_bits
        return super().memory_bits + buffer // 2 + self.kept_events * self.replay_width
