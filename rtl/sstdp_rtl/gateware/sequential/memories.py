"""The memories of the engine's weights and initial potentials, by the kind of the weight store."""

from amaranth.lib.wiring import In

from sstdp_hw.blocks.sequential.engine import BANK_ROWS

from ..external.buffer import WeightBuffer, fill_layout
from ..parts.loadable import LoadableMemory
from ..parts.rom import Rom
from ..parts.weight_memory import load_member

WEIGHTS_NAME, INITIAL_NAME = "engine_weights", "engine_initial"


def _rom_weights(p):
    width = p.lanes * p.widths.weight
    return Rom(WEIGHTS_NAME, width, p.weight_rows, bank_rows=BANK_ROWS)


def _rom_initial(p):
    # One bank, however deep: several would take a cycle more.
    width = p.lanes * p.widths.membrane
    rows, style = p.initial_rows, p.initial_style
    return Rom(INITIAL_NAME, width, rows, style=style, bank_rows=p.initial_depth)


#: What a loadable memory is made of, by the style of the store and of the initial potentials.
_LOADABLE_WEIGHTS = {"block": "banks", "spram": "spram"}
_LOADABLE_INITIAL = {"block": "deep", "logic": "logic"}


def _loadable_weights(p):
    style = _LOADABLE_WEIGHTS[p.weight_style]
    return LoadableMemory(WEIGHTS_NAME, p.lanes * p.widths.weight, p.weight_depth, style)


def _loadable_initial(p):
    style = _LOADABLE_INITIAL[p.initial_style]
    return LoadableMemory(INITIAL_NAME, p.lanes * p.widths.membrane, p.initial_depth, style)


#: By the kind of store, from `sstdp_hw.blocks.sequential.engine.EngineParameters`.
WEIGHTS = {
    "rom": _rom_weights,
    "loadable": _loadable_weights,
    "external": lambda p: WeightBuffer(p.plan),
}
INITIAL = {"rom": _rom_initial, "loadable": _loadable_initial, "external": _rom_initial}


def memories(parameters):
    """Weights and initial potentials. Each has ``addr`` and, a fixed number of cycles later,
    ``data``."""
    kind = parameters.store.kind
    weights, initial = WEIGHTS[kind](parameters), INITIAL[kind](parameters)
    found, wanted = (weights, initial), (parameters.weight_latency, parameters.initial_latency)
    assert tuple(memory.latency for memory in found) == wanted
    return found


def loading_members(parameters):
    """Members of an engine whose memories are written at run time; none of another.

    Members
    -------
    load : In
        `load_layout`; the lower bit of ``writes`` is that of the weights, the other that of the
        initial potentials.
    """
    p = parameters
    if not p.store.loaded:
        return {}
    rows = max(p.weight_depth, p.initial_depth)
    return {"load": load_member(p.lanes, rows, p.widths.weight, p.widths.membrane)}


def filling_members(parameters):
    """Members of an engine whose weights come tile by tile; none of another.

    Members
    -------
    fill : In
        `external.buffer.fill_layout`
    """
    return {"fill": In(fill_layout(parameters.plan))} if parameters.tiled else {}
