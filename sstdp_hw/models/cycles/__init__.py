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
from typing import Any, Protocol

import numpy as np

from ...base.errors import UserError
from ...blocks.hardware import AcceleratorParameters, Block, WeightedBlock
from ...blocks.pipeline import (
    NEXT_BEAT_LATENCY,
    PIECE,
    QUEUE_DEPTH,
    RELOAD_LATENCY,
    RESET_BEFORE_BEAT,
)
from ...contract.memory_image import loading_cycles
from ...network.layers import Array
from ...reference.inference import Inference, sent_places
from .batched import BatchedEngine
from .chain import NEVER, Decision, Layer, Serializer, Splitter
from .conv import Conv, word_times
from .encoder import Encoder
from .engine import Engine
from .event_port import EventPort
from .observed import Origin, Span, Watch
from .pool import Pool
from .server import EventServer, Taker
from .spikes import chunk, group_counts
from .stamps import Stamps
from .tiled import TiledEngine

#: By the kind of a weighted block: its server.
LAYERS: dict[str, Callable[[Any, list[int]], Layer | Conv]] = {"dense": Layer, "conv2d": Conv}

#: By the kind of a block that only passes spikes on: its server.
FILTERS: dict[str, Callable[[Any, EventServer], Pool]] = {"pool2d": Pool}


class Source(Origin, Protocol):
    """What makes events of the input.

    Attributes
    ----------
    answers : list of int
        Cycle in which each answer left, so far.
    """

    answers: list[int]

    def began_earlier(self, cycles: int) -> None:
        """The reset ended so many cycles earlier before the first beat."""

    def waits_until(self, cycle: int) -> None:
        """The next beat is there in ``cycle`` at the earliest."""

    def take(self, part: Inference, first: int) -> None:
        """Samples that come next, the first of them number ``first``."""

    def sent(self) -> Array:
        """Cycles in which the answers leave, when no further sample comes: int64 [samples]."""


#: By the kind of the accelerator's input: what makes events of it.
ENCODERS: dict[str, Callable[[AcceleratorParameters, Taker, EventServer], Any]] = {
    "pixels": Encoder,
    "spikes": EventPort,
}

#: Images whose spikes are sorted at once: bounds the memory.
CHUNK = 256


