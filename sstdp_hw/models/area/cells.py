"""Memories as LUT RAM cells and block RAMs, from the shapes that an ECP5's DP16KD can take."""

from __future__ import annotations

from ...blocks.pipeline import BANK_ROWS

#: Bits of a word and words of one DP16KD; the widest shape has one read and one write port.
SHAPES = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))

#: Words and bits of one LUT RAM cell.
CELL_ROWS, CELL_BITS = 16, 4

#: Cells of LUT RAM up to which yosys prefers them to a block RAM, unless told otherwise: a cell
#: costs it 4, a block RAM 64.
MOST_CELLS = 16

#: The same for a queue, which may be read where it is written: a block RAM needs logic for that.
MOST_QUEUE_CELLS = 24


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


def in_block_ram(rows: int, width: int, most: int = MOST_CELLS) -> bool:
    """Whether yosys chooses block RAM for a memory that leaves it the choice."""
    return cells(rows, width) > most * of_memory(rows, width)
