"""What the engine of a sequential architecture is made of; see `composition`."""

from __future__ import annotations

from collections import Counter
from functools import reduce
from operator import or_

from ...blocks.pipeline import LUT_RAM_DEPTH
from ...blocks.sequential.engine import BANK_ROWS, EngineParameters
from ...blocks.sequential.tiled import TiledEngineParameters
from ...blocks.widths import index_width
from .cells import (
    CELL_ROWS,
    cells,
    in_block_ram,
    memory_blocks,
    mux_bits,
    of_memory,
    of_rom,
    registers_behind,
)
from .registers import distinct_bits

ENGINE_LUTS = (
    "engine",
    "engine_walk_bit",
    "engine_adder_bit",
    "engine_constant_bit",
    "tile_loader",
)
ENGINE_FLIP_FLOPS = ("engine", "tile_loader")
#: What a batch of several images takes besides, of either.
BATCH_PARTS = ("batch",)

#: Of a word on its way: what is done with it, and that it is there.
WORD_FLAGS = 7

#: Rows and bits of a memory.
Shape = tuple[int, int]


def engine_parts(engine: EngineParameters) -> Counter[str]:
    """Parts of the engine, and of what fetches its weights."""
    walk = engine.address_width + index_width(engine.weight_depth)
    walk += engine.x_width + engine.y_width
    written = [shape for shape, block in _memories(engine) if not block]
    in_blocks = [shape for shape, block in _memories(engine) if block]
    weights = 0
    if not engine.waits:
        bits = engine.lanes * engine.widths.weight
        weights = mux_bits(engine.weight_depth, bits, BANK_ROWS)
    constants = sum(bits * -(-rows // CELL_ROWS) for rows, bits in _constants(engine))
    parts = Counter(
        {
            "engine": 1,
            "engine_walk_bit": engine.maps * walk,
            "engine_adder_bit": engine.lanes * engine.widths.membrane,
            "register_bit": _registers(engine),
            "engine_constant_bit": constants,
            "lut_ram_cell": sum(cells(*shape) for shape in written),
            "row_mux_bit": sum(mux_bits(*shape, shape[0], written=True) for shape in in_blocks)
            + weights,
            "link_mux_bit": sum(bits * (-(-rows // CELL_ROWS) - 1) for rows, bits in written),
        }
    )
    if isinstance(engine, TiledEngineParameters):
        plan = engine.plan
        segments, several = 1 << index_width(max(plan.counts())), engine.batch > 1
        parts["tile_loader"], parts["batch"] = 1, several
        # How far each segment has been read; where each ends, and of a batch also begins.
        parts["lut_ram_cell"] += cells(segments, engine.pointer_width)
        bounds = 2 * segments << (engine.image_bits if several else 0)
        parts["lut_ram_cell"] += cells(bounds, engine.pointer_width << several)
        if several:
            parts["lut_ram_cell"] += cells(engine.image_places, index_width(engine.kept_events) + 2)
    return parts


def _registers(engine: EngineParameters) -> int:
    """Bits of registers, counted as in `registers`."""
    lanes, sums = engine.lanes, engine.lanes * engine.widths.membrane
    step, weight = index_width(engine.t_max), index_width(engine.weight_depth)
    address, group, place = engine.address_width, engine.group_width, engine.place_width
    positions = engine.x_width + engine.y_width
    word = WORD_FLAGS + address + place
    # Words on their way; sums, who had fired and who fires; the group that is shown.
    count = word * engine.latency + sums + 2 * lanes + group
    # The walk that is ready, the present one, and the list of candidates.
    count += step + weight + weight + group + engine.layer_width + step + 2 * address
    if engine.maps:
        count += address + 2 * positions + 2 * address + weight + 2 * positions + engine.x_width
    # The item whose spikes are given, and places in the lists.
    count += place + lanes + step + (4 if engine.tiled else 3) * engine.pointer_width
    if engine.pooled:
        count += 2 * index_width(engine.marks) + 3 * group + 2 * positions
    count += sum(bits for (_, bits), block in _memories(engine) if not block)
    potentials = sums + lanes + 1
    if engine.words <= LUT_RAM_DEPTH or memory_blocks(engine.words, potentials).times > 1:
        count += potentials  # once more
    if isinstance(engine, TiledEngineParameters):
        count += step + 3 * index_width(max(engine.plan.counts()))
        count += 2 * index_width(engine.kept_events) if engine.kept_events else 0
    return count + _behind_constants(engine) + _behind_weights(engine)


def _behind_constants(engine: EngineParameters) -> int:
    """Bits of registers behind tables and initial potentials."""
    depth, count = engine.initial_depth, _initial_bits(engine)
    if engine.initial_style == "block" and not engine.store.loaded:
        count = registers_behind(depth, count, depth)
    if (entry := engine.entry) and entry.places is not None:
        count += entry.arriving.index_width
    for rows, bits in _tables(engine):
        block = engine.table_style(rows) == "block"
        # One of logic waits for the slowest.
        count += registers_behind(rows, bits, rows) if block else bits * engine.table_latency
    return count


def _behind_weights(engine: EngineParameters) -> int:
    """Bits of registers behind the weights, in front of them in a buffer."""
    weights = engine.lanes * engine.widths.weight
    if isinstance(engine, TiledEngineParameters):  # both halves, and the one that is chosen
        plan = engine.plan
        return min(plan.bus.data_width, plan.row_bits) + 5 * weights
    return registers_behind(engine.weight_depth, weights, BANK_ROWS, written=engine.store.loaded)


def engine_block_rams(engine: EngineParameters) -> int:
    """Block RAMs of the engine."""
    tables = (shape for shape in _tables(engine) if engine.table_style(shape[0]) == "block")
    count = sum(of_rom(*shape, bank_rows=shape[0]) for shape in tables)
    if engine.initial_style == "block" and not engine.store.loaded:
        depth = engine.initial_depth
        count += of_rom(depth, _initial_bits(engine), bank_rows=depth)
    if (entry := engine.entry) and entry.places is not None and entry.places_style == "block":
        count += of_rom(entry.inputs, entry.arriving.index_width)
    if not engine.waits:
        count += of_rom(engine.weight_depth, engine.lanes * engine.widths.weight, BANK_ROWS)
    return count + sum(of_memory(*shape) for shape, block in _memories(engine) if block)


def _memories(engine: EngineParameters) -> list[tuple[Shape, bool]]:
    """Memories that are written, and whether they are block RAM; yosys chooses where the gateware
    leaves it to it."""
    potentials = engine.lanes * (engine.widths.membrane + 1) + 1
    shapes = [
        (engine.words, potentials), (engine.words, engine.address_width + engine.place_width),
    ]  # fmt: skip
    if engine.pooled:
        shapes.append((engine.marks, engine.lanes))
    if isinstance(engine, TiledEngineParameters):
        plan, width = engine.plan, engine.plan.bus.data_width
        columns = [min(width, plan.row_bits - low) for low in range(0, plan.row_bits, width)]
        shapes += [(plan.half_rows, bits) for bits in columns] * 2
    found = [(shape, shape[0] > LUT_RAM_DEPTH) for shape in shapes]
    free = [(sum(engine.list_items), engine.item_width)] if len(engine.layers) > 1 else []
    if isinstance(engine, TiledEngineParameters) and engine.kept_events:
        free.append((engine.kept_events, engine.replay_width))
    return found + [(shape, in_block_ram(*shape)) for shape in free]


def _tables(engine: EngineParameters) -> list[Shape]:
    """Tables of coordinates."""
    found = [engine.reach_fields(axis) for axis in (0, 1)] if engine.maps else []
    found += [engine.pooled_fields(axis) for axis in (0, 1)] if engine.pooled else []
    widths = [*engine.in_widths] if engine.maps else []
    widths += [max(engine.y_width, 1), max(engine.x_width, 1)] if engine.pooled else []
    return [
        (len(engine.passes) << width, sum(map(_bits, fields.values())))
        for width, fields in zip(widths, found, strict=True)
    ]


def _bits(values: list[list[int]]) -> int:
    return index_width(max(map(max, values)) + 1)


def _constants(engine: EngineParameters) -> list[Shape]:
    """Memories of constants that are logic."""
    found = [shape for shape in _tables(engine) if engine.table_style(shape[0]) != "block"]
    if engine.initial_style != "block" and not engine.store.loaded:
        found.append((engine.initial_depth, _initial_bits(engine)))
    if (entry := engine.entry) and entry.places is not None and entry.places_style != "block":
        found.append((entry.inputs, entry.arriving.index_width))
    return found


def _initial_bits(engine: EngineParameters) -> int:
    """Bits of a row of initial potentials that take a memory. Of constants those that are equal in
    all rows take none, and logic is there once for bits that are equal to each other."""
    bits = engine.lanes * engine.widths.membrane
    if engine.store.loaded:
        return bits
    first, *rows = engine.initial_rows
    if engine.initial_style == "block":
        return reduce(or_, (row ^ first for row in rows)).bit_count()
    return distinct_bits([first, *rows], bits)
