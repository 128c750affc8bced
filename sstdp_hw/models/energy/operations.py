"""What an accelerator does for an image: additions, and words of its memories read and written.

Counted from the spike times of the reference, up to the step at which the hardware stops. What is
on its way when the decision falls, a few words of an image, is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...blocks.convolution import ConvParameters
from ...blocks.dense import DenseParameters
from ...blocks.hardware import AcceleratorParameters
from ...blocks.inputs import PixelInput, SpikeInput
from ...blocks.pipeline import QUEUE_DEPTH
from ...blocks.pooling import PoolParameters
from ...blocks.sequential.engine import EngineParameters
from ...blocks.widths import index_width
from ...contract.events import event_fields
from ...contract.fields import total_width
from ...network.layers import Array
from ...reference.inference import Inference, sent_spikes
from ..area.block_ram import beat_bits
from ..cost import arrivals


@dataclass(frozen=True)
class Additions:
    """Synaptic operations of a layer, means per image.

    Parameters
    ----------
    layer : str
    needed : float
        One for every spike and neuron that it reaches: `reference.additions`.
    done : float
        By all lanes, those without a neuron among them.
    bits : int
        Of a potential.
    """

    layer: str
    needed: float
    done: float
    bits: int


@dataclass(frozen=True)
class Accesses:
    """Words of a memory, means per image.

    Parameters
    ----------
    what, block : str
        ``"weights"``, ``"layers.1"``.
    reads, writes : float
    word_bits, memory_bits : int
    registers : bool
        Whether it is no memory at all: the one word of a layer with one group.
    """

    what: str
    block: str
    reads: float
    writes: float
    word_bits: int
    memory_bits: int
    registers: bool = False

    @property
    def count(self) -> float:
        return self.reads + self.writes


@dataclass(frozen=True)
class Operations:
    """All that is counted of an accelerator, means per image.

    Parameters
    ----------
    images : int
        That were counted.
    additions : tuple of Additions
        By layer, in order.
    accesses : tuple of Accesses
    """

    images: int
    additions: tuple[Additions, ...]
    accesses: tuple[Accesses, ...]

    @property
    def memory_bits(self) -> int:
        """Of all memories together."""
        return sum(found.memory_bits for found in self.accesses)


@dataclass(frozen=True, eq=False)
class Spikes:
    """Spikes that are sent, means per image, by their place in ``Inference.spike_times``; up to
    the decision, if the hardware stops there, or of the ``whole`` image."""

    parameters: AcceleratorParameters
    inference: Inference

    def __call__(self, place: int, *, whole: bool = False) -> float:
        network = self.parameters.network
        times = sent_spikes(network, self.inference, place, self.parameters.live_inputs)
        last = np.full(len(times), network.t_max - 1)
        if self.parameters.configuration.early_exit and not whole:
            last = self.inference.last_steps()
        return float(np.count_nonzero(times <= last[:, None])) / len(times)


def count_operations(parameters: AcceleratorParameters, inference: Inference) -> Operations:
    """Count what the accelerator does for the images of ``inference``, of which there is at least
    one."""
    images = len(inference.classes)
    spikes = Spikes(parameters, inference)
    additions, words = [], {}
    for index, layer, arrived in arrivals(parameters, inference):
        events: Array = arrived.sum(axis=0)
        fan_out = layer.layer.fan_out(parameters.network.shapes[index]).reshape(-1)
        fetched = int(events @ layer.walk_cycles)
        words[layer.name] = fetched / images
        additions.append(
            Additions(
                layer.name, int(events @ fan_out) / images, fetched * layer.lanes / images,
                layer.membrane_width,
            )
        )  # fmt: skip
    found = [*INPUT_ACCESSES[parameters.input.kind](parameters.input, parameters, spikes)]
    filters = parameters.sequential.filters if parameters.sequential else parameters.blocks
    for block in filters:
        found += ACCESSES[block.kind](block, words.get(block.name, 0.0), spikes)
    if parameters.sequential:
        found += _of_engine(parameters.engine, words, spikes)
    else:
        found += _queues(parameters, spikes)
    return Operations(images, tuple(additions), tuple(found))


def _place(name: str) -> int:
    """Where the spikes of the layer ``layers.N`` stand."""
    return int(name.rpartition(".")[2]) + 1


def _of_dense(layer: DenseParameters, words: float, spikes: Spikes) -> Iterator[Accesses]:
    """A walk reads weights and potentials, adds, and writes potentials; it compares as it goes."""
    yield Accesses(
        "weights", layer.name, words, 0, layer.lanes * layer.weight_width, layer.weight_bits
    )
    width = layer.lanes * (layer.membrane_width + 1)
    yield Accesses(
        "potentials", layer.name, words, words, width, layer.groups * width, layer.groups == 1
    )


def _of_conv(layer: ConvParameters, words: float, spikes: Spikes) -> Iterator[Accesses]:
    """As `_of_dense`; and what crossed its threshold is listed, and compared after the step. Each
    spike counts as a word listed: several of one word are so counted too often, and neurons that
    fall below their threshold again not at all."""
    listed = spikes(_place(layer.name))
    yield Accesses(
        "weights", layer.name, words, 0, layer.lanes * layer.weight_width, layer.weight_bits
    )
    width = layer.lanes * (layer.membrane_width + 1) + layer.stamp_width
    touched = words + listed
    yield Accesses("potentials", layer.name, touched, touched, width, layer.words * width)
    width = layer.address_width
    yield Accesses("candidates", layer.name, listed, listed, width, layer.list_depth * width)


def _of_pool(pool: PoolParameters, _words: float, spikes: Spikes) -> Iterator[Accesses]:
    """A mark is read for every event, and written for those that pass."""
    place = _place(pool.name)
    yield Accesses(
        "marks", pool.name, spikes(place - 1), spikes(place), pool.stamp_width, pool.memory_bits
    )


#: By the kind of a block of its own: the words of its memories, from its parameters, the weight
#: words that it fetches, and the spikes.
ACCESSES: dict[str, Callable[[Any, float, Spikes], Iterator[Accesses]]] = {
    "dense": _of_dense,
    "conv2d": _of_conv,
    "pool2d": _of_pool,
}


def _of_pixels(
    pixels: PixelInput, parameters: AcceleratorParameters, spikes: Spikes
) -> Iterator[Accesses]:
    """Every pixel is looked up and waits in the queue of beats. Its spike is filed in the list of
    its step, which moves a head and writes a link; what is sent follows a link."""
    bits, tables = index_width(parameters.t_max + 1), parameters.network.planes
    lookups = pixels.pixels * tables
    yield Accesses("table of spike times", "input", lookups, 0, bits, tables * 256 * bits)
    beats, width = len(pixels.live_beats), beat_bits(pixels, parameters.step_width)
    yield Accesses("beats", "input", beats, beats, width, pixels.queue_depth * width)
    filed, sent = spikes(0, whole=True), spikes(0)
    width = index_width(beats) + 1
    sorters = 2 * pixels.lanes
    heads = sorters * parameters.t_max * width
    yield Accesses("heads of lists", "input", filed, filed, width, heads)
    yield Accesses("links of lists", "input", sent, filed, width, sorters * beats * width)


def _of_events(
    port: SpikeInput, parameters: AcceleratorParameters, spikes: Spikes
) -> Iterator[Accesses]:
    """The mark of every input that fires is read and written, up to the decision."""
    sent = spikes(0)
    yield Accesses("marks", "input", sent, sent, port.stamp_width, port.memory_bits)


#: By the kind of the accelerator's input.
INPUT_ACCESSES: dict[str, Callable[[Any, AcceleratorParameters, Spikes], Iterator[Accesses]]] = {
    "pixels": _of_pixels,
    "spikes": _of_events,
}


def _queues(parameters: AcceleratorParameters, spikes: Spikes) -> Iterator[Accesses]:
    """A spike is written into the queue behind its block once, and read once; the output layer's
    go to the decision."""
    width = total_width(event_fields(parameters.input.index_width, parameters.step_width))
    sent = spikes(0)
    yield Accesses("queue of events", "input", sent, sent, width, QUEUE_DEPTH * width)
    for block in parameters.blocks[:-1]:
        bits = index_width(len(block.sent))
        width = total_width(event_fields(bits, parameters.step_width))
        sent, depth = spikes(_place(block.name)), block.queue_depth
        yield Accesses("queue of events", block.name, sent, sent, width, depth * width)


def _of_engine(
    engine: EngineParameters, words: dict[str, float], spikes: Spikes
) -> Iterator[Accesses]:
    """One set of memories for all layers. A layer begins with a write of all its potentials; a
    spike counts as one word that is compared, one candidate and one item of a list."""
    fired = [spikes(_place(layer.name), whole=not layer.output) for layer in engine.layers]
    walked = sum(words[layer.name] for layer in engine.layers)
    begun = sum(layer.words for layer in engine.layers)
    width = engine.lanes * engine.widths.weight
    yield Accesses("weights", "engine", walked, 0, width, engine.weight_depth * width)
    width = engine.lanes * (engine.widths.membrane + 1) + 1
    listed, size = sum(fired), engine.words * width
    yield Accesses("potentials", "engine", walked + listed, walked + listed + begun, width, size)
    width = engine.address_width + engine.place_width
    yield Accesses("candidates", "engine", listed, listed, width, engine.words * width)
    items = 0.0
    for layer in engine.layers[:-1]:
        last = layer.pools[-1].name if layer.pools else layer.name
        items += spikes(_place(last), whole=True)
    size = sum(engine.list_items) * engine.item_width
    yield Accesses("spike memory", "engine", items, items, engine.item_width, size)
    if engine.pooled:
        pooled = sum(n for n, layer in zip(fired, engine.layers, strict=True) if layer.pools)
        size = engine.marks * engine.lanes
        yield Accesses("marks", "engine", pooled, pooled, engine.lanes, size)
