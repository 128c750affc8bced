"""Builds the points of a front, several at once. What the build cache has is not built again, so an
exploration that was cut off goes on where it was."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import Configuration
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
    network_file: Path,
    points: list[EstimatedPoint],
    out: Path,
    *,
    device: str,
    jobs: int,
    cache: Path | None = None,
    done: Callable[[int], None] | None = None,
) -> list[Built]:
    """Generate each point into a folder of its own below ``out``, and build it.

    A point that fails, because it does not fit the device for example, spoils no other.
    """
    build = partial(_build, network_file, out, device, cache)
    # Processes, each with a quiet stderr: builds report their own progress.
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_be_quiet) as pool:
        futures = [pool.submit(build, point.configuration) for point in points]
        for _ in as_completed(futures):
            if done:
                done(1)
        return [future.result() for future in futures]


def folder_name(configuration: Configuration) -> str:
    """Folder of a point: "lanes-16-10-pixels-2"."""
    lanes = "-".join(map(str, configuration.lanes or ()))
    suffix = "" if configuration.early_exit else "-no-early-exit"
    return f"lanes-{lanes}-pixels-{configuration.pixels_per_beat}{suffix}"


def _be_quiet() -> None:
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives


def _build(
    network_file: Path, out: Path, device: str, cache: Path | None, configuration: Configuration
) -> Built:
    try:
        folder = out / folder_name(configuration)
        generate(Network.load(network_file), configuration, folder)
        result = implement(folder, device=device, cache=cache)
    except UserError as error:
        return Built(error=str(error))
    return Built(result.lut, result.ff, result.bram, result.fmax_mhz)
