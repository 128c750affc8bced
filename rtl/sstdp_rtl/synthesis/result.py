"""The result of a build, as an object and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from .report import CriticalPath

FORMAT_VERSION = 2


@dataclass(frozen=True)
class SeedResult:
    """Place and route with one seed."""

    seed: int
    fmax_mhz: float
    seconds: float
    critical_path: CriticalPath | None

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> SeedResult:
        """The inverse of ``dataclasses.asdict``."""
        path = value["critical_path"]
        return cls(**{**value, "critical_path": CriticalPath(**path) if path else None})


@dataclass(frozen=True)
class BuildResult:
    """Figures of one build; the fields are the keys of ``utilisation.json``.

    Parameters
    ----------
    kind : str
        "device" (the bare accelerator, out of context) or "board" (with serial bridge and pins).
    target : str
        Name of the device or board.
    design : dict
        Name, hashes and stream format of the accelerator; ``bus`` if its registers were built too.
    family, part, package, speed : str
        The FPGA.
    lut, ff, bram, lut_ram, multiplier, carry : int
        Units used; see `families` for what one unit is and which tool counted it. If nothing was
        placed (``fmax_mhz`` is None) they are all counts after synthesis.
    available : dict
        Units that the device has, for the names that nextpnr tells.
    memories : dict
        What each memory of the design became: "block", "lut_ram" or "logic".
    clock_mhz : float or None
        Device: the clock that place and route aimed at. Board: the clock that the design runs at.
        None, as the next three, for a family that is only synthesized.
    fmax_mhz : float or None
        Device: the slowest of all seeds. Board: that of the bitstream.
    fmax_best_mhz : float or None
        The fastest of all seeds.
    timing_met : bool or None
        Whether ``fmax_mhz`` reaches ``clock_mhz``.
    untimed : str
        Paths that nextpnr cannot time and that ``fmax_mhz`` leaves out; empty if it times all.
    seeds : tuple of SeedResult
        One entry per seed, in the order asked for; none if nothing was placed.
    bitstream : dict or None
        ``file``, ``bytes``, ``sha256`` and ``seed``; None in device mode or if timing is not met.
    board : dict or None
        What a host must know: ``baud``, ``image_bytes`` or ``inputs``, ``serial``, ``quiet_ms``,
        clock source.
    tools : dict
        Version of each tool.
    seconds : dict
        Wall time of ``synthesis``, ``place_and_route`` (all seeds), ``pack`` and ``total`` when the
        result was made, which is not now if ``cached``.
    cache_key : str
        Hash of all inputs and tool versions.
    cached : bool
        Whether this call found the result in the cache.
    folder : str
        Where the files of the result lie.
    """

    kind: str
    target: str
    design: dict[str, Any]
    family: str
    part: str
    package: str
    speed: str
    lut: int
    ff: int
    bram: int
    lut_ram: int
    multiplier: int
    carry: int
    available: dict[str, int]
    memories: dict[str, str]
    clock_mhz: float | None
    fmax_mhz: float | None
    fmax_best_mhz: float | None
    timing_met: bool | None
    untimed: str
    seeds: tuple[SeedResult, ...]
    bitstream: dict[str, Any] | None
    board: dict[str, Any] | None
    tools: dict[str, str]
    seconds: dict[str, float]
    cache_key: str
    cached: bool = False
    folder: str = ""
    format_version: int = field(default=FORMAT_VERSION)

    def to_json(self) -> dict[str, Any]:
        """A JSON-serializable dictionary; ``format_version`` comes first."""
        value = asdict(self)
        value["seeds"] = list(value["seeds"])
        return {"format_version": value.pop("format_version"), **value}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> BuildResult:
        """The inverse of `to_json`; raises KeyError, TypeError or ValueError on anything else."""
        if value.get("format_version") != FORMAT_VERSION:
            raise ValueError(f"format_version must be {FORMAT_VERSION}")
        seeds = tuple(SeedResult.from_json(seed) for seed in value["seeds"])
        return cls(**{**value, "seeds": seeds})
