"""From the nodes of a NIR chain to layers, each node by the rule of its kind.

Weights (`Linear`, `Affine`, `Conv2d`) or sums of windows (`SumPool2d`) wait for the `IF` behind
them; together they are one layer. `Scale` and `Flatten` may stand in between. A node that cannot be
mapped does not stop the reading: every node gets its own finding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..network.chain import MAX_CLASSES
from ..network.layers import Array, Dense, ShapeError
from . import fields, firing, neurons, synapses
from .fields import Unmapped
from .graph import INPUT, OUTPUT, Chain, Finding, Node
from .state import Blind, Mapping, Reading


def map_chain(chain: Chain, reading: Reading) -> Mapping:
    """Map every node of a chain; what is found goes into ``chain.findings``."""
    dt, untold = None, ""
    try:
        dt = neurons.step_of(_resistances(chain.nodes), reading.dt)
    except Unmapped as error:
        untold = str(error)
    mapping = Mapping(reading, dt)
    for node, finding in zip(chain.nodes, chain.findings, strict=True):
        if not chain.whole:
            if why := UNMAPPED.get(node.kind):
                finding.refusals.append(why)
            elif not finding.refusals:
                finding.becomes = "not looked at: the graph must be a chain first"
            continue
        _map(node, finding, mapping)
        if untold and node.kind == "IF":
            finding.refusals.append(untold)
    if chain.whole:
        _check_end(chain, mapping)
    return mapping


def _map(node: Node, finding: Finding, mapping: Mapping) -> None:
    handler, before = KINDS.get(node.kind), mapping.shape
    try:
        if handler is None:
            raise Unmapped(UNMAPPED.get(node.kind, "is of a kind that spike-once networks lack"))
        with np.errstate(over="ignore", invalid="ignore"):
            finding.becomes = handler(node, mapping)
        return
    except (Unmapped, ShapeError) as error:
        finding.refusals.append(str(error))
    except Blind:
        finding.becomes = "not looked at: a node before it is not mapped"
    except OverflowError:
        finding.refusals.append("must have numbers that float64 holds, also after scaling")
    known = mapping.shape is not before or node.kind in KEEP_SHAPE
    mapping.lose(mapping.shape if known else None)


def _resistances(nodes: list[Node]) -> list[Array]:
    found = []
    for node in nodes:
        if node.kind == "IF":
            try:
                found.append(fields.numbers(node, "r"))
            except Unmapped:
                continue  # told by the node
    return found


def _check_end(chain: Chain, mapping: Mapping) -> None:
    """Check what the last layer must be, for its neurons are the classes."""
    if any(finding.refusals for finding in chain.findings):
        return
    last = chain.findings[-1].refusals
    layers = [mapped.layer for mapped in mapping.layers]
    if mapping.sums is not None:
        last.append(f"must take spikes, and takes the sums of {mapping.sums.node.name} without IF")
    elif mapping.gain is not None:
        last.append("must take spikes, and takes them scaled")
    elif not layers or not isinstance(layers[-1], Dense):
        found = layers[-1].kind if layers else "no layer"
        last.append(f"must end a dense layer, whose neurons are the classes, not {found}")
    elif layers[-1].neurons > MAX_CLASSES:
        last.append(f"must have at most {MAX_CLASSES} classes, not {layers[-1].neurons}")


#: By the kind of a node: what it becomes, in words, after its part of the mapping is done.
KINDS: dict[str, Callable[[Node, Mapping], str]] = {
    INPUT: synapses.take_input,
    OUTPUT: synapses.give_output,
    "Linear": synapses.linear,
    "Affine": synapses.linear,
    "Conv2d": synapses.conv2d,
    "SumPool2d": synapses.sum_pool,
    "Flatten": synapses.flatten,
    "Scale": synapses.scale,
    "IF": firing.integrate_and_fire,
    "LIF": firing.without_leak,
}

_LEAK = "must not leak: a leak or a synapse with a time constant has no place in IF neurons"
#: Kinds of NIR that no spike-once network has, and why.
UNMAPPED = {
    "AvgPool2d": "must be SumPool2d with an IF of threshold 0.5 behind it, which is first-spike "
    "pooling: a mean of spikes is no spike",
    "LI": _LEAK,
    "CubaLI": _LEAK,
    "CubaLIF": _LEAK,
    "I": "must fire: an integrator without threshold gives no spike",
    "Threshold": "must integrate: a threshold without memory is no IF neuron",
    "Delay": "must not delay: a spike is an input of the next layer in its own step",
    "Conv1d": "must be Conv2d: write it with a height of 1",
}

#: Kinds whose output has the shape of their input, also where they are not mapped.
KEEP_SHAPE = {
    "IF", "LIF", "LI", "I", "CubaLI", "CubaLIF", "Threshold", "Delay", "Scale", OUTPUT
}  # fmt: skip

assert not set(UNMAPPED) & set(KINDS), "a kind is mapped or not"
