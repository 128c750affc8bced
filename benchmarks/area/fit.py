"""Units per part, by least squares of relative errors; none is negative."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from sstdp_hw.models.area import count_parts
from sstdp_hw.models.area.composition import FLIP_FLOPS, LUTS
from sstdp_hw.models.area.engine import BATCH_PARTS, ENGINE_FLIP_FLOPS, ENGINE_LUTS
from sstdp_hw.models.area.loading import (
    ENGINE_LOADING_FLIP_FLOPS,
    ENGINE_LOADING_LUTS,
    LOADING_FLIP_FLOPS,
    LOADING_LUTS,
)

from .spread import Point

#: A flip-flop each: they are counted bit by bit.
REGISTERS = "register_bit"


def fit(points: list[Point], counted: list[dict[str, int]]) -> dict[str, dict[str, float]]:
    """LUTs and flip-flops of every part, from the points that may be learned from: first those of
    streaming accelerators whose weights are constants, then what loaded weights take besides, and
    then engines, then batches of several images, and then weights that engines load, each with what
    is known by then as it is."""
    chosen = [
        (_stage(point), count_parts(point.parameters), units)
        for point, units in zip(points, counted, strict=True)
        if point.fit
    ]
    found: dict[str, dict[str, float]] = {}
    for kind, names, *later in (
        ("lut", LUTS, LOADING_LUTS, ENGINE_LUTS, BATCH_PARTS, ENGINE_LOADING_LUTS),
        (
            "ff",
            FLIP_FLOPS,
            LOADING_FLIP_FLOPS,
            ENGINE_FLIP_FLOPS,
            BATCH_PARTS,
            ENGINE_LOADING_FLIP_FLOPS,
        ),
    ):
        known = {name: 1.0 for name in names if name == REGISTERS}
        first = [
            name for name in names if name not in known and not any(name in each for each in later)
        ]
        for stage, free in enumerate((first, *later)):
            rows = [(counts, units) for having, counts, units in chosen if having == stage]
            units = np.array([units[kind] for _, units in rows], float)
            explained = [sum(known[n] * counts[n] for n in known) for counts, _ in rows]
            parts = np.array([[counts[name] for name in free] for counts, _ in rows], float)
            rest = (units - np.array(explained, float)) / units
            solution, _ = nnls(parts / units[:, None], rest)
            known |= {
                name: round(float(value), 4) for name, value in zip(free, solution, strict=True)
            }
        found[kind] = {name: known[name] for name in names}
    return found


def _stage(point: Point) -> int:
    """What the point teaches: its place in the order of `fit`."""
    p = point.parameters
    if p.sequential is None:
        return int(p.store.loaded)
    if p.store.loaded:
        return 4
    return 3 if p.configuration.batch > 1 else 2
