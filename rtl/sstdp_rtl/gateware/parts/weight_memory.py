"""The memories of a weighted layer, by the kind of its weight store."""

from amaranth.lib.wiring import In

from ..loading.loader import load_layout
from .loadable import LoadableMemory
from .rom import Rom


def _rom_weights(p, name, columns):
    return Rom(f"{name}_weights", p.lanes * p.weight_width, p.weight_rows(), columns=columns)


def _rom_initial(p, name, columns):
    rows = p.initial_rows()
    return Rom(f"{name}_initial", p.lanes * p.membrane_width, rows, style="logic", columns=columns)


def _loadable_weights(p, name, columns):
    width = p.lanes * p.weight_width
    return LoadableMemory(
        f"{name}_weights", width, p.weight_depth, style=p.weight_style, columns=columns
    )


def _loadable_initial(p, name, columns):
    width, style = p.lanes * p.membrane_width, "logic" if p.initial_latency == 1 else "deep"
    return LoadableMemory(f"{name}_initial", width, p.groups, style=style, columns=columns)


#: By the kind of store: makes the memory of weight words, and that of what potentials start at,
#: from the layer's parameters, its name in the design, and the first bit of every slice.
WEIGHTS = {"rom": _rom_weights, "loadable": _loadable_weights}
INITIAL = {"rom": _rom_initial, "loadable": _loadable_initial}


def memories(parameters, name, starts=(0,)):
    """Weights and initial potentials of a layer whose slices of lanes begin at ``starts``.

    Each has ``addr`` and, a fixed number of cycles later, ``data``.
    """
    p, kind = parameters, parameters.store.kind
    return (
        WEIGHTS[kind](p, name, [first * p.weight_width for first in starts]),
        INITIAL[kind](p, name, [first * p.membrane_width for first in starts]),
    )


def loading_members(parameters):
    """Members of a layer whose memories are written at run time; none of another.

    Members
    -------
    load : In
        `load_layout`; the lower bit of ``writes`` is that of the weights, the other that of the
        initial potentials.
    spontaneous : In(1)
        Whether a neuron of the layer fires without any input.
    """
    p = parameters
    if not p.store.loaded:
        return {}
    load = load_member(p.lanes, p.weight_depth, p.weight_width, p.membrane_width)
    return {"load": load, "spontaneous": In(1)}


def load_member(lanes, rows, weight_width, membrane_width):
    """`load_layout` for weights and initial potentials of so many rows at most."""
    return In(load_layout(rows, -(-lanes * max(weight_width, membrane_width) // 32), 2))


def connect_load(m, layer, weights, initial):
    """Hand what a layer is loaded with to its memories."""
    if not layer.p.store.loaded:
        return
    for number, found in enumerate((weights, initial)):
        m.d.comb += [
            *(found.load[name].eq(layer.load[name]) for name in ("word", "row", "column")),
            found.load.writes.eq(layer.load.writes[number]),
        ]


def asks_first(layer):
    """Whether the layer compares step 0 though nothing arrived in it: a constant, or a signal where
    thresholds come at run time."""
    return layer.spontaneous if layer.p.store.loaded else int(layer.p.spontaneous)
