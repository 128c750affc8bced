"""Block RAMs of every memory, from the shapes that an ECP5's DP16KD can take."""

from __future__ import annotations

from ..hardware import AcceleratorParameters, index_width
from ..pipeline import BANK_ROWS, LUT_RAM_DEPTH

#: Bits of a word and words of one DP16KD; the widest shape has one read and one write port.
SHAPES = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))

#: Words and bits of one LUT RAM cell.
CELL_ROWS, CELL_BITS = 16, 4

#: Cells of LUT RAM up to which yosys prefers them to a block RAM, unless told otherwise: a cell
#: costs it 4, a block RAM 64.
MOST_CELLS = 16


def cells(rows: int, width: int) -> int:
    """LUT RAM cells of a memory."""
    return -(-rows // CELL_ROWS) * -(-width // CELL_BITS)


def of_memory(rows: int, width: int) -> int:
    """Block RAMs of one memory, all of one shape."""
    return min(-(-width // bits) * -(-rows // words) for bits, words in SHAPES)


def of_rom(rows: int, width: int) -> int:
    """Block RAMs of a read-only memory, which is cut into banks."""
    full, rest = divmod(rows, BANK_ROWS)
    return full * of_memory(BANK_ROWS, width) + (of_memory(rest, width) if rest else 0)


def links_in_block_ram(parameters: AcceleratorParameters) -> bool:
    """Whether the sorters' links are block RAM; yosys chooses by size."""
    beats = len(parameters.live_beats)
    return cells(beats, index_width(beats) + 1) > MOST_CELLS


def block_rams(parameters: AcceleratorParameters) -> int:
    """Block RAMs of the accelerator."""
    count = 0
    for layer in parameters.layers:
        for first, stop in layer.slices:  # each has memories of its own
            if layer.layer.weight.min() != layer.layer.weight.max():
                count += of_rom(layer.weight_depth, (stop - first) * layer.weight_width)
            if layer.groups > LUT_RAM_DEPTH:
                count += of_memory(layer.groups, (stop - first) * (layer.membrane_width + 1))
    if parameters.live_style == "block":
        count += of_rom(len(parameters.live), parameters.pixels_per_beat)
    if links_in_block_ram(parameters):
        beats = len(parameters.live_beats)
        count += 2 * parameters.pixels_per_beat * of_memory(beats, index_width(beats) + 1)
    return count
