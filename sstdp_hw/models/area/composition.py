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
from ...blocks.pipeline import BANK_ROWS, INPUT_QUEUE_DEPTH, LUT_RAM_DEPTH, PIECE, QUEUE_DEPTH
from ...blocks.widths import index_width
from ...contract.events import event_fields, group_fields
from ...contract.fields import total_width
from .block_ram import beat_bits, beats_in_block_ram, links_in_block_ram
from .cells import CELL_ROWS, cells
from .convolution import conv_parts, pool_parts
from .loading import LOADING_FLIP_FLOPS, LOADING_LUTS, initial_is_constant, loading_parts

#: Parts that take LUTs.
LUTS = (
    "accelerator",
    "layer",
    "slice",
    "lane",
    "adder_bit",
    "clear_bit",
    "silenced_bit",
    "initial_bit",
    "bank_bit",
    "lut_ram_cell",
    "output_bit",
    "split_lane",
    "list",
    "list_bit",
    "table_bit",
    "link_mux_bit",
    "conv",
    "pool",
    "walk_bit",
    *LOADING_LUTS,
)

#: Parts that take flip-flops.
FLIP_FLOPS = (
    "accelerator",
    "layer",
    "slice",
    "lane",
    "split_lane",
    "single_bit",
    "shared_bit",
    "deep_bit",
    "initial_bit",
    "bank_bit",
    "banked_bit",
    "output_bit",
    "queue_bit",
    "list_bit",
    "link_bit",
    "beat_bit",
    "conv",
    "pool",
    "stage_bit",
    "potential_bit",
    *LOADING_FLIP_FLOPS,
)


def count_parts(parameters: AcceleratorParameters) -> Counter[str]:
    """How many there are of each part."""
    parts = Counter({"accelerator": 1})
    for block in parameters.blocks:
        parts.update(BLOCK_PARTS[block.kind](block, parameters.step_width))
    parts.update(INPUT_PARTS[parameters.input.kind](parameters))
    parts.update(loading_parts(parameters))
    return parts


def dense_parts(layer: DenseParameters, step_width: int) -> Counter[str]:
    lanes, width = layer.lanes, layer.membrane_width
    index = index_width(layer.neurons)
    group = total_width(group_fields(lanes, index, step_width, width * layer.output))
    event = total_width(event_fields(index, step_width))
    queues = [group] if layer.output else [group, event]
    membranes, weights = lanes * (width + 1), lanes * layer.weight_width
    shared = 1 < layer.groups <= LUT_RAM_DEPTH
    banks = -(-layer.weight_depth // BANK_ROWS)
    constant = initial_is_constant(layer)
    return Counter(
        {
            "layer": 1,
            "slice": layer.skew,
            "lane": lanes,
            "adder_bit": lanes * width,
            "clear_bit": lanes * width if layer.groups > 1 else 0,
            "silenced_bit": weights if layer.output or layer.may_be_spontaneous else 0,
            "single_bit": membranes if layer.groups == 1 else 0,
            "shared_bit": membranes if shared else 0,
            "deep_bit": membranes if layer.groups > LUT_RAM_DEPTH else 0,
            "initial_bit": 0 if constant else lanes * width * -(-layer.groups // CELL_ROWS),
            "bank_bit": weights * banks,
            "banked_bit": weights if banks > 1 else 0,
            "output_bit": lanes * width * layer.output,
            "split_lane": lanes if lanes > PIECE and not layer.output else 0,
            "queue_bit": sum(queues),
            "lut_ram_cell": sum(cells(1, bits) for bits in queues)
            + (cells(layer.groups, membranes) if shared else 0),
        }
    )


def pixel_parts(parameters: AcceleratorParameters) -> Counter[str]:
    p = parameters
    beats, lists = len(p.input.live_beats), 2 * p.input.lanes
    link = index_width(beats) + 1
    loaded, deep = beat_bits(p), p.input.queue_depth > QUEUE_DEPTH
    event = total_width(event_fields(p.input.index_width, p.step_width))
    arriving = 8 * p.pixels_per_beat + 1
    in_luts = not links_in_block_ram(p)
    # A table of 256 entries costs as much logic as its columns change from entry to entry.
    tables = p.network.tables
    entries = np.where(tables < p.t_max, tables.astype(int) * 2 + 1, 0)
    columns = entries[:, :, None] >> np.arange(p.step_width + 1) & 1
    changes = int(np.minimum(np.abs(np.diff(columns, axis=1)).sum(axis=1), 64).sum())
    queues = (loaded, event, arriving)
    return Counter(
        {
            "list": lists,
            "list_bit": lists * link,
            "link_bit": lists * link * in_luts,
            "link_mux_bit": lists * link * (-(-beats // CELL_ROWS) - 1) * in_luts,
            "table_bit": 0 if p.store.loaded else p.pixels_per_beat * changes,
            "beat_bit": p.input.live_latency * arriving,
            "queue_bit": sum(queues) + deep * loaded,
            "lut_ram_cell": lists * cells(p.t_max, link)
            + lists * cells(beats, link) * in_luts
            + cells(INPUT_QUEUE_DEPTH, arriving)
            + (0 if beats_in_block_ram(p) else cells(p.input.queue_depth, loaded))
            + cells(1, event),
        }
    )


#: By the kind of a block: its parts, from its parameters and the bits of a step.
BLOCK_PARTS: dict[str, Callable[[Any, int], Counter[str]]] = {
    "dense": dense_parts,
    "conv2d": conv_parts,
    "pool2d": pool_parts,
}

#: By the kind of the accelerator's input: its parts.
INPUT_PARTS: dict[str, Callable[[AcceleratorParameters], Counter[str]]] = {"pixels": pixel_parts}
