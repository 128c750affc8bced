"""Faults in the logic that change nothing because of numbers that the parameters hold."""

from __future__ import annotations

import re
from typing import Any

from sstdp_hw.blocks.dense import DenseParameters
from sstdp_hw.contract.directory import GeneratedDirectory

from .logic import LogicFault, constant_operand


def harmless(
    directory: GeneratedDirectory, modules: dict[str, Any], fault: LogicFault
) -> str | None:
    """Why the fault can show in no answer, or None if that is not shown.

    It is shown of a comparison that keeps those lanes of the last group from firing that serve no
    neuron, where they could not fire anyway.
    """
    top = re.escape(directory.parameters.top)
    found = re.fullmatch(rf"{top}\.layer_(\d+)\.slice_\d+", fault.module)
    cell = modules[fault.module]["cells"][fault.cell]
    if not found or (cell["type"], fault.change) != ("$ne", "next"):
        return None
    p = directory.parameters.layers[int(found[1])]
    if not isinstance(p, DenseParameters) or constant_operand(cell)[1] != p.groups - 1:
        return None
    # A clear bit is a weight of 1 where weights have one bit; elsewhere it is 0.
    if not p.padding or p.weight_width == 1 or p.may_be_spontaneous:
        return None
    return (
        f"the {p.padding} lanes without a neuron start below threshold and have weights of 0: they "
        "never fire"
    )
