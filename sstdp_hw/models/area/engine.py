"""What the engine of a sequential architecture is made of; see `composition`."""

from __future__ import annotations

from collections import Counter
from functools import reduce
from operator import or_

from ...blocks.pipeline import LUT_RAM_DEPTH
from ...blocks.sequential.engine import BANK_ROWS, EngineParameters
from ...blocks.sequential.tiled import TiledEngineParameters
from ...blocks.widths import index_width
from .cells import CELL_ROWS, cells, in_block_ram, of_memory

ENGINE_LUTS = (
    "engine",
    "engine_map",
    "engine_adder_bit",
    "engine_constant_bit",
    "tile_loader",
    "fill_bit",
)
ENGINE_FLIP_FLOPS = ("engine", "engine_map", "engine_register_bit", "tile_loader", "fill_bit")
#: What a batch of several images takes besides, of either.
BATCH_PARTS = ("batch",)

#: Rows and bits of a memory.
Shape = tuple[int, int]


def engine_parts(engine: EngineParameters) -> Counter[str]:
    """Parts of the engine, and of what fetches its weights."""
    sums = engine.lanes * engine.widths.membrane
    constants = sum(bits * -(-rows // CELL_ROWS) for rows, bits in _constants(engine))
    parts = Counter(
        {
            "engine": 1,
            "engine_map": engine.maps,
            "engine_adder_bit": sums,
            "engine_register_bit": _registers(engine),
            "engine_constant_bit": constants,
            "lut_ram_cell": sum(cells(*shape) for shape, block in _memories(engine) if not block),
        }
    )
    if isinstance(engine, TiledEngineParameters):
        plan = engine.plan
        segments, several = 1 << index_width(max(plan.counts())), engine.batch > 1
        parts["tile_loader"], parts["batch"] = 1, several
        parts["fill_bit"] = plan.bus.data_width
        # How far each segment has been read; where each ends, and of a batch also begins.
        parts["lut_ram_cell"] += cells(segments, engine.pointer_width)
        bounds = 2 * segments << (engine.image_bits if several else 0)
        parts["lut_ram_cell"] += cells(bounds, engine.pointer_width << several)
        if several:
            parts["lut_ram_cell"] += cells(engine.image_places, index_width(engine.kept_events) + 2)
    return parts


def _registers(engine: EngineParameters) -> int:
    """Bits of registers along the data path. The first one behind a block RAM is the RAM's own."""
    lanes, sums = engine.lanes, engine.lanes * engine.widths.membrane
    weights = lanes * engine.widths.weight
    word = engine.address_width + engine.place_width
    count = word * engine.latency + 2 * sums + 3 * lanes  # the sums, and what they begin with
    if engine.words <= LUT_RAM_DEPTH:
        count += 2 * (sums + lanes + 1)
    if isinstance(engine, TiledEngineParameters):  # both halves, and the one that is chosen
        return count + weights * (3 if engine.plan.half_rows > LUT_RAM_DEPTH else 7)
    banks = -(-engine.weight_depth // BANK_ROWS)
    return count + weights * (banks + (banks > 1))


def engine_block_rams(engine: EngineParameters) -> int:
    """Block RAMs of the engine."""
    tables = (shape for shape in _tables(engine) if engine.table_style(shape[0]) == "block")
    count = sum(of_memory(*shape) for shape in tables)
    if engine.initial_style == "block":
        # Bits that are equal in all rows are no memory.
        first, *rows = engine.initial_rows
        varying = reduce(or_, (row ^ first for row in rows))
        count += of_memory(engine.initial_depth, varying.bit_count())
    if (entry := engine.entry) and entry.places is not None and entry.places_style == "block":
        count += of_memory(entry.inputs, entry.arriving.index_width)
    if not engine.tiled:
        bits = engine.lanes * engine.widths.weight
        full, rest = divmod(engine.weight_depth, BANK_ROWS)
        count += full * of_memory(BANK_ROWS, bits) + (of_memory(rest, bits) if rest else 0)
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
    if engine.initial_style != "block":
        found.append((engine.initial_depth, engine.lanes * engine.widths.membrane))
    return found
