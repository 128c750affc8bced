"""Corrupts one number in the generated Verilog, or in the image of the memories that is loaded, to
show that the comparison can fail."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.memory_map import memory_map
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.memory_image import (
    CRC_WORDS,
    HEADER_WORDS,
    crc_of_change,
    words_of_an_image,
)
from sstdp_hw.network.layers import Array
from sstdp_hw.network.network import Network
from sstdp_hw.reference.inference import Inference, arriving_spikes, run

from ..simulation.loads import Patch

KINDS = ("weight", "threshold")
#: A literal of a memory's rows, as the generator writes it.
LITERAL = re.compile(
    r"localparam (?P<range>\[\d+:0\]) (?P<name>ROWS_\d+) = (?P<bits>\d+)'h(?P<digits>[0-9a-f]+);"
)
#: In place of a module.
OUTSIDE = "the external memory"
TRIES = 100
TRIED_IMAGES = 512


@dataclass(frozen=True)
class Mutation:
    """One flipped bit.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    layer : str
        Name of the layer in the network file.
    neuron, input : int
        ``input`` is -1 for a threshold. In a convolution the output channel, and the weight's place
        among those of the channel, in C order.
    module, row, bit : str, int, int
        Where it stands in the Verilog.
    """

    kind: str
    layer: str
    neuron: int
    input: int
    module: str
    row: int
    bit: int

    def __str__(self) -> str:
        where = f"neuron {self.neuron}" + ("" if self.input < 0 else f", input {self.input}")
        place = f"bit {self.bit} of row {self.row} in {self.module}"
        return f"{self.kind} of {self.layer}, {where}: {place}"

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def check_mutation(directory: GeneratedDirectory, kind: str, layer: int) -> None:
    """Refuse what cannot be corrupted."""
    if kind not in KINDS:
        raise UserError(f"Mutation must be of a {' or '.join(KINDS)}, not {kind!r}")
    layers = len(directory.parameters.layers)
    if not -layers <= layer < layers:
        raise UserError(f"Mutated layer must be between 0 and {layers - 1}, not {layer}")


def choose(
    directory: GeneratedDirectory,
    images: Array,
    inference: Inference,
    kind: str,
    layer: int,
    seed: int,
) -> Mutation:
    """Choose a number whose sign bit matters: the reference of the network with this one number
    changed answers at least one of the images differently, so the hardware must, too.

    Parameters
    ----------
    directory : GeneratedDirectory
    images : uint8 array [N, *input_shape]
        The images to be played.
    inference : Inference
        The reference's run on them.
    kind : str
        One of `KINDS`.
    layer : int
        Weighted layer, counted from 0; negative from the end.
    seed : int
        Order in which numbers are tried.

    Raises
    ------
    UserError
        If there is no such kind or layer, or no tried number matters to these images.
    """
    check_mutation(directory, kind, layer)
    layers = directory.parameters.layers
    layer %= len(layers)
    p = layers[layer]
    index = directory.network.weighted[layer][0]
    random = np.random.default_rng(seed)
    inputs = _busy_inputs(directory.network, inference, index)
    entry = directory.manifest["layers"][layer]
    memory = entry["memories"]["weights" if kind == "weight" else "initial"]
    sample = slice(0, TRIED_IMAGES)
    for _ in range(TRIES):
        neuron = int(random.integers(len(p.layer.weight)))
        chosen_input = int(random.choice(inputs)) if kind == "weight" else -1
        row, lane = p.initial_place(neuron)
        if kind == "weight":
            row, lane = p.weight_place(neuron, chosen_input)
        bit = lane * memory["width"] + memory["width"] - 1
        mutation = Mutation(kind, p.name, neuron, chosen_input, home(memory), row, bit)
        changed = run(changed_network(directory, mutation), images[sample])
        if (
            (changed.classes != inference.classes[sample])
            | (changed.decision_times != inference.decision_times[sample])
        ).any():
            return mutation
    raise UserError(
        f"Mutation must change an answer, and none of {TRIES} tried {kind}s of {p.name} "
        "changes one of these images; simulate more of them"
    )


def home(memory: Mapping[str, Any]) -> str:
    """The module of a memory, or that it is none of the accelerator's."""
    return str(memory.get("module", OUTSIDE))


def place_outside(directory: GeneratedDirectory, mutation: Mutation) -> int:
    """Number of the flipped bit in the external memory, counted from the base address."""
    layers = directory.parameters.tiled.layers
    number = next(n for n, layer in enumerate(layers) if layer.name == mutation.layer)
    place = directory.parameters.tiled.plan.place(number, mutation.row - layers[number].weight_base)
    return 8 * place + mutation.bit


