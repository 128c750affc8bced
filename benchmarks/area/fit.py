"""Units per part, by least squares of relative errors; none is negative."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from sstdp_hw.models.area import count_parts
from sstdp_hw.models.area.composition import FLIP_FLOPS, LUTS

from .spread import Point


def fit(points: list[Point], counted: list[dict[str, int]]) -> dict[str, dict[str, float]]:
    """LUTs and flip-flops of every part, from the points that may be learned from."""
    chosen = [
        (count_parts(point.parameters), units)
        for point, units in zip(points, counted, strict=True)
        if point.fit
    ]
    found = {}
    for kind, names in (("lut", LUTS), ("ff", FLIP_FLOPS)):
        parts = np.array([[counts[name] for name in names] for counts, _ in chosen], float)
        units = np.array([units[kind] for _, units in chosen], float)
        solution, _ = nnls(parts / units[:, None], np.ones(len(units)))
        found[kind] = {
            name: round(float(value), 4) for name, value in zip(names, solution, strict=True)
        }
    return found
