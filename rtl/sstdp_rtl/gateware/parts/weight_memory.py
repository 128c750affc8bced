"""The memories of a weighted layer, by the kind of its weight store."""

from .rom import Rom


def _rom_weights(p, name, columns):
    return Rom(f"{name}_weights", p.lanes * p.weight_width, p.weight_rows(), columns=columns)


def _rom_initial(p, name, columns):
    rows = p.initial_rows()
    return Rom(f"{name}_initial", p.lanes * p.membrane_width, rows, style="logic", columns=columns)


#: By the kind of store: makes the memory of weight words, and that of what potentials start at,
#: from the layer's parameters, its name in the design, and the first bit of every slice.
WEIGHTS = {"rom": _rom_weights}
INITIAL = {"rom": _rom_initial}


def memories(parameters, name, starts=(0,)):
    """Weights and initial potentials of a layer whose slices of lanes begin at ``starts``.

    Each has ``addr`` and, a fixed number of cycles later, ``data``.
    """
    p, kind = parameters, parameters.store.kind
    return (
        WEIGHTS[kind](p, name, [first * p.weight_width for first in starts]),
        INITIAL[kind](p, name, [first * p.membrane_width for first in starts]),
    )
