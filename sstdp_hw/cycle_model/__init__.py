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

import numpy as np

from ..hardware import AcceleratorParameters
from ..layers import Array
from ..pipeline import PIECE
from ..reference import Inference
from .chain import NEVER, Decision, Layer, Serializer, Splitter
from .encoder import Encoder
from .spikes import chunk, group_counts, layer_places, list_counts

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
    count = len(inference.classes)
    stale = [NEVER] * count
    layers = [Layer(layer, stale) for layer in parameters.layers]
    decision = Decision(parameters.layers[-1], parameters.configuration.early_exit, stale)
    for layer, after in zip(layers, [*layers[1:], None], strict=True):
        if after is None:
            layer.next = decision
            break
        layer.next = Serializer(stale, after)
        if layer.p.lanes > PIECE:
            layer.next = Splitter(stale, layer.next)
    encoder = Encoder(parameters, stale, layers[0])
    for first in range(0, count, CHUNK):
        part = chunk(inference, first, CHUNK)
        for layer, place in zip(layers, layer_places(parameters), strict=True):
            layer.first_image = first
            layer.spikes = group_counts(parameters, layer.p, part, place)
        lists = list_counts(parameters, part)
        for image, counts in enumerate(lists, first):
            encoder.run(image, counts)
        if progress:
            progress(len(lists))
    return np.diff(np.array(decision.answers, np.int64), prepend=-1)
