"""Units per part, by least squares of relative errors; none is negative."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from sstdp_hw.models.area import count_parts
from sstdp_hw.models.area.composition import FLIP_FLOPS, LUTS
from sstdp_hw.models.area.loading import LOADING_FLIP_FLOPS, LOADING_LUTS

from .spread import Point


def fit(points: list[Point], counted: list[dict[str, int]]) -> dict[str, dict[str, float]]:
    """LUTs and flip-flops of every part, from the points that may be learned from: first those of
    accelerators whose weights are constants, then what the others have besides."""
    chosen = [
        (point.parameters.store.loaded, count_parts(point.parameters), units)
        for point, units in zip(points, counted, strict=True)
        if point.fit
    ]
    found: dict[str, dict[str, float]] = {}
    for kind, names, loading in (
        ("lut", LUTS, LOADING_LUTS), ("ff", FLIP_FLOPS, LOADING_FLIP_FLOPS)
    ):  # fmt: skip
        known: dict[str, float] = {}
        for loaded, free in ((False, [n for n in names if n not in loading]), (True, loading)):
            rows = [(counts, units) for having, counts, units in chosen if having == loaded]
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
