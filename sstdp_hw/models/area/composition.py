"""What an accelerator is made of: bits and cells of each kind of part, counted from its parameters.

A part is something whose cost in LUTs or flip-flops is about proportional to a number that is known
before synthesis: bits of adders, of multiplexers, of registers, cells of LUT RAM.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from ...blocks.dense import DenseParameters
from ...blocks.hardware import AcceleratorParameters
from ...blocks.inputs import PixelInput, SpikeInput
from ...blocks.pipeline import INPUT_QUEUE_DEPTH, LUT_RAM_DEPTH
from ...blocks.sequential.engine import ENGINE
from ...blocks.widths import index_width
from ...contract.events import event_fields, group_fields
from ...contract.fields import total_width
from .block_ram import beat_bits, beats_in_block_ram, links_in_block_ram, spike_block_rams
from .cells import CELL_ROWS, cells, mux_bits
from .convolution import conv_parts, pool_parts
from .engine import BATCH_PARTS, ENGINE_FLIP_FLOPS, ENGINE_LUTS, engine_parts
from .loading import (
    ENGINE_LOADING_FLIP_FLOPS,
    ENGINE_LOADING_LUTS,
    LOADING_FLIP_FLOPS,
    LOADING_LUTS,
    initial_is_constant,
    loading_parts,
)
from .registers import dense_registers, encoder_registers, port_registers

INPUT, LOADING, TOP = "input", "loading", "top"

#: Parts that take LUTs.
LUTS = (
    "accelerator",
    "layer",
    "lane",
    "adder_bit",
    "clear_bit",
    "initial_bit",
    "lut_ram_cell",
    "output_bit",
    "list_bit",
    "table_bit",
    "link_mux_bit",
    "row_mux_bit",
    "conv",
    "pool",
    "walk_bit",
    *LOADING_LUTS,
    *ENGINE_LUTS,
    *BATCH_PARTS,
    *ENGINE_LOADING_LUTS,
)

#: Parts that take flip-flops.
FLIP_FLOPS = (
    "accelerator",
    "layer",
    "conv",
    "register_bit",
    *LOADING_FLIP_FLOPS,
    *ENGINE_FLIP_FLOPS,
    *BATCH_PARTS,
    *ENGINE_LOADING_FLIP_FLOPS,
)


def count_parts(parameters: AcceleratorParameters) -> Counter[str]:
    """How many there are of each part."""
    parts: Counter[str] = Counter()
    for found in parts_by_block(parameters).values():
        parts.update(found)
    return parts


def parts_by_block(parameters: AcceleratorParameters) -> dict[str, Counter[str]]:
    """The parts of each block by its name, beside them `INPUT`, `LOADING` (where there is some)
    and, for what belongs to no block, `TOP`. The layers of a sequential architecture are one block,
    `ENGINE`."""
    width = parameters.step_width
    found = {INPUT: INPUT_PARTS[parameters.input.kind](parameters.input, width)}
    chain = parameters.sequential
    for block in parameters.blocks if chain is None else chain.filters:
        found[block.name] = BLOCK_PARTS[block.kind](block, width)
    if chain is not None:
        found[ENGINE] = engine_parts(chain.engine)
    if loading := loading_parts(parameters):
        found[LOADING] = loading
    return found | {TOP: Counter({"accelerator": 1})}


def dense_parts(layer: DenseParameters, step_width: int) -> Counter[str]:
    lanes, width = layer.lanes, layer.membrane_width
    index = index_width(layer.neurons)
    group = total_width(group_fields(lanes, index, step_width, width * layer.output))
    event = total_width(event_fields(index, step_width))
    queues = [group] if layer.output else [group, event]
    membranes = lanes * (width + 1)
    shared = 1 < layer.groups <= LUT_RAM_DEPTH
    constant = initial_is_constant(layer)
    return Counter(
        {
            "layer": 1,
            "lane": lanes,
            "adder_bit": lanes * width,
            "clear_bit": lanes * width if layer.groups > 1 else 0,
            "initial_bit": 0 if constant else lanes * width * -(-layer.groups // CELL_ROWS),
            "output_bit": lanes * width * layer.output,
            "row_mux_bit": 0
            if layer.store.loaded
            else mux_bits(layer.weight_depth, lanes * layer.weight_width),
            "register_bit": dense_registers(layer, step_width),
            "lut_ram_cell": sum(cells(1, bits) for bits in queues)
            + (cells(layer.groups, membranes) if shared else 0),
        }
    )


def pixel_parts(pixels: PixelInput, step_width: int) -> Counter[str]:
    tables, t_max = pixels.network.tables, pixels.network.t_max
    beats, lists = len(pixels.live_beats), 2 * pixels.lanes
    link = index_width(beats) + 1
    loaded = beat_bits(pixels, step_width)
    event = total_width(event_fields(pixels.index_width, step_width))
    arriving = pixels.data_width + 1
    in_luts = not links_in_block_ram(pixels)
    beats_in_block = beats_in_block_ram(pixels, step_width)
    # A table of 256 entries costs as much logic as its columns change from entry to entry.
    entries = np.where(tables < t_max, tables.astype(int) * 2 + 1, 0)
    columns = entries[:, :, None] >> np.arange(step_width + 1) & 1
    changes = int(np.minimum(np.abs(np.diff(columns, axis=1)).sum(axis=1), 64).sum())
    return Counter(
        {
            "list_bit": lists * link,
            "link_mux_bit": lists * link * (-(-beats // CELL_ROWS) - 1) * in_luts,
            "table_bit": 0 if pixels.store.loaded else pixels.pixels_per_beat * changes,
            "register_bit": encoder_registers(
                pixels, step_width, links=not in_luts, beats=beats_in_block
            ),
            "lut_ram_cell": lists * cells(t_max, link)
            + lists * cells(beats, link) * in_luts
            + cells(INPUT_QUEUE_DEPTH, arriving)
            + (0 if beats_in_block else cells(pixels.queue_depth, loaded))
            + cells(1, event),
        }
    )


def spike_parts(port: SpikeInput, step_width: int) -> Counter[str]:
    event = total_width(event_fields(port.index_width, step_width))
    arriving = port.data_width + 1
    marks = 0 if spike_block_rams(port, step_width) else cells(port.pixels, port.stamp_width)
    # What it has beside these is within "accelerator", which was fitted with encoders.
    return Counter(
        {
            "register_bit": port_registers(port, step_width),
            "lut_ram_cell": cells(1, event) + cells(INPUT_QUEUE_DEPTH, arriving) + marks,
        }
    )


#: By the kind of a block: its parts, from its parameters and the bits of a step.
BLOCK_PARTS: dict[str, Callable[[Any, int], Counter[str]]] = {
    "dense": dense_parts,
    "conv2d": conv_parts,
    "pool2d": pool_parts,
}

#: By the kind of the accelerator's input: its parts.
INPUT_PARTS: dict[str, Callable[[Any, int], Counter[str]]] = {
    "pixels": pixel_parts,
    "spikes": spike_parts,
}
