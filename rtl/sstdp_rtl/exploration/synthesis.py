"""Builds the points of a front, several at once. What the build cache has is not built again, so an
exploration that was cut off goes on where it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sstdp_hw.base import locks
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.processes import in_processes
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.blocks.weight_store import ROM
from sstdp_hw.models.exploration import EstimatedPoint
from sstdp_hw.network.network import Network

from ..generator.generate import generate
from ..synthesis.implement import implement


@dataclass(frozen=True)
class Built:
    """What place and route found for a point; ``error`` in words if it did not get there."""

    lut: int = 0
    ff: int = 0
    bram: int = 0
    fmax_mhz: float = 0.0
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON-serializable dictionary."""
        return {"error": self.error} if self.error else {**vars(self)}


def build_points(
    network: Network,
    points: list[EstimatedPoint],
    out: Path,
    *,
    device: str,
    jobs: int,
    cache: Path | None = None,
    done: Callable[[int], None] | None = None,
) -> list[Built]:
    """Generate each point into a folder of its own below ``out``, and build it.

    A point that fails, because it does not fit the device for example, spoils no other. All points
    are of ``network`` as it is here, whatever becomes of its file.

    Raises
    ------
    UserError
        If another process works with ``out``.
    """
    build = partial(_build, network, out, device, cache)
    # Quiet processes: builds report their own progress.
    with locks.writing(out):
        return in_processes(build, [point.configuration for point in points], jobs, done=done)


def folder_name(configuration: Configuration) -> str:
    """Folder of a point: "lanes-16-10-pixels-2"."""
    lanes = "-".join(map(str, configuration.lanes or ()))
    suffix = "" if configuration.early_exit else "-no-early-exit"
    if configuration.weights != ROM.kind:
        suffix += f"-{configuration.weights}"
    return f"lanes-{lanes}-pixels-{configuration.pixels_per_beat}{suffix}"


def _build(
    network: Network, out: Path, device: str, cache: Path | None, configuration: Configuration
) -> Built:
    try:
        folder = out / folder_name(configuration)
        generate(network, configuration, folder)
        result = implement(folder, device=device, cache=cache)
    except UserError as error:
        return Built(error=str(error))
    except KeyboardInterrupt:  # all is cleared away; the pool would begin with the next point
        os._exit(130)
    return Built(result.lut, result.ff, result.bram, result.fmax_mhz)
