"""Synthesizes the spread, several accelerators at once; what was counted before is not again."""

from __future__ import annotations

from sstdp_hw.base.progress import progress
from sstdp_hw.engine.work import Engine
from sstdp_rtl.exploration.counting import count_all

from .spread import Point


def measure(points: list[Point], engine: Engine) -> list[dict[str, int]]:
    """Units of each resource per point, in order."""
    designs = [(point.parameters.network, point.parameters.configuration) for point in points]
    with progress(f"Synthesizing {len(points)} accelerators", len(points)) as advance:
        return count_all(designs, engine, advance)
