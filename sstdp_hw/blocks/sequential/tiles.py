"""How the layers of an engine are cut into tiles, whose weights come from an external memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ...base.errors import UserError
from ..axi_read import AxiReadParameters

#: Bytes that the base address of the memory image is a multiple of: no aligned burst crosses one.
PAGE = 4096


@dataclass(frozen=True)
class Tile:
    """Some groups of a layer, which the engine computes for all steps before it goes on.

    Parameters
    ----------
    layer : int
        Number of the weighted layer.
    first_group, groups : int
        Which, one behind another.
    rows : int
        Rows of weights.
    """

    layer: int
    first_group: int
    groups: int
    rows: int


@dataclass(frozen=True)
class TilePlan:
    """The tiles of a network in the order in which they are computed, and their place in memory.

    Every tile is fetched once for every image, or batch of images. A row of weights takes whole
    beats of the bus, and a tile begins where an aligned burst does.

    Parameters
    ----------
    shapes : tuple of (int, int, int)
        Groups of every layer, rows of weights of a group, and positions of its output, each a word
        of potentials for every group.
    row_bits : int
        Bits of a row.
    buffer_bits : int
        Of the weight buffer, both halves; 0 for the smallest that is possible.
    bus : AxiReadParameters
    base : int
        Address of the first tile; a multiple of `PAGE`.
    word_bits, potential_bits : int
        Bits of a word of potentials, and of those of a tile at most; 0 for as many as there are.

    Raises
    ------
    UserError
        If the buffer is too small for a group of a layer, or for the output layer as a whole, or
        potentials for a group; or if the address does not fit.
    """

    shapes: tuple[tuple[int, int, int], ...]
    row_bits: int
    buffer_bits: int
    bus: AxiReadParameters
    base: int = 0
    word_bits: int = 1
    potential_bits: int = 0

    def __post_init__(self) -> None:
        least = self.least_potentials
        if self.potential_bits and self.potential_bits < least:
            raise UserError(
                f"Memory of potentials must be at least {least:,} bits, for the largest group of a "
                f"layer at all positions and the whole output layer, not {self.potential_bits:,}; "
                "give it more, or take other lanes"
            )
        if self.buffer_bits and self.half_rows < self.least_rows:
            raise UserError(
                f"Weight buffer must be at least {self.least_bits:,} bits, two halves for the "
                "largest group of a layer and the whole output layer each, not "
                f"{self.buffer_bits:,}; give it more, or take other lanes"
            )
        if not 0 <= self.base < 1 << 32 or self.base % PAGE:
            raise UserError(
                f"Base address must be a multiple of {PAGE} below 2^32, not {self.base:#x}"
            )
        if self.base + self.size > 1 << 32:
            raise UserError(
                f"Weights in external memory must end below 2^32, and {self.size:,} bytes from "
                f"{self.base:#x} on do not"
            )

    @property
    def row_beats(self) -> int:
        """Beats of a row."""
        return -(-self.row_bits // self.bus.data_width)

    @property
    def least_rows(self) -> int:
        """Rows of the smallest half: the largest group, or the output layer, which is one tile."""
        groups, rows, _ = self.shapes[-1]
        return max(groups * rows, *(rows for _, rows, _ in self.shapes))

    @property
    def least_potentials(self) -> int:
        """Bits of the smallest memory of potentials: of a group everywhere, or the output layer."""
        groups, _, at = self.shapes[-1]
        return self.word_bits * max(groups * at, *(at for _, _, at in self.shapes))

    @property
    def least_bits(self) -> int:
        """Bits of the smallest buffer."""
        return 2 * self.least_rows * self.row_bits

    @property
    def half_rows(self) -> int:
        """Rows of a half; no tile has more."""
        if not self.buffer_bits:
            return self.least_rows
        largest = max(groups * rows for groups, rows, _ in self.shapes)
        return min(largest, self.buffer_bits // (2 * self.row_bits))

    @cached_property
    def tiles(self) -> tuple[Tile, ...]:
        """As many whole groups of one layer as fit half of the buffer and the potentials."""
        found: list[Tile] = []
        for number, (groups, rows, positions) in enumerate(self.shapes):
            most = self.half_rows // rows
            if self.potential_bits:
                most = min(most, self.potential_bits // (self.word_bits * positions))
            for first in range(0, groups, most):
                count = min(most, groups - first)
                found.append(Tile(number, first, count, count * rows))
        return tuple(found)

    def counts(self) -> list[int]:
        """Tiles of every layer."""
        layers = [tile.layer for tile in self.tiles]
        return [layers.count(number) for number in range(len(self.shapes))]

    @property
    def burst_bytes(self) -> int:
        """Of the longest burst; tiles begin at multiples of it."""
        return self.bus.longest * self.bus.beat_bytes

    def beats(self, tile: Tile) -> int:
        """Beats that a tile takes."""
        return tile.rows * self.row_beats

    @cached_property
    def offsets(self) -> list[int]:
        """Bytes from the base address to each tile, and to the end of the last one."""
        found = [0]
        for tile in self.tiles:
            size = self.beats(tile) * self.bus.beat_bytes
            found.append(found[-1] + size + -size % self.burst_bytes)
        return found

    @property
    def size(self) -> int:
        """Bytes from the base address to the end of the last tile."""
        return self.offsets[-1]

    @property
    def fetched_bytes(self) -> int:
        """Bytes that are fetched for an image, or a batch: without what stands between tiles."""
        return self.bus.beat_bytes * self.fetched_beats

    @property
    def fetched_beats(self) -> int:
        """Beats that they take."""
        return sum(map(self.beats, self.tiles))

    def place(self, layer: int, row: int) -> int:
        """Byte, counted from the base address, at which a row of a layer begins."""
        depth = self.shapes[layer][1]
        for tile, offset in zip(self.tiles, self.offsets, strict=False):
            within = row - tile.first_group * depth
            if tile.layer == layer and 0 <= within < tile.rows:
                return offset + within * self.row_beats * self.bus.beat_bytes
        raise ValueError(f"Row of layer {layer} must be one of its rows, not {row}")

    def image(self, rows: Sequence[Sequence[int]]) -> bytes:
        """The memory from the base address on.

        Parameters
        ----------
        rows : sequence of sequence of int
            Of every layer, group by group.
        """
        beat, data = self.bus.beat_bytes, bytearray()
        for tile, end in zip(self.tiles, self.offsets[1:], strict=True):
            depth = self.shapes[tile.layer][1]
            first = tile.first_group * depth
            for row in rows[tile.layer][first : first + tile.rows]:
                data += row.to_bytes(self.row_beats * beat, "little")
            data += bytes(end - len(data))
        return bytes(data)
