"""Which memories of an accelerator are written at run time, in which order and in which words.

An image of the memories is a row of words of 32 bits: those of each region row by row, the lowest
bits of a row first; a row begins with a word of its own. What comes before and behind is
`sstdp_hw.contract.memory_image`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..base.errors import UserError
from .hardware import AcceleratorParameters
from .pipeline import WORD_BITS
from .sequential.engine import ENGINE, EngineParameters

#: A region that has no place yet: name, rows, width, contents.
_Wanted = tuple[str, int, int, Callable[[], list[int]]]

#: Rows of an encoder's table: one for every value of a pixel.
TABLE_ROWS = 256


@dataclass(frozen=True)
class Region:
    """One memory.

    Parameters
    ----------
    name : str
        Of its module, behind the accelerator's prefix.
    rows, width : int
        How many, and bits of each.
    first : int
        Its first word, counted from that of the first region.
    contents : callable
        Makes the rows, as integers.
    """

    name: str
    rows: int
    width: int
    first: int
    contents: Callable[[], list[int]]

    @property
    def columns(self) -> int:
        """Words of a row."""
        return -(-self.width // WORD_BITS)

    @property
    def words(self) -> int:
        return self.rows * self.columns

    def word_of(self, row: int, bit: int) -> tuple[int, int]:
        """The word, counted from that of the first region, and the bit in it, of a row's bit."""
        column, within = divmod(bit, WORD_BITS)
        return self.first + row * self.columns + column, within


def table_rows(parameters: AcceleratorParameters, plane: int) -> list[int]:
    """Contents of an encoder's table: the spike time by the value of a pixel, and one bit above it
    for "fires"."""
    p = parameters
    return [
        (int(time) | 1 << p.step_width) if time < p.t_max else 0 for time in p.network.tables[plane]
    ]


def table_name(plane: int) -> str:
    """Of the module that holds a plane's table."""
    return f"encoder_table_{plane}" if plane else "encoder_table"


#: The region that tells, a bit for every weighted layer, whether a neuron of it fires without any
#: input: hardware whose weights come later cannot know.
SPONTANEOUS = "spontaneous"


def memory_map(parameters: AcceleratorParameters) -> tuple[Region, ...]:
    """The regions of an accelerator in their order; none if its weights are constants.

    Raises
    ------
    UserError
        If the words are more than can be counted.
    """
    p = parameters
    if not p.store.loaded:
        return ()
    spontaneous = sum(layer.spontaneous << number for number, layer in enumerate(p.layers))
    wanted: list[_Wanted] = [(SPONTANEOUS, 1, len(p.layers), lambda: [spontaneous])]
    for plane in range(len(p.network.tables)):
        wanted.append(
            (
                table_name(plane), TABLE_ROWS, p.step_width + 1,
                lambda plane=plane: table_rows(p, plane),  # type: ignore[misc]
            )
        )  # fmt: skip
    wanted += _of_engine(p.engine) if p.sequential is not None else _of_layers(p)
    regions: list[Region] = []
    first = 0
    for name, rows, width, contents in wanted:
        regions.append(Region(name, rows, width, first, contents))
        first += regions[-1].words
    if first >= 1 << WORD_BITS:
        raise UserError(f"Words of the memories must be fewer than 2^{WORD_BITS}, not {first:,}")
    return tuple(regions)


def _of_layers(p: AcceleratorParameters) -> list[_Wanted]:
    """Memories of layers that have their own."""
    found: list[_Wanted] = []
    for number, layer in enumerate(p.layers):
        name, lanes = f"layer_{number}", layer.lanes
        weights, initial = lanes * layer.weight_width, lanes * layer.membrane_width
        found += [
            (f"{name}_weights", layer.weight_depth, weights, layer.weight_rows),
            (f"{name}_initial", layer.groups, initial, layer.initial_rows),
        ]
    return found


def _of_engine(p: EngineParameters) -> list[_Wanted]:
    """Memories that all layers share."""
    weights, initial = p.lanes * p.widths.weight, p.lanes * p.widths.membrane
    return [
        (f"{ENGINE}_weights", p.weight_depth, weights, lambda: p.weight_rows),
        (f"{ENGINE}_initial", p.initial_depth, initial, lambda: p.initial_rows),
    ]


def payload(parameters: AcceleratorParameters) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """The words of all regions: uint32."""
    data = bytearray()
    for region in memory_map(parameters):
        size = region.columns * WORD_BITS // 8
        for row in region.contents():
            data += row.to_bytes(size, "little")
    return np.frombuffer(bytes(data), "<u4").astype(np.uint32)
