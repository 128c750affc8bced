"""From counted operations to a range of energies, and what the same network would take without
spikes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...blocks.hardware import AcceleratorParameters
from ...reference.inference import Inference
from . import prices
from .operations import Accesses, Additions, Operations, count_operations

#: The two ends of the range, in words.
LOW = (
    "additions as wide as the potentials, only those that are needed; each memory an SRAM of its "
    "own, paid for by the bit; registers free"
)
HIGH = (
    "every lane adds 32 bits with every word; all memories one SRAM that moves whole words of 64 "
    "bits"
)
#: What both ends leave out.
LEAVES_OUT = (
    "clock tree, wires, control, the decision, input and output, static power, and all that an "
    "FPGA takes beyond a chip made for the purpose"
)
SOURCE = "Horowitz, ISSCC 2014, 45 nm"
CONVENTIONAL_LOW = "every weight and activation is read once an image, sums stay in registers"
CONVENTIONAL_HIGH = (
    "the same lanes and one SRAM as above, every input an event: each word fetches weights, reads "
    "and writes sums of 32 bits"
)


@dataclass(frozen=True)
class Range:
    """Picojoules per image, from the low to the high assumptions."""

    low: float
    high: float

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)

    def to_json(self) -> dict[str, float]:
        return {"low": round(self.low, 1), "high": round(self.high, 1)}

    def __str__(self) -> str:
        """In the largest unit in which the high end is at least 1: "62 to 410 nJ"; "900 pJ"."""
        power = min(max(int(math.log10(self.high)) // 3, 0), 3) if self.high >= 1 else 0
        low, high = (_figure(value / 1000**power) for value in (self.low, self.high))
        unit = ("pJ", "nJ", "µJ", "mJ")[power]
        return f"{high} {unit}" if self.low == self.high else f"{low} to {high} {unit}"


def _figure(value: float) -> str:
    """Two digits that count, at least; an estimate has no more."""
    digits = max(0, 1 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{round(value, digits):,.{digits}f}"


@dataclass(frozen=True)
class EnergyEstimate:
    """Energy per image by published energies of operations: an estimate, nothing was measured.

    Parameters
    ----------
    operations : Operations
        What was counted.
    parts : tuple of (str, str, Range)
        What, in which block, and its energy; additions first, then memories.
    int8, float32 : Range
        The same network with multiply-accumulates in place of spikes.
    multiply_accumulates : int
    paper_spiking, paper_conventional : float
        As papers on spiking networks count it, without any memory; picojoules.
    """

    operations: Operations
    parts: tuple[tuple[str, str, Range], ...]
    int8: Range
    float32: Range
    multiply_accumulates: int
    paper_spiking: float
    paper_conventional: float

    @property
    def total(self) -> Range:
        return sum((energy for _, _, energy in self.parts), Range(0, 0))

    def to_json(self) -> dict[str, Any]:
        """As it stands in results: picojoules and counts per image, the counts' means."""
        counted: list[Additions | Accesses] = [
            *self.operations.additions, *self.operations.accesses,
        ]  # fmt: skip
        return {
            "estimate": f"operations counted, times {SOURCE}; nothing was measured",
            "images": self.operations.images,
            "picojoules": self.total.to_json(),
            "parts": [
                {"what": what, "block": block, **_counts(found), "picojoules": energy.to_json()}
                for (what, block, energy), found in zip(self.parts, counted, strict=True)
            ],
            "assumptions": {"low": LOW, "high": HIGH},
            "leaves_out": LEAVES_OUT,
            "conventional": {
                "multiply_accumulates": self.multiply_accumulates,
                "int8": self.int8.to_json(),
                "float32": self.float32.to_json(),
                "assumptions": {"low": CONVENTIONAL_LOW, "high": CONVENTIONAL_HIGH},
            },
            "as_papers_count": {
                "accumulate": prices.PAPER_ACCUMULATE,
                "multiply_accumulate": prices.PAPER_MULTIPLY_ACCUMULATE,
                "spiking": round(self.paper_spiking, 1),
                "conventional": round(self.paper_conventional, 1),
            },
        }


def energy_estimate(parameters: AcceleratorParameters, inference: Inference) -> EnergyEstimate:
    """Estimate the energy per image of an accelerator.

    Parameters
    ----------
    parameters : AcceleratorParameters
    inference : Inference
        What `reference.run` returned for the images, at least one.
    """
    counted = count_operations(parameters, inference)
    whole = counted.memory_bits
    additions = [("additions", found.layer, _of_additions(found)) for found in counted.additions]
    memories = [(found.what, found.block, _of_accesses(found, whole)) for found in counted.accesses]
    needed = sum(found.needed for found in counted.additions)
    work = parameters.network.multiply_accumulates
    return EnergyEstimate(
        counted, (*additions, *memories), _without_spikes(parameters, 8),
        _without_spikes(parameters, 32), work, needed * prices.PAPER_ACCUMULATE,
        work * prices.PAPER_MULTIPLY_ACCUMULATE,
    )  # fmt: skip


def _of_additions(found: Additions) -> Range:
    own = prices.addition(found.bits)
    return Range(found.needed * own, found.done * max(own, prices.ADD_INT32))


def _of_accesses(found: Accesses, whole: int) -> Range:
    """``whole`` is the size of the one memory of the high end."""
    own = prices.access(found.memory_bits) * found.word_bits / prices.ACCESS_BITS
    shared = prices.access(whole) * -(-found.word_bits // prices.ACCESS_BITS)
    return Range(0.0 if found.registers else found.count * own, found.count * shared)


#: By the bits of a number: multiply-accumulates at the low and at the high end, integers of 8 bits
#: added in 8 or in 32.
MULTIPLY_ACCUMULATE = {
    8: (prices.MULTIPLY_INT8 + prices.ADD_INT8, prices.MULTIPLY_INT8 + prices.ADD_INT32),
    32: (prices.PAPER_MULTIPLY_ACCUMULATE, prices.PAPER_MULTIPLY_ACCUMULATE),
}
SUM_BITS = 32


def _without_spikes(parameters: AcceleratorParameters, width: int) -> Range:
    """The same layers with numbers of ``width`` bits in place of spikes."""
    network, counted = parameters.network, network_sizes(parameters)
    low, high = (network.multiply_accumulates * price for price in MULTIPLY_ACCUMULATE[width])
    activations = sum(int(np.prod(shape)) for shape in network.shapes)
    per_access = prices.ACCESS_BITS
    # One memory of activations, written and read once, and one of weights for every layer.
    low += 2 * activations * width / per_access * prices.access(activations * width)
    sums = max(layer.neurons for layer in parameters.layers) * SUM_BITS
    whole = activations * width + sums + sum(weights * width for weights, _, _ in counted)
    for weights, words, lanes in counted:
        low += weights * width / per_access * prices.access(weights * width)
        moved = -(-lanes * width // per_access) + 2 * -(-lanes * SUM_BITS // per_access)
        high += words * moved * prices.access(whole)
    return Range(low, high + 2 * activations * prices.access(whole))


def network_sizes(parameters: AcceleratorParameters) -> list[tuple[int, int, int]]:
    """Of every layer: its weights, the words that it walks over if every input sends an event, and
    its lanes."""
    return [
        (int(layer.layer.weight.size), int(layer.walk_cycles.sum()), layer.lanes)
        for layer in parameters.layers
    ]


def _counts(found: Additions | Accesses) -> dict[str, Any]:
    numbers = {name: value for name, value in vars(found).items() if not isinstance(value, str)}
    return {
        name: round(value, 2) if isinstance(value, float) else value
        for name, value in numbers.items()
    }
