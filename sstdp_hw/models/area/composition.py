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
from ...blocks.pipeline import BANK_ROWS, INPUT_QUEUE_DEPTH, LUT_RAM_DEPTH, PIECE, QUEUE_DEPTH
from ...blocks.sequential.engine import ENGINE
from ...blocks.widths import index_width
from ...contract.events import event_fields, group_fields
from ...contract.fields import total_width
from .block_ram import beat_bits, beats_in_block_ram, links_in_block_ram, spike_block_rams
from .cells import CELL_ROWS, cells
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

#: Registers of a list of the encoder that tell how far it is.
LIST_FLAGS = 3

INPUT, LOADING, TOP = "input", "loading", "top"

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
    *ENGINE_LUTS,
    *BATCH_PARTS,
    *ENGINE_LOADING_LUTS,
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
    "encoder_register_bit",
    "conv",
    "pool",
    "stage_bit",
    "potential_bit",
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


def pixel_parts(pixels: PixelInput, step_width: int) -> Counter[str]:
    tables, t_max = pixels.network.tables, pixels.network.t_max
    beats, lists = len(pixels.live_beats), 2 * pixels.lanes
    link = index_width(beats) + 1
    loaded = beat_bits(pixels, step_width)
    event = total_width(event_fields(pixels.index_width, step_width))
    arriving = pixels.data_width + 1
    in_luts = not links_in_block_ram(pixels)
    # A table of 256 entries costs as much logic as its columns change from entry to entry.
    entries = np.where(tables < t_max, tables.astype(int) * 2 + 1, 0)
    columns = entries[:, :, None] >> np.arange(step_width + 1) & 1
    changes = int(np.minimum(np.abs(np.diff(columns, axis=1)).sum(axis=1), 64).sum())
    return Counter(
        {
            "list": lists,
            "list_bit": lists * link,
            "link_mux_bit": lists * link * (-(-beats // CELL_ROWS) - 1) * in_luts,
            "table_bit": 0 if pixels.store.loaded else pixels.pixels_per_beat * changes,
            "encoder_register_bit": _encoder_registers(pixels, step_width),
            "lut_ram_cell": lists * cells(t_max, link)
            + lists * cells(beats, link) * in_luts
            + cells(INPUT_QUEUE_DEPTH, arriving)
            + (0 if beats_in_block_ram(pixels, step_width) else cells(pixels.queue_depth, loaded))
            + cells(1, event),
        }
    )


def _encoder_registers(pixels: PixelInput, step_width: int) -> int:
    """Bits of registers of the encoder, as the gateware has them. Those behind a block RAM are the
    RAM's own."""
    beats, lists, latency = len(pixels.live_beats), 2 * pixels.lanes, pixels.live_latency
    link = index_width(beats) + 1
    event = total_width(event_fields(pixels.index_width, step_width))
    # Of every list its pixel, a copy of that, the first link, and the link that is written.
    count = lists * (4 * link + LIST_FLAGS)
    if not links_in_block_ram(pixels):
        count += lists * 2 * link
    # A beat on its way, which its spike times replace.
    count += (latency - 1) * pixels.data_width + (not pixels.live.all()) * pixels.lanes
    if not pixels.store.loaded:
        count += pixels.lanes * (step_width + 1)
    if not beats_in_block_ram(pixels, step_width):
        count += beat_bits(pixels, step_width) * (1 + (pixels.queue_depth > QUEUE_DEPTH))
    count += 3 * index_width(pixels.queue_depth) + index_width(pixels.beats)
    return count + event * pixels.stages + pixels.data_width


def spike_parts(port: SpikeInput, step_width: int) -> Counter[str]:
    event = total_width(event_fields(port.index_width, step_width))
    arriving = port.data_width + 1
    marks = 0 if spike_block_rams(port, step_width) else cells(port.pixels, port.stamp_width)
    # What it has beside these is within "accelerator", which was fitted with encoders.
    return Counter(
        {
            "stage_bit": event * port.latency,
            "queue_bit": event + arriving,
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
