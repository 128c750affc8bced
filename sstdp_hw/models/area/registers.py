"""Bits of registers of blocks, counted as the gateware has them.

Registers that are always equal count once, as synthesis keeps one of them, and those whose value
is fixed do not count. The first two behind a block RAM are its own. Single bits that tell how far
a block is are left to what is fitted once for every block.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...blocks.convolution import ConvParameters
from ...blocks.dense import DenseParameters
from ...blocks.hardware import WeightedBlock
from ...blocks.inputs import PixelInput, SpikeInput
from ...blocks.pipeline import (
    INPUT_QUEUE_DEPTH,
    LATE_WRITE_GROUPS,
    LUT_RAM_DEPTH,
    PIECE,
    QUEUE_DEPTH,
    TAG_WIDTH,
)
from ...blocks.pooling import PoolParameters
from ...blocks.widths import index_width
from ...contract.events import event_fields, event_header, group_fields
from ...contract.fields import total_width
from .cells import in_block_ram, memory_blocks, registers_behind

#: Of a group on its way through a dense layer, and of a word through a convolution: what is done
#: with it, its tag, and whether it is there.
WALK_FLAGS, WORD_FLAGS = TAG_WIDTH + 6, TAG_WIDTH + 5

#: Of a list of the encoder: how far it is.
LIST_FLAGS = 3


def distinct_bits(rows: Sequence[int], width: int) -> int:
    """Bits of a row of constants that differ from each other, and from row to row: registers
    behind logic that gives them."""
    columns = {tuple(row >> bit & 1 for row in rows) for bit in range(width)}
    return sum(len(set(column)) > 1 for column in columns)


def queue_registers(width: int, depth: int = QUEUE_DEPTH, *, block: bool = False) -> int:
    """Of a queue: what is read, in deep ones once more, and places."""
    return 3 * index_width(depth) + (0 if block else width * (1 + (depth > QUEUE_DEPTH)))


def encoder_registers(pixels: PixelInput, step_width: int, *, links: bool, beats: bool) -> int:
    """Of the encoder and the queue in front of it.

    Parameters
    ----------
    links, beats : bool
        Whether links, and the queue of beats, are block RAM.
    """
    lists, latency = 2 * pixels.lanes, pixels.live_latency
    link = index_width(len(pixels.live_beats)) + 1
    event = total_width(event_fields(pixels.index_width, step_width))
    # Of every list its pixel, a copy of that, the first link, and the link that is written.
    count = lists * (4 * link + LIST_FLAGS) + 2 * (link + 2 * step_width)
    if not links:
        count += lists * 2 * link
    # A beat on its way, which its spike times replace.
    count += (latency - 1) * pixels.data_width + (not pixels.live.all()) * pixels.lanes
    beat = pixels.lanes * (step_width + 1)
    count += (not pixels.store.loaded) * beat
    beat += link + 1
    count += queue_registers(beat, pixels.queue_depth, block=beats) + index_width(pixels.beats)
    count += event * (pixels.stages - 1) + queue_registers(event)
    return count + queue_registers(pixels.data_width + 1, INPUT_QUEUE_DEPTH)


def port_registers(port: SpikeInput, step_width: int) -> int:
    """Of the event port and the queue in front of it."""
    event = total_width(event_fields(port.index_width, step_width))
    count = event * port.latency + queue_registers(event)
    count += _stamps(port.pixels, port.stamp_width)
    return count + queue_registers(port.data_width + 1, INPUT_QUEUE_DEPTH)


def dense_registers(layer: DenseParameters, step_width: int) -> int:
    """Of a fully connected layer and its serializer."""
    lanes, width, groups = layer.lanes, layer.membrane_width, layer.groups
    group, neuron = index_width(groups), index_width(layer.neurons)
    event = total_width(event_fields(index_width(layer.inputs), step_width))
    # The event that walks, its address, and groups on their way through all slices.
    count = event + 2 * group + index_width(layer.weight_depth)
    count += (WALK_FLAGS + group + step_width) * (layer.weight_latency + 2 + layer.skew)
    count += lanes * (width + 1)  # potentials, or what is read of them
    if groups >= LATE_WRITE_GROUPS:
        count += lanes * (width + 1) + group
    count += lanes + neuron + lanes * width * layer.output
    count += _weights(layer) + _initial(layer)
    left = total_width(group_fields(lanes, neuron, step_width, width * layer.output))
    count += queue_registers(left) + layer.skew * queue_registers(0)
    return count if layer.output else count + _serializer(lanes, neuron, step_width, QUEUE_DEPTH)


def conv_registers(layer: ConvParameters, step_width: int) -> int:
    """Of a convolution layer and its serializer."""
    lanes, width, base = layer.lanes, layer.membrane_width, layer.leaving.index_width
    header = total_width(event_header(step_width))
    address, weight = layer.address_width, index_width(layer.weight_depth)
    word = WORD_FLAGS + step_width + index_width(layer.groups) + address + base
    # What an event reaches: from tables, their sum, in a queue, and counted.
    reach = 1 + base + address + weight + sum(map(index_width, layer.shape[1:]))
    count = header * layer.locate_latency + 2 * reach + queue_registers(header + reach)
    count += 2 * (base + address + weight)
    count += word * layer.latency + lanes * (width + 2)
    potentials = lanes * (width + 1) + 1
    if layer.words <= LUT_RAM_DEPTH:
        count += 2 * potentials
    elif memory_blocks(layer.words, potentials).times > 1:
        count += potentials
    count += _weights(layer) + _initial(layer) + _stamps(layer.words, layer.stamp_width)
    listed = in_block_ram(layer.words, address + base)
    count += queue_registers(address + base, layer.list_depth, block=listed)
    count += queue_registers(total_width(group_fields(lanes, base, step_width)))
    return count + _serializer(lanes, base, step_width, layer.queue_depth)


def pool_registers(layer: PoolParameters, step_width: int) -> int:
    """Of a pooling layer."""
    cell = layer.leaving.index_width
    event = total_width(event_fields(cell, step_width))
    # Events on their way, their cells, what two tables give, and the event that is held.
    count = total_width(event_header(step_width)) * (layer.latency - 1) + 4 * cell + 2 * cell
    deep = layer.queue_depth > QUEUE_DEPTH
    count += event + queue_registers(event, layer.queue_depth, block=deep)
    return count + _stamps(layer.cells, layer.stamp_width)


def _weights(layer: WeightedBlock) -> int:
    """Behind the weights: of every bank, and where banks are joined."""
    if not layer.store.loaded and layer.layer.weight.min() == layer.layer.weight.max():
        return 0
    bits = layer.lanes * layer.weight_width
    return registers_behind(layer.weight_depth, bits, written=layer.store.loaded)


def _initial(layer: WeightedBlock) -> int:
    """Behind initial potentials; where there is one row of them, none."""
    bits = layer.lanes * layer.membrane_width
    if layer.groups == 1:
        return 0
    return bits if layer.store.loaded else distinct_bits(layer.initial_rows(), bits)


def _serializer(lanes: int, neuron: int, step_width: int, depth: int) -> int:
    """Of what makes events of groups; groups of many lanes come in pieces."""
    whole = total_width(group_fields(lanes, neuron, step_width))
    piece = total_width(group_fields(min(lanes, PIECE), neuron, step_width))
    event = total_width(event_fields(neuron, step_width))
    count = piece + min(lanes, PIECE) + index_width(min(lanes, PIECE)) + neuron
    count += 3 * event + queue_registers(event, depth, block=depth > QUEUE_DEPTH)
    if lanes > PIECE:
        count += 3 * whole + 4 * -(-lanes // PIECE) + piece + queue_registers(piece)
    return count


def _stamps(rows: int, width: int) -> int:
    """Of marks that tell in which image something happened last."""
    read = 0 if in_block_ram(rows, width) else 2 * width
    return 2 * index_width(rows) + 2 * width + read
