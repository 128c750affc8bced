"""Cycles per image, predicted from spike times: the pipeline item by item, without its gates.

Each block is a server that takes items in order. The cycle of an item follows from the item before
it, from the block it comes from, and from the room behind the block; nothing is simulated cycle by
cycle. An item is carried through all blocks before the next one is looked at. That is enough
because nothing ever overtakes: what an item waits for has happened to items before it, and an
image goes stale by its own items.

All times are clock cycles in which something is transferred (``valid`` and ``ready``). Latencies
come from `pipeline` and from the parameters, where the gateware has them from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from ...blocks.hardware import AcceleratorParameters, WeightedBlock
from ...blocks.map_parameters import MapParameters
from ...blocks.pipeline import PIECE, RELOAD_LATENCY
from ...contract.memory_image import loading_cycles
from ...network.layers import Array
from ...reference.inference import Inference, sent_places
from .chain import NEVER, Decision, Layer, Serializer, Splitter
from .conv import Conv, word_times
from .encoder import Encoder
from .pool import Pool
from .room import LONG_AGO
from .server import EventServer
from .spikes import chunk, group_counts, list_counts, list_indices
from .stamps import Stamps

#: By the kind of a weighted block: its server.
LAYERS: dict[str, Callable[[Any, list[int]], Layer | Conv]] = {"dense": Layer, "conv2d": Conv}

#: By the kind of a block that only passes spikes on: its server.
FILTERS: dict[str, Callable[[Any, EventServer], Pool]] = {"pool2d": Pool}

#: By the kind of the accelerator's input: what makes events of it.
ENCODERS: dict[str, Callable[[AcceleratorParameters, list[int], EventServer], Encoder]] = {
    "pixels": Encoder
}

#: Images whose spikes are sorted at once: bounds the memory.
CHUNK = 256


def cycles_per_image(
    parameters: AcceleratorParameters,
    inference: Inference,
    *,
    loads: Collection[int] = (),
    progress: Callable[[int], None] | None = None,
) -> Array:
    """Clock cycles from the answer before an image to its own: int64 [N].

    Images come back to back in the order of ``inference``, and every answer is taken at once. The
    first image counts from its first beat.

    Parameters
    ----------
    parameters : AcceleratorParameters
    inference : Inference
        What `reference.run` returned for the images.
    loads : collection of int
        Images before which the memories are loaded again, with the same network: when all before
        have been answered, and no image is sent until that has ended (`loading_cycles`).
    progress : callable, optional
        Called with the number of images done since the last call.
    """
    return np.diff(_answers(parameters, inference, loads=loads, progress=progress), prepend=-1)


def latency_per_image(parameters: AcceleratorParameters, inference: Inference) -> Array:
    """Clock cycles from an image's first beat to its answer, if each image finds the chain idle and
    its lists cleared: int64 [N]. Arguments as of `cycles_per_image`."""
    count = len(inference.classes)
    alone = (inference.only(slice(image, image + 1)) for image in range(count))
    answers = [
        int(_answers(parameters, image, earlier=earlier)[0]) for earlier, image in enumerate(alone)
    ]
    return np.array(answers, np.int64) + 1


def _answers(
    parameters: AcceleratorParameters,
    inference: Inference,
    *,
    earlier: int | None = None,
    loads: Collection[int] = (),
    progress: Callable[[int], None] | None = None,
) -> Array:
    """Cycle of every answer, from the first beat of the first image on: int64 [N]. ``earlier``: so
    many images came before, and all is idle and cleared again; None: right after reset."""
    count = len(inference.classes)
    stale = [NEVER] * count
    layers, stamps, encoder, decision = _chain(parameters, stale)
    cycles = loading_cycles(parameters)
    if earlier is not None:
        encoder.free = [LONG_AGO] * 2
        for memory in stamps:
            memory.counted(earlier)
    elif parameters.store.loaded:  # the memories are written between the reset and the first beat
        encoder.free = [free - cycles for free in encoder.free]
        for memory in stamps:
            memory.ready -= cycles
    _input, *places = sent_places(parameters.network).values()
    by_place = isinstance(parameters.blocks[0], MapParameters)
    for first in range(0, count, CHUNK):
        part = chunk(inference, first, CHUNK)
        for layer, place in zip(layers, places, strict=True):
            layer.first_image = first
            if isinstance(layer, Conv):
                layer.spikes = word_times(layer.p, part.spike_times[place], parameters.t_max)
            else:
                layer.spikes = group_counts(parameters, layer.p, part, place)
        lists = list_counts(parameters, part)
        indices = list_indices(parameters, part) if by_place else [{} for _ in lists]
        for image, (counts, found) in enumerate(zip(lists, indices, strict=True), first):
            if image in loads:
                encoder.loader.waits_until(decision.answers[-1] + RELOAD_LATENCY + cycles)
            encoder.run(image, counts, found)
        if progress:
            progress(len(lists))
    return np.array(decision.answers, np.int64)


def _chain(
    parameters: AcceleratorParameters, stale: list[int]
) -> tuple[list[Layer | Conv], list[Stamps], Encoder, Decision]:
    """The blocks, each joined to the one behind it: weighted layers in order, the stamps of all
    blocks that have them, and both ends."""
    decision = Decision(parameters.output, parameters.configuration.early_exit, stale)
    layers: list[Layer | Conv] = []
    stamps: list[Stamps] = []
    after: EventServer | None = None
    for block in reversed(parameters.blocks):
        if not isinstance(block, WeightedBlock):
            assert after is not None, "the network ends with a dense layer"
            after = FILTERS[block.kind](block, after)
            stamps.append(after.stamps)
            continue
        layer = LAYERS[block.kind](block, stale)
        if isinstance(layer, Conv):
            stamps.append(layer.stamps)
        if after is None:
            layer.next = decision
        else:
            layer.next = Serializer(stale, after, block.queue_depth)
            if block.lanes > PIECE:
                layer.next = Splitter(stale, layer.next)
        layers.insert(0, layer)
        after = layer
    assert after is not None, "there is a layer"
    return layers, stamps, ENCODERS[parameters.input.kind](parameters, stale, after), decision
