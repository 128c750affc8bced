"""The configurations that are measured, and what each must reach: the presets, each on a network. A
further one is one entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.blocks.presets import preset
from sstdp_hw.network.network import Network


@dataclass(frozen=True)
class Goal:
    """A figure and its limit.

    Parameters
    ----------
    figure : str
        Key of `measurement.figures`.
    limit : float
    least : bool
        Whether the limit is the least that will do; else the most.
    """

    figure: str
    limit: float
    least: bool

    def met(self, figures: Mapping[str, Any]) -> bool:
        value = figures[self.figure]
        if value is None:
            return False
        return bool(value >= self.limit if self.least else value <= self.limit)

    def __str__(self) -> str:
        return f"{self.figure} {'>=' if self.least else '<='} {self.limit:,g}"


def at_least(figure: str, limit: float) -> Goal:
    return Goal(figure, limit, True)


def at_most(figure: str, limit: float) -> Goal:
    return Goal(figure, limit, False)


@dataclass(frozen=True)
class Entry:
    """One configuration.

    Parameters
    ----------
    name : str
        Also a folder name.
    network : str
        Whatever ``sstdp-hw generate`` reads.
    hardware : Configuration
    device, speed : str
        As for ``sstdp-hw build``.
    clock_mhz : float
        What place and route aims at.
    goals : tuple of Goal
    dataset : str
    """

    name: str
    network: str
    hardware: Configuration
    device: str = "ecp5-85k"
    speed: str = "6"
    clock_mhz: float = 160.0
    goals: tuple[Goal, ...] = ()
    dataset: str = "mnist"


SPARSE = "ready:mnist-784-400-10-sparse-4bit"


def preset_entry(name: str, network: str, **options: Any) -> Entry:
    """The preset of that name on a network."""
    return Entry(name, network, preset(name, Network.load(network)), **options)


ENTRIES = (
    preset_entry(
        "tiny", "ready:mnist-784-128-10-4bit",
        goals=(
            at_least("accuracy", 0.974), at_most("lut", 1500), at_most("us_per_image", 40),
            at_least("fmax_mhz", 125), at_least("efficiency", 0.85),
        ),
    ),
    preset_entry(
        "basic", SPARSE,
        goals=(
            at_most("lut", 3000), at_most("us_per_image", 20), at_least("fmax_mhz", 125),
            at_least("efficiency", 0.90), at_least("simulated_per_second", 100),
        ),
    ),
    preset_entry(
        "full", SPARSE, clock_mhz=115.0,
        goals=(
            at_least("accuracy", 0.983), at_least("images_per_second", 1e6),
            at_most("latency_us", 3), at_least("fmax_mhz", 100), at_least("efficiency", 0.85),
            at_least("simulated_per_second", 400),
        ),
    ),
)  # fmt: skip
