"""All that goes into one build, before any tool runs; its hash is the key of the cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.fpga_tools import Tool
from sstdp_hw.contract.directory import GeneratedDirectory

from .family import Device, Packing

SCRIPT = "synthesis.ys"


@dataclass(frozen=True)
class BuildPlan:
    """One build, ready to run.

    Parameters
    ----------
    kind : str
        "device" or "board".
    target : str
        Name of the device or board; also the name of the result's folder.
    accelerator : GeneratedDirectory
        The design.
    device : Device
        The FPGA.
    clock_mhz : float or None
        Clock to aim at (device) or to reach (board); None where nothing is placed.
    seeds : tuple of int
        Seeds of place and route; none where nothing is placed.
    files : mapping of str to bytes
        Files to put in the work folder. `SCRIPT` among them makes yosys write
        `family.NETLIST` and `family.CELLS`.
    place_arguments : tuple of str
        Arguments of nextpnr beyond device, netlist, clock and seed.
    pack : bool
        Whether a bitstream is made.
    board : dict or None
        Passed on to the result.
    bus : str
        The bus whose registers are built with the accelerator; empty for none.
    """

    kind: str
    target: str
    accelerator: GeneratedDirectory
    device: Device
    clock_mhz: float | None
    seeds: tuple[int, ...]
    files: Mapping[str, bytes]
    place_arguments: tuple[str, ...]
    pack: bool = False
    board: dict[str, Any] | None = field(default=None)
    bus: str = ""

    @property
    def tools(self) -> tuple[str, ...]:
        """The tools that the build runs, in their order."""
        place, packing = self.device.family.place, self.packing
        placing = () if place is None else (place.tool,)
        return ("yosys", *placing, *(() if packing is None else (packing.packer,)))

    @property
    def packing(self) -> Packing | None:
        """How a bitstream is made, if one is."""
        place = self.device.family.place
        return place.packing if place is not None and self.pack else None

    def key(self, tools: Sequence[Tool]) -> str:
        """Hash of the plan, the tools, and the sources of the flow, in hexadecimal."""
        device = self.device
        text = json.dumps(
            [
                *(self.kind, self.target, self.accelerator.identity, self.clock_mhz, self.seeds),
                *(device.part, device.options, device.package, device.speed),
                *(self.place_arguments, self.pack, self.board),
                {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()},
                [(tool.name, tool.version) for tool in tools],
                _source_hash(),
            ],
            sort_keys=True,
        )
        return hashlib.sha256(text.encode()).hexdigest()


def _source_hash() -> str:
    """Hash of the sources of flow and boards: changed ones must not answer from an old result."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    files = (path for folder in ("synthesis", "boards") for path in (root / folder).rglob("*.py"))
    for path in sorted(files):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def check_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    """Seeds of place and route: at least one, none twice, each within nextpnr's range."""
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31:
            raise UserError(f"--seed must be an integer between 0 and {2**31 - 1}, not {seed!r}")
    if not seeds:
        raise UserError("--seed must name at least one seed")
    if len(set(seeds)) != len(seeds):
        raise UserError(f"--seed must not name a seed twice, and does: {list(seeds)}")
    return tuple(seeds)


def check_clock(mhz: float) -> float:
    """A clock in MHz that an FPGA could be asked for."""
    if isinstance(mhz, bool) or not isinstance(mhz, (int, float)) or not 1 <= mhz <= 500:
        raise UserError(f"--clock must be between 1 and 500 MHz, not {mhz!r}")
    return float(mhz)
