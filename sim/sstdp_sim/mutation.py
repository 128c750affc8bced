"""Corrupts one number in the generated Verilog, to show that the comparison can fail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from sstdp_hw.errors import UserError
from sstdp_hw.reference import Inference

from .directory import GeneratedDirectory

KINDS = ("weight", "threshold")


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
        ``input`` is -1 for a threshold.
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
        return f"{self.kind} of {self.layer}, {where}: bit {self.bit} of row {self.row} in {self.module}"

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def choose(
    directory: GeneratedDirectory, inference: Inference, kind: str, layer: int, seed: int
) -> Mutation:
    """Choose a number whose corruption matters: the sign bit, of a synapse that spikes arrive at.

    Parameters
    ----------
    directory : GeneratedDirectory
    inference : Inference
        The reference's run on the images to be played.
    kind : str
        One of `KINDS`.
    layer : int
        Weighted layer, counted from 0; negative from the end.
    seed : int
        Chooses among the neurons.

    Raises
    ------
    UserError
        If there is no such kind or layer.
    """
    if kind not in KINDS:
        raise UserError(f"Mutation must be of a {' or '.join(KINDS)}, not {kind!r}")
    layers = directory.manifest["layers"]
    if not -len(layers) <= layer < len(layers):
        raise UserError(f"Mutated layer must be between 0 and {len(layers) - 1}, not {layer}")
    entry = layers[layer]
    index = directory.network.weighted[layer][0]
    if kind == "weight":
        times = inference.spike_times[index].reshape(len(inference.classes), -1)
        arrived = (times <= inference.last_steps()[:, None]).sum(axis=0)
        chosen_input = int(np.argmax(arrived))
    else:
        chosen_input = -1
    neuron = int(np.random.default_rng(seed).integers(entry["neurons"]))
    group, lane = divmod(neuron, entry["lanes"])
    memory = entry["memories"]["weights" if kind == "weight" else "initial"]
    row = group * entry["inputs"] + chosen_input if kind == "weight" else group
    bit = lane * memory["width"] + memory["width"] - 1
    return Mutation(kind, entry["name"], neuron, chosen_input, memory["module"], row, bit)


def apply(verilog: str, mutation: Mutation) -> str:
    """The Verilog with the bit flipped.

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
    for literal in re.finditer(r"localparam \[\d+:0\] (ROWS_\d+) = (\d+)'h([0-9a-f]+);", module):
        bits, value = int(literal.group(2)), int(literal.group(3), 16)
        if row * width < bits:
            flipped = value ^ 1 << (row * width + mutation.bit)
            start, end = literal.span(3)
            mutated = module[:start] + f"{flipped:x}" + module[end:]
            return verilog[: found.start()] + mutated + verilog[found.end() :]
        row -= bits // width
    raise UserError(
        f"Verilog module {mutation.module} must have row {mutation.row}, and is shorter"
    )
