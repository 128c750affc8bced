"""What weights that come at run time take: the loader, memories in columns of words; see
`composition`."""

from __future__ import annotations

from collections import Counter

from ...blocks.hardware import AcceleratorParameters, WeightedBlock
from ...blocks.memory_map import Region, memory_map
from ...blocks.pipeline import BANK_ROWS, LUT_RAM_DEPTH, WORD_BITS
from ...blocks.sequential.engine import BANK_ROWS as ENGINE_BANK_ROWS
from .cells import cells, mux_bits, of_memory

LOADING_LUTS = ("loader", "loaded_bit")
LOADING_FLIP_FLOPS = ("loader", "loaded_bit")
#: The same where all layers have one engine.
ENGINE_LOADING_LUTS = ("engine_loader", "engine_column")
ENGINE_LOADING_FLIP_FLOPS = ("engine_loader",)


def initial_is_constant(layer: WeightedBlock) -> bool:
    """Whether initial potentials need no logic that selects among constants."""
    equal = layer.groups == 1 or layer.initial.min() == layer.initial.max()
    return layer.store.loaded or bool(equal)


def _copies(parameters: AcceleratorParameters, region: Region) -> int:
    """How often a memory is there: tables once for every pixel of a beat."""
    return parameters.pixels_per_beat if region.name.startswith("encoder") else 1


def _columns(region: Region) -> list[int]:
    """Bits of each column of a memory."""
    return [
        min(WORD_BITS, region.width - low) for low in range(0, region.width, WORD_BITS)
    ]  # fmt: skip


def _banks(parameters: AcceleratorParameters, region: Region) -> list[int]:
    """Rows of each bank of a memory; that of weights alone is cut into some."""
    size = region.rows
    if region.name.endswith("weights"):
        size = BANK_ROWS if parameters.sequential is None else ENGINE_BANK_ROWS
    return [min(size, region.rows - first) for first in range(0, region.rows, size)]


def loading_parts(parameters: AcceleratorParameters) -> Counter[str]:
    """Parts of the loader and of the memories that it writes; none if weights are constants."""
    parts: Counter[str] = Counter()
    for region in memory_map(parameters)[1:]:
        if parameters.sequential is not None:
            columns = region.columns * len(_banks(parameters, region))
            parts["engine_column"] += _copies(parameters, region) * columns
        if region.rows == 1:
            parts["loaded_bit"] += region.width
        elif region.name.endswith("initial") and region.rows <= LUT_RAM_DEPTH:
            parts["lut_ram_cell"] += sum(cells(region.rows, bits) for bits in _columns(region))
        else:
            parts["row_mux_bit"] += sum(
                mux_bits(rows, bits, rows, written=True)
                for bits in _columns(region)
                for rows in _banks(parameters, region)
            )
    if parameters.store.loaded:
        parts["loader" if parameters.sequential is None else "engine_loader"] = 1
    return parts


def loaded_block_rams(parameters: AcceleratorParameters) -> int:
    """Block RAMs of the memories; each column of a bank is a memory of its own."""
    count = 0
    for region in memory_map(parameters)[1:]:
        small = region.name.endswith("initial") and region.rows <= LUT_RAM_DEPTH
        if region.rows == 1 or small:
            continue
        rows = _banks(parameters, region)
        each = sum(of_memory(number, bits) for bits in _columns(region) for number in rows)
        count += _copies(parameters, region) * each
    return count
