"""Memories as LUT RAM cells and block RAMs, from the shapes that an ECP5's DP16KD can take."""

from __future__ import annotations

from ...blocks.pipeline import BANK_ROWS

#: Bits of a word and words of one DP16KD; the widest shape has one read and one write port.
SHAPES = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
#: The shape whose bytes can be written alone, and bits of a byte.
TWO_BYTES, BYTE = (18, 1024), 9

#: Words and bits of one LUT RAM cell.
CELL_ROWS, CELL_BITS = 16, 4

#: What yosys takes a cell of LUT RAM to cost, a block RAM, and a bit of a multiplexer of two.
CELL_COST, BLOCK_COST, MUX_COST = 4, 128, 0.5


def cells(rows: int, width: int) -> int:
    """LUT RAM cells of a memory."""
    return -(-rows // CELL_ROWS) * -(-width // CELL_BITS)


def of_memory(rows: int, width: int) -> int:
    """Block RAMs of a memory that is written, all of one shape. Where its rows are more than a
    block RAM has words, two of them may share a word of two bytes, each of which is written
    alone."""
    bits, words = TWO_BYTES
    side_by_side = -(-width // BYTE) * BYTE * -(-rows // words)
    return min(
        -(-side_by_side // bits), *(-(-width // bits) * -(-rows // words) for bits, words in SHAPES)
    )


def of_rom(rows: int, width: int, bank_rows: int = BANK_ROWS) -> int:
    """Block RAMs of a read-only memory, which is cut into banks, each of one shape. Rows of a bank
    beyond the words of a block RAM stand beside the first ones, and share block RAMs."""
    full, rest = divmod(rows, bank_rows)

    def of_bank(rows: int) -> int:
        return min(-(-(width * -(-rows // words)) // bits) for bits, words in SHAPES)

    return full * of_bank(bank_rows) + (of_bank(rest) if rest else 0)


def in_block_ram(rows: int, width: int, *, read_where_written: bool = False) -> bool:
    """Whether yosys chooses block RAM for a memory that leaves it the choice, by what it takes
    either to cost. A block RAM that may be read where it is written needs a multiplexer."""
    in_luts = CELL_COST * cells(rows, width) + MUX_COST * width * (-(-rows // CELL_ROWS) - 1)
    beside = MUX_COST * width * read_where_written
    return in_luts > BLOCK_COST * of_memory(rows, width) + beside
