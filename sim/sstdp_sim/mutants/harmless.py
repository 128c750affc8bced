"""Faults in the logic that change nothing in this network, by numbers that the parameters hold."""

from __future__ import annotations

import re
from typing import Any

from sstdp_hw.dense import DenseParameters
from sstdp_hw.pipeline import QUEUE_DEPTH, most_with_room

from ..directory import GeneratedDirectory
from .logic import LogicFault, constant_operand


def harmless(
    directory: GeneratedDirectory, modules: dict[str, Any], fault: LogicFault
) -> str | None:
    """Why the fault can show in no answer, or None if that is not shown."""
    if fault.kind != "compare" or fault.change != "next":
        return None
    return _spare_room(modules[fault.module], fault) or _idle_lanes(directory, modules, fault)


def _spare_room(module: dict[str, Any], fault: LogicFault) -> str | None:
    """A queue that announces room at one item more than it should.

    ``has_room`` is a register, so that it may be one item late. That and the fault must leave the
    places that its producer may have under way; tests/formal shows it for a whole queue.
    """
    if "has_room" not in module["ports"] or "fifo" not in module["cells"]:
        return None
    if module["cells"][fault.cell]["type"] != "$le":
        return None
    spare = QUEUE_DEPTH - most_with_room(0)  # in any queue, for both are counted from its depth
    if spare < 2:
        return None
    return f"the queue keeps {spare} places more than its producer needs, of which this takes one"


def _idle_lanes(
    directory: GeneratedDirectory, modules: dict[str, Any], fault: LogicFault
) -> str | None:
    """Lanes of the last group that serve no neuron are asked whether they fired."""
    found = re.fullmatch(r"accelerator\.layer_(\d+)\.slice_\d+", fault.module)
    cell = modules[fault.module]["cells"][fault.cell]
    if not found or cell["type"] != "$ne":
        return None
    p = directory.parameters.layers[int(found[1])]
    if not isinstance(p, DenseParameters) or constant_operand(cell)[1] != p.groups - 1:
        return None
    # A clear bit is a weight of 1 where weights have one bit; elsewhere it is 0.
    if not p.padding or p.weight_width == 1 or p.spontaneous:
        return None
    return (
        f"the {p.padding} lanes without a neuron start below threshold and have weights of 0: they "
        "never fire"
    )