def cycles_per_image(
    parameters: AcceleratorParameters,
    inference: Inference,
    *,
    loads: Collection[int] = (),
    memory_latency: int = 0,
    memory_interval: int = 1,
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
    memory_latency : int
        Of an external memory of the weights, cycles from the address of a burst to its first beat,
        one more than these.
    memory_interval : int
        Cycles from one of its beats to the next.
    progress : callable, optional
        Called with the number of images done since the last call.
    """
    answers = _answers(
        parameters, inference, loads=loads, progress=progress,
        memory=(memory_latency, memory_interval),
    )  # fmt: skip
    return np.diff(answers, prepend=-1)


def latency_per_image(
    parameters: AcceleratorParameters,
    inference: Inference,
    *,
    memory_latency: int = 0,
    memory_interval: int = 1,
) -> Array:
    """Clock cycles from an image's first beat to its answer, if each image begins as soon as the
    one before is answered: int64 [N]. Arguments as of `cycles_per_image`."""
    memory = memory_latency, memory_interval
    return LATENCIES[parameters.input.kind](parameters, inference, memory)


def _of_pixels(
    parameters: AcceleratorParameters, inference: Inference, memory: tuple[int, int]
) -> Array:
    """Before the first image the lists are cleared."""
    first_beats: list[int] = []

    def idle(encoder: Encoder, _stamps: list[Stamps]) -> None:
        encoder.idle()

    answers = _answers(parameters, inference, begin=idle, memory=memory, apart=first_beats)
    return answers - np.array(first_beats, np.int64) + 1


def _of_events(
    parameters: AcceleratorParameters, inference: Inference, memory: tuple[int, int]
) -> Array:
    """Events meet in the queues what was left of the packet before."""
    ports: list[EventPort] = []

    def apart(port: EventPort, stamps: list[Stamps]) -> None:
        ports.append(port)
        port.stand_apart()
        for memory in stamps:
            memory.counted(0)

    answers = _answers(parameters, inference, begin=apart, memory=memory)
    return answers - np.array(ports[0].first_beats, np.int64) + 1


#: By the kind of the accelerator's input: see `latency_per_image`.
LATENCIES: dict[str, Callable[[AcceleratorParameters, Inference, tuple[int, int]], Array]] = {
    "pixels": _of_pixels,
    "spikes": _of_events,
}


def observe(parameters: AcceleratorParameters, inference: Inference) -> tuple[Array, list[Span]]:
    """What each block is at in every cycle, images back to back.

    Returns
    -------
    answers : int64 array [N]
        Cycle of every answer, from the first beat of the first image on.
    spans : list of Span
        In the order in which the model comes to them; those of one block are in the order of time.

    Raises
    ------
    UserError
        If the architecture is sequential: its one engine is never told apart by layer.
    """
    if parameters.sequential is not None:
        raise UserError("Blocks are watched in streaming accelerators only, not in sequential ones")
    watch = Watch()
    return _answers(parameters, inference, watch=watch), watch.spans


def _answers(
    parameters: AcceleratorParameters,
    inference: Inference,
    *,
    begin: Callable[[Any, list[Stamps]], None] | None = None,
    loads: Collection[int] = (),
    memory: tuple[int, int] = (0, 1),
    progress: Callable[[int], None] | None = None,
    watch: Watch | None = None,
    apart: list[int] | None = None,
) -> Array:
    """Cycle of every answer, from the first beat of the first image on: int64 [N]. ``begin`` makes
    of the encoder and all memories of stamps, which have just been reset, what they are to be. With
    ``apart`` each image begins when the one before is answered, and the cycles of their first beats
    are put there."""
    count = len(inference.classes)
    stale = [NEVER] * count
    layers, stamps, encoder, engine = _chain(parameters, stale, watch, memory)
    cycles = loading_cycles(parameters)
    if begin is not None:
        begin(encoder, stamps)
    elif parameters.store.loaded:  # the memories are written between the reset and the first beat
        encoder.began_earlier(cycles)
        for stamp in stamps:
            stamp.ready -= cycles
    _input, *places = sent_places(parameters.network).values()
    for first in range(0, count, CHUNK):
        part = chunk(inference, first, CHUNK)
        for layer, place in zip(layers, places[: len(layers)], strict=True):
            layer.first_image = first
            if isinstance(layer, Conv):
                layer.spikes = word_times(layer.p, part.spike_times[place], parameters.t_max)
            else:
                layer.spikes = group_counts(parameters, layer.p, part, place)
        encoder.take(part, first)
        images = len(part.classes)
        for image in range(first, first + images):
            if image in loads:
                first_beat = encoder.answers[-1] + RELOAD_LATENCY + cycles
                encoder.waits_until(first_beat)
                if engine is not None:
                    engine.reloaded(first_beat - RESET_BEFORE_BEAT)
            if apart is not None:
                assert isinstance(encoder, Encoder), "events have a way of their own to be apart"
                first_beat = 0
                if image:
                    encoder.decision.finish()
                    first_beat = encoder.answers[-1] + NEXT_BEAT_LATENCY
                    encoder.waits_until(first_beat)
                apart.append(first_beat)
            if watch is None:
                encoder.run(image)
            else:
                watch.run(encoder, image)
        if progress:
            progress(images)
    return encoder.sent()


def _chain(
    parameters: AcceleratorParameters,
    stale: list[int],
    watch: Watch | None = None,
    memory: tuple[int, int] = (0, 1),
) -> tuple[list[Layer | Conv], list[Stamps], Source, Engine | None]:
    """The blocks, each joined to the one behind it: weighted layers in order, the stamps of all
    blocks that have them, what stands in front, and the engine of a sequential architecture. It
    computes its spikes itself, and has no layers that wait for them."""
    decision = Decision(parameters.output, parameters.configuration.early_exit, stale)
    layers: list[Layer | Conv] = []
    stamps: list[Stamps] = []
    after: EventServer | None = None
    engine: Engine | None = None
    blocks: tuple[Block, ...] = parameters.blocks
    if parameters.sequential is not None:
        blocks = parameters.sequential.filters
        depth = blocks[-1].queue_depth if blocks else QUEUE_DEPTH
        early_exit = parameters.configuration.early_exit
        if parameters.store.external:
            kind = TiledEngine if parameters.configuration.batch == 1 else BatchedEngine
            engine = kind(parameters.tiled, decision, early_exit, depth, *memory)
        else:
            engine = Engine(parameters.engine, decision, early_exit, depth)
        after = engine
    for block in reversed(blocks):
        if not isinstance(block, WeightedBlock):
            assert after is not None, "the network ends with a dense layer"
            pool = FILTERS[block.kind](block, after)
            stamps.append(pool.stamps)
            after = watch.layer(block.name, pool) if watch else pool
            continue
        layer = LAYERS[block.kind](block, stale)
        if isinstance(layer, Conv):
            stamps.append(layer.stamps)
        if after is None:
            layer.next = watch.decision(decision) if watch else decision
        else:
            layer.next = Serializer(stale, after, block.queue_depth)
            if block.lanes > PIECE:
                layer.next = Splitter(stale, layer.next)
        layers.insert(0, layer)
        after = watch.layer(block.name, layer) if watch else layer
    assert after is not None, "there is a layer"
    taker: Taker = engine if isinstance(engine, BatchedEngine) else decision
    source: Source = ENCODERS[parameters.input.kind](parameters, taker, after)
    return layers, stamps, source, engine