def _busy_inputs(network: Network, inference: Inference, index: int) -> Array:
    """Columns of a layer's weights that the images often need: int64."""
    layer = dict(network.weighted)[index]
    if layer.shares_weights:  # every weight meets many inputs
        return np.arange(int(np.prod(layer.weight.shape[1:])))
    times = arriving_spikes(network, inference, index)
    arrived = (times <= inference.last_steps()[:, None]).sum(axis=0)
    return np.flatnonzero(arrived >= np.quantile(arrived, 0.9))


def changed_network(directory: GeneratedDirectory, mutation: Mutation) -> Network:
    """The network that the corrupted hardware computes, as long as no potential overflows."""
    network = directory.network
    p = next(layer for layer in directory.parameters.layers if layer.name == mutation.layer)
    # As they stand in the hardware: within the reach of the potential.
    weight, threshold = p.layer.weight.astype(np.int32), -p.initial - 1
    if mutation.kind == "weight":
        place = mutation.neuron * (weight.size // len(weight)) + mutation.input
        bit = mutation.bit % p.weight_width
        old = int(weight.flat[place])
        weight.flat[place] = -old if p.weight_width == 1 else _flipped(old, bit, p.weight_width)
    else:
        # Equal rows are stored once: then every group has the flipped bit.
        neurons = (
            range(mutation.neuron % p.lanes, len(p.layer.weight), p.lanes)
            if p.initial_shared
            else [mutation.neuron]
        )
        bit = mutation.bit % p.membrane_width
        for neuron in neurons:
            threshold[neuron] = -_flipped(int(p.initial[neuron]), bit, p.membrane_width) - 1
    limit = np.iinfo(np.int32)
    changed = dataclasses.replace(
        p.layer,
        weight=weight,
        weight_width=p.weight_width,
        threshold=np.clip(threshold, limit.min, limit.max).astype(np.int32),
    )
    layers = list(network.layers)
    layers[int(p.name.partition(".")[2])] = changed
    return dataclasses.replace(network, layers=tuple(layers))


def _flipped(value: int, bit: int, width: int) -> int:
    """A signed number of ``width`` bits with one bit flipped."""
    pattern = value & (1 << width) - 1 ^ 1 << bit
    return pattern - (1 << width) if pattern >> width - 1 else pattern


@dataclass(frozen=True)
class Literal:
    """Where a bit of a memory stands in the Verilog.

    Parameters
    ----------
    name : str
        Of the literal, in its module.
    start, end : int
        Its digits in the text, hexadecimal.
    bit : int
    """

    name: str
    start: int
    end: int
    bit: int


def find(verilog: str, mutation: Mutation) -> Literal:
    """The literal that holds the bit.

    Raises
    ------
    UserError
        If the memory is not where the manifest says.
    """
    found = re.search(
        rf"^module {re.escape(mutation.module)} \(.*?^endmodule$", verilog, re.MULTILINE | re.DOTALL
    )
    if not found:
        raise UserError(
            f"Verilog must have the module {mutation.module} of the manifest, and has not"
        )
    module = found.group()
    width = int(re.search(r"output wire \[(\d+):0\] data", module).group(1)) + 1  # type: ignore[union-attr]
    row = 0 if "assign data = ROWS_0;" in module else mutation.row
    for literal in LITERAL.finditer(module):
        bits = int(literal["bits"])
        if row * width < bits:
            start, end = (found.start() + place for place in literal.span("digits"))
            return Literal(literal["name"], start, end, row * width + mutation.bit)
        row -= bits // width
    raise UserError(
        f"Verilog module {mutation.module} must have row {mutation.row}, and is shorter"
    )


def patch(directory: GeneratedDirectory, mutation: Mutation) -> Patch:
    """The same bit in an image of the memories, where weights are loaded."""
    parameters = directory.parameters
    name = mutation.module.removeprefix(parameters.prefix)
    region = next(each for each in memory_map(parameters) if each.name == name)
    word, bit = region.word_of(mutation.row, mutation.bit)
    word += HEADER_WORDS
    crc_mask = crc_of_change(words_of_an_image(parameters) - CRC_WORDS, word, bit)
    return Patch(word, 1 << bit, crc_mask)


def apply(verilog: str, mutation: Mutation) -> str:
    """The Verilog with the bit flipped.

    Raises
    ------
    UserError
        If the memory is not where the manifest says.
    """
    place = find(verilog, mutation)
    flipped = int(verilog[place.start : place.end], 16) ^ 1 << place.bit
    return verilog[: place.start] + f"{flipped:x}" + verilog[place.end :]
