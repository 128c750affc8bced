"""Block RAMs of an accelerator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...blocks.dense import DenseParameters
from ...blocks.hardware import AcceleratorParameters
from ...blocks.inputs import PixelInput, SpikeInput
from ...blocks.pipeline import LUT_RAM_DEPTH
from ...blocks.sequential.engine import ENGINE
from ...blocks.widths import index_width
from .cells import in_block_ram, of_memory, of_rom
from .convolution import conv_block_rams, pool_block_rams
from .engine import engine_block_rams
from .loading import loaded_block_rams


def links_in_block_ram(pixels: PixelInput) -> bool:
    """Whether the sorters' links are block RAM; yosys chooses by size."""
    beats = len(pixels.live_beats)
    return in_block_ram(beats, index_width(beats) + 1)


def beat_bits(pixels: PixelInput, step_width: int) -> int:
    """Bits of a beat in the queue in front of the sorters."""
    return pixels.lanes * (step_width + 1) + index_width(len(pixels.live_beats)) + 2


def beats_in_block_ram(pixels: PixelInput, step_width: int) -> bool:
    """Whether that queue is block RAM."""
    bits = beat_bits(pixels, step_width)
    return in_block_ram(pixels.queue_depth, bits, read_where_written=True)


def block_rams(parameters: AcceleratorParameters) -> int:
    """Block RAMs of the accelerator."""
    return sum(block_rams_by_block(parameters).values())


def block_rams_by_block(parameters: AcceleratorParameters) -> dict[str, int]:
    """Block RAMs of each block by its name, of the input, and of the memories that are loaded."""
    width, chain = parameters.step_width, parameters.sequential
    blocks = parameters.blocks if chain is None else chain.filters
    return {
        "input": INPUT_BLOCK_RAMS[parameters.input.kind](parameters.input, width),
        **{block.name: BLOCK_RAMS[block.kind](block, width) for block in blocks},
        **({} if chain is None else {ENGINE: engine_block_rams(chain.engine)}),
        "loading": loaded_block_rams(parameters),
    }


def pixel_block_rams(pixels: PixelInput, step_width: int) -> int:
    """Block RAMs of the encoder: the table of live pixels, the queue of beats, the links."""
    count = 0
    if pixels.live_style == "block":
        count += of_rom(len(pixels.live), pixels.lanes)
    if beats_in_block_ram(pixels, step_width):
        count += of_memory(pixels.queue_depth, beat_bits(pixels, step_width))
    if links_in_block_ram(pixels):
        beats = len(pixels.live_beats)
        count += 2 * pixels.lanes * of_memory(beats, index_width(beats) + 1)
    return count


def spike_block_rams(port: SpikeInput, step_width: int) -> int:
    """Block RAMs of the event port: the marks of the inputs that have fired."""
    rows, width = port.pixels, port.stamp_width
    return of_memory(rows, width) if in_block_ram(rows, width) else 0


def dense_block_rams(layer: DenseParameters, step_width: int) -> int:
    """Block RAMs of weights and potentials; each slice has memories of its own."""
    count = 0
    for first, stop in layer.slices:
        if not layer.store.loaded and layer.layer.weight.min() != layer.layer.weight.max():
            count += of_rom(layer.weight_depth, (stop - first) * layer.weight_width)
        if layer.groups > LUT_RAM_DEPTH:
            count += of_memory(layer.groups, (stop - first) * (layer.membrane_width + 1))
    return count


#: By the kind of a block: its block RAMs, from its parameters and the bits of a step.
BLOCK_RAMS: dict[str, Callable[[Any, int], int]] = {
    "dense": dense_block_rams,
    "conv2d": conv_block_rams,
    "pool2d": pool_block_rams,
}

#: By the kind of the accelerator's input: its block RAMs.
INPUT_BLOCK_RAMS: dict[str, Callable[[Any, int], int]] = {
    "pixels": pixel_block_rams,
    "spikes": spike_block_rams,
}
