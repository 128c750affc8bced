"""Synthesizes the spread, several accelerators at once; what was counted before is not again."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sstdp_hw.base.programs import working_threads
from sstdp_hw.base.progress import progress
from sstdp_hw.base.waiting import mapped
from sstdp_rtl.generator.generate import generate
from sstdp_rtl.synthesis.count import count

from .spread import Point


def measure(points: list[Point], jobs: int) -> list[dict[str, int]]:
    """Units of each resource per point, in order."""
    with progress(f"Synthesizing {len(points)} accelerators", len(points)) as advance:

        def one(point: Point) -> dict[str, int]:
            with tempfile.TemporaryDirectory(prefix="sstdp-area-") as folder:
                target = Path(folder, "accelerator")
                p = point.parameters
                generate(p.network, p.configuration, target)
                counted = count(target)
            advance(1)
            return counted

        with working_threads(jobs) as pool:
            return list(mapped(pool, one, points))
