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

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ...blocks.hardware import AcceleratorParameters, WeightedBlock
from ...blocks.pipeline import PIECE
from ...network.layers import Array
from ...reference.inference import Inference, sent_places
from .chain import NEVER, Decision, Layer, Serializer, Splitter
from .conv import Conv, word_times
from .encoder import Encoder
from .event_port import EventPort
from .pool import Pool
from .server import EventServer
from .spikes import chunk, group_counts
from .stamps import Stamps

#: By the kind of a weighted block: its server.
LAYERS: dict[str, Callable[[Any, list[int]], Layer | Conv]] = {"dense": Layer, "conv2d": Conv}

#: By the kind of a block that only passes spikes on: its server.
FILTERS: dict[str, Callable[[Any, EventServer], Pool]] = {"pool2d": Pool}


class Source(Protocol):
    """What makes events of the input."""

    def idle(self, earlier: int) -> None:
        """All is as it is when so many samples came before, long ago."""

    def take(self, part: Inference, first: int) -> None:
        """Samples that come next, the first of them number ``first``."""

    def run(self, image: int) -> None:
        """Emit one of the samples taken; they come in order."""

    def sent(self, answers: list[int]) -> Array:
        """Cycles in which answers leave, from those in which the decision has them."""


#: By the kind of the accelerator's input: what makes events of it.
ENCODERS: dict[str, Callable[[AcceleratorParameters, list[int], EventServer], Source]] = {
    "pixels": Encoder,
    "spikes": EventPort,
}

#: Images whose spikes are sorted at once: bounds the memory.
CHUNK = 256


def cycles_per_image(
    parameters: AcceleratorParameters,
    inference: Inference,
    *,
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
    progress : callable, optional
        Called with the number of images done since the last call.
    """
    return np.diff(_answers(parameters, inference, progress=progress), prepend=-1)


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
    progress: Callable[[int], None] | None = None,
) -> Array:
    """Cycle of every answer, from the first beat of the first image on: int64 [N]. ``earlier``: so
    many images came before, and all is idle and cleared again; None: right after reset."""
    count = len(inference.classes)
    stale = [NEVER] * count
    layers, stamps, encoder, decision = _chain(parameters, stale)
    if earlier is not None:
        encoder.idle(earlier)
        for memory in stamps:
            memory.counted(earlier)
    _input, *places = sent_places(parameters.network).values()
    for first in range(0, count, CHUNK):
        part = chunk(inference, first, CHUNK)
        for layer, place in zip(layers, places, strict=True):
            layer.first_image = first
            if isinstance(layer, Conv):
                layer.spikes = word_times(layer.p, part.spike_times[place], parameters.t_max)
            else:
                layer.spikes = group_counts(parameters, layer.p, part, place)
        encoder.take(part, first)
        images = len(part.classes)
        for image in range(first, first + images):
            encoder.run(image)
        if progress:
            progress(images)
    return encoder.sent(decision.answers)


def _chain(
    parameters: AcceleratorParameters, stale: list[int]
) -> tuple[list[Layer | Conv], list[Stamps], Source, Decision]:
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
