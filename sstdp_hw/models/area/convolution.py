"""What convolution and pooling layers are made of; see `composition`."""

from __future__ import annotations

from collections import Counter

from ...blocks.convolution import ConvParameters
from ...blocks.pipeline import (
    BACKLOG_DEPTH,
    LUT_RAM_DEPTH,
    QUEUE_DEPTH,
)
from ...blocks.pooling import PoolParameters
from ...blocks.widths import index_width
from ...contract.events import event_fields, event_header, group_fields
from ...contract.fields import total_width
from .cells import cells, in_block_ram, mux_bits, of_memory, of_rom
from .loading import initial_is_constant
from .registers import conv_registers, pool_registers


def conv_parts(layer: ConvParameters, step_width: int) -> Counter[str]:
    """Parts of a convolution layer and its serializer."""
    lanes, width = layer.lanes, layer.membrane_width
    base, address = layer.leaving.index_width, layer.address_width
    event = total_width(event_fields(base, step_width))
    group = total_width(group_fields(lanes, base, step_width))
    weight = index_width(layer.weight_depth)
    reach = total_width(event_header(step_width)) + 1 + base + address + weight
    reach += index_width(layer.shape[1]) + index_width(layer.shape[2])
    potentials = lanes * (width + 1) + 1
    queues = [reach, group]
    if layer.queue_depth == QUEUE_DEPTH:
        queues.append(event)
    small = [] if _listed_rams(layer) else [cells(layer.words, address + base)]
    small += [] if _stamp_rams(layer.words, layer.stamp_width) else [
        cells(layer.words, layer.stamp_width)
    ]  # fmt: skip
    if layer.words <= LUT_RAM_DEPTH:
        small.append(cells(layer.words, potentials))
    constant = initial_is_constant(layer)
    return Counter(
        {
            "conv": 1,
            "lane": lanes,
            "adder_bit": lanes * width,
            "clear_bit": lanes * width,
            "initial_bit": 0 if constant else lanes * width,
            "row_mux_bit": mux_bits(layer.words, potentials, layer.words, written=True)
            * (layer.words > LUT_RAM_DEPTH)
            + _weights_mux(layer),
            "walk_bit": address + base + weight,
            "register_bit": conv_registers(layer, step_width),
            "lut_ram_cell": sum(cells(1, bits) for bits in queues) + sum(small),
        }
    )


def _weights_mux(layer: ConvParameters) -> int:
    if layer.store.loaded:
        return 0
    return mux_bits(layer.weight_depth, layer.lanes * layer.weight_width)


def pool_parts(layer: PoolParameters, step_width: int) -> Counter[str]:
    """Parts of a pooling layer."""
    event = total_width(event_fields(layer.leaving.index_width, step_width))
    shallow = layer.queue_depth == QUEUE_DEPTH
    marks = 0
    if not _stamp_rams(layer.cells, layer.stamp_width):
        marks = cells(layer.cells, layer.stamp_width)
    return Counter(
        {
            "pool": 1,
            "register_bit": pool_registers(layer, step_width),
            "lut_ram_cell": cells(1, event) * shallow + marks,
        }
    )


def conv_block_rams(layer: ConvParameters, step_width: int) -> int:
    """Block RAMs of a convolution layer and its serializer."""
    count = _listed_rams(layer) + _stamp_rams(layer.words, layer.stamp_width)
    if not layer.store.loaded and layer.layer.weight.min() != layer.layer.weight.max():
        count += of_rom(layer.weight_depth, layer.lanes * layer.weight_width)
    if layer.words > LUT_RAM_DEPTH:
        count += of_memory(layer.words, layer.lanes * (layer.membrane_width + 1) + 1)
    return count + _map_rams(layer, step_width)


def pool_block_rams(layer: PoolParameters, step_width: int) -> int:
    """Block RAMs of a pooling layer."""
    return _stamp_rams(layer.cells, layer.stamp_width) + _map_rams(layer, step_width)


def _map_rams(layer: ConvParameters | PoolParameters, step_width: int) -> int:
    """Block RAMs of the table of coordinates and of the queue of events behind the layer."""
    count = 0
    if layer.places is not None and layer.places_style == "block":
        count += of_rom(layer.inputs, layer.arriving.index_width)
    if layer.queue_depth == BACKLOG_DEPTH:
        event = total_width(event_fields(layer.leaving.index_width, step_width))
        count += of_memory(BACKLOG_DEPTH - 1, event)
    return count


def _listed_rams(layer: ConvParameters) -> int:
    width = layer.address_width + layer.leaving.index_width
    return of_memory(layer.words, width) if in_block_ram(layer.words, width) else 0


def _stamp_rams(rows: int, width: int) -> int:
    return of_memory(rows, width) if in_block_ram(rows, width) else 0
