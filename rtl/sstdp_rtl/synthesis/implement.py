"""Device mode: the bare accelerator on an ECP5, out of context."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .accelerator_folder import TOP, read_accelerator
from .flow import run_plan
from .plan import CELLS, NETLIST, SCRIPT, BuildPlan, check_clock, check_seeds
from .result import BuildResult
from .targets import find_device

# What the published figures aim at; only fmax is read from the run, so the choice matters little.
DEFAULT_CLOCK_MHZ = 100.0

SYNTHESIS = f"""\
read_verilog accelerator.v
synth_ecp5 -top {TOP}
tee -q -o {CELLS} stat -json
write_json {NETLIST}
"""


def implement(
    directory: Path | str,
    *,
    device: str,
    speed: str | None = None,
    package: str | None = None,
    clock_mhz: float = DEFAULT_CLOCK_MHZ,
    seeds: Sequence[int] = (1,),
    force: bool = False,
    cache: Path | None = None,
) -> BuildResult:
    """Synthesize, place and route the bare accelerator, and return utilisation and fmax.

    Only paths between registers are timed: the ports lead nowhere.

    Parameters
    ----------
    directory : Path or str
        Folder that ``sstdp-hw generate`` wrote.
    device : str
        "ecp5-25k", "ecp5-45k" or "ecp5-85k".
    speed, package : str, optional
        Speed grade ("6" by default) and package.
    clock_mhz : float
        Clock to aim at. Missing it is no error; see ``timing_met``.
    seeds : sequence of int
        Place and route runs once per seed.
    force : bool
        Build even if the cache has the result.
    cache : Path, optional
        Folder of the cache.

    Raises
    ------
    UserError
        If the folder, the device or an option is wrong, a tool is missing or fails, or the design
        does not fit.
    """
    chosen = find_device(device, package=package, speed=speed)
    clock, seeds = check_clock(clock_mhz), check_seeds(seeds)
    accelerator = read_accelerator(directory)
    plan = BuildPlan(
        kind="device",
        target=device,
        accelerator=accelerator,
        device=chosen,
        clock_mhz=clock,
        seeds=seeds,
        files={"accelerator.v": accelerator.verilog, SCRIPT: SYNTHESIS.encode()},
        place_arguments=("--out-of-context",),
    )
    return run_plan(plan, force=force, cache=cache)
