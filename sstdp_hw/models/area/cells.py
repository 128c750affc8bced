"""Memories as LUT RAM cells and block RAMs, from the shapes that an ECP5's DP16KD can take."""

from __future__ import annotations

from typing import NamedTuple

from ...blocks.pipeline import BANK_ROWS

#: Bits of a word and words of one DP16KD; the widest shape has one read and one write port.
SHAPES = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
#: Bits of a byte, which can be written alone.
BYTE = 9

#: Words and bits of one LUT RAM cell.
CELL_ROWS, CELL_BITS = 16, 4

#: What yosys takes a cell of LUT RAM to cost, a block RAM, and a bit of a multiplexer of two.
CELL_COST, BLOCK_COST, MUX_COST = 4, 128, 0.5


def cells(rows: int, width: int) -> int:
    """LUT RAM cells of a memory."""
    return -(-rows // CELL_ROWS) * -(-width // CELL_BITS)


class Blocks(NamedTuple):
    """A memory in block RAM.

    Parameters
    ----------
    rams : int
        Block RAMs.
    times : int
        Rows that stand at one address, beside each other; logic chooses one of them.
    """

    rams: int
    times: int


def memory_blocks(rows: int, width: int, *, written: bool = True) -> Blocks:
    """The cheapest shape for a memory, all of one shape. Rows beyond its words stand beside the
    first ones, and share block RAMs; those that are written where bytes can be."""
    found = []
    for bits, words in SHAPES:
        unit = min(bits, BYTE) if written else 1
        times = -(-rows // words)
        count = -(-(-(-width // unit) * unit * times) // bits)
        found.append((BLOCK_COST * count + MUX_COST * width * (times - 1), Blocks(count, times)))
    return min(found)[1]


def of_memory(rows: int, width: int) -> int:
    """Block RAMs of a memory that is written."""
    return memory_blocks(rows, width).rams


def of_rom(rows: int, width: int, bank_rows: int = BANK_ROWS) -> int:
    """Block RAMs of a read-only memory, which is cut into banks."""
    return sum(bank.rams for bank in _banks(rows, width, bank_rows, written=False))


def _banks(rows: int, width: int, bank_rows: int, written: bool) -> list[Blocks]:
    sizes = [min(bank_rows, rows - first) for first in range(0, rows, bank_rows)]
    return [memory_blocks(size, width, written=written) for size in sizes]


def mux_bits(rows: int, width: int, bank_rows: int = BANK_ROWS, *, written: bool = False) -> int:
    """Bits of multiplexers of two behind the block RAMs of a memory, which choose a row."""
    return sum(width * (bank.times - 1) for bank in _banks(rows, width, bank_rows, written))


def registers_behind(
    rows: int, width: int, bank_rows: int = BANK_ROWS, *, written: bool = False
) -> int:
    """Bits of registers behind a memory in banks: one of every bank, and where banks are joined.
    The block RAM's own is not used where a row is chosen behind it, nor for the lower half of the
    widest word of one that is not written."""
    found = _banks(rows, width, bank_rows, written)
    count = width * (len(found) + (len(found) > 1))
    count += sum(width for bank in found if bank.times > 1)
    bits, words = SHAPES[0]
    last = rows % bank_rows or bank_rows
    if not written and last <= words and -(-width // bits) < -(-width // (bits // 2)):
        count += width // bits * (bits // 2) + min(width % bits, bits // 2)
    return count


def in_block_ram(rows: int, width: int, *, read_where_written: bool = False) -> bool:
    """Whether yosys chooses block RAM for a memory that leaves it the choice, by what it takes
    either to cost. A block RAM that may be read where it is written needs a multiplexer."""
    in_luts = CELL_COST * cells(rows, width) + MUX_COST * width * (-(-rows // CELL_ROWS) - 1)
    beside = MUX_COST * width * read_where_written
    return in_luts > BLOCK_COST * of_memory(rows, width) + beside
