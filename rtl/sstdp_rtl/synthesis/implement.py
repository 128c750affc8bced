"""Device mode: the bare accelerator, or what is between it and a bus too, on an FPGA, its ports
leading nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.fpga_tools import find_tool
from sstdp_hw.blocks.hardware import TOP
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.file_names import VERILOG_FILE
from sstdp_hw.engine.work import Engine

from .cache import Cache, default_cache
from .family import Device
from .flow import run_plan
from .plan import SCRIPT, BuildPlan, check_clock, check_seeds
from .result import BuildResult
from .targets import find_device

# What the published figures aim at; only fmax is read from the run, so the choice matters little.
DEFAULT_CLOCK_MHZ = 100.0

DEFAULT_SEEDS = (1,)


def implement(
    directory: Path | str,
    *,
    device: str,
    speed: str | None = None,
    package: str | None = None,
    clock_mhz: float | None = None,
    seeds: Sequence[int] | None = None,
    force: bool = False,
    cache: Path | None = None,
    engine: Engine | None = None,
) -> BuildResult:
    """Synthesize, place and route the bare accelerator, and return utilisation and fmax. Where it
    stands behind a bus, registers and queues belong to it.

    Only paths between registers are timed: the ports lead nowhere.

    Parameters
    ----------
    directory : Path or str
        Folder that ``sstdp-hw generate`` wrote.
    device : str
        Name in `targets.DEVICES`.
    speed, package : str, optional
        Speed grade and package, where the device has a choice.
    clock_mhz : float, optional
        Clock to aim at, `DEFAULT_CLOCK_MHZ` if not given. Missing it is no error; see
        ``timing_met``.
    seeds : sequence of int, optional
        Place and route runs once per seed, by default with seed 1.
    force : bool
        Build even if the cache has the result.
    cache : Path, optional
        Folder of the cache.
    engine : Engine, optional
        Who places and routes; by default this machine, one seed after the other.

    Raises
    ------
    UserError
        If the folder, the device or an option is wrong, a tool is missing or fails, or the design
        does not fit.
    """
    chosen = find_device(device, package=package, speed=speed)
    clock, checked = _place_and_route(device, chosen, clock_mhz, seeds)
    plan = device_plan(directory, device, chosen, clock, checked)
    return run_plan(plan, force=force, cache=cache, engine=engine)


def cached(directory: Path | str, *, device: str, cache: Path | None = None) -> bool:
    """Whether `implement` with nothing but these would find its result in the cache."""
    chosen = find_device(device)
    clock, seeds = _place_and_route(device, chosen, None, None)
    plan = device_plan(directory, device, chosen, clock, seeds)
    tools = [find_tool(name) for name in plan.tools]
    return Cache(cache or default_cache()).find(plan.key(tools)) is not None


def device_plan(
    directory: Path | str, target: str, device: Device, clock_mhz: float | None,
    seeds: tuple[int, ...],
) -> BuildPlan:  # fmt: skip
    """Synthesis, and place and route with each seed, of all that a folder holds: the accelerator,
    or what stands between it and a bus on top."""
    plan = bare_plan("device", directory, target, device, clock_mhz, seeds)
    accelerator = plan.accelerator
    if not accelerator.bus:
        return plan
    verilog = f"{accelerator.verilog}\n{accelerator.bus_verilog()}"
    script = device.family.script(accelerator.front.top, bare=True)
    files = {**plan.files, VERILOG_FILE: verilog.encode(), SCRIPT: script}
    return replace(plan, files=files, bus=accelerator.bus)


def bare_plan(
    kind: str, directory: Path | str, target: str, device: Device, clock_mhz: float | None,
    seeds: tuple[int, ...],
) -> BuildPlan:  # fmt: skip
    """Synthesis, and place and route with each seed, of the accelerator in a folder alone."""
    accelerator = GeneratedDirectory.load(directory, with_network=False)
    pins, arguments = _ports(device)
    return BuildPlan(
        kind=kind,
        target=target,
        accelerator=accelerator,
        device=device,
        clock_mhz=clock_mhz,
        seeds=seeds,
        files={
            VERILOG_FILE: accelerator.verilog.encode(),
            SCRIPT: device.family.script(accelerator.top, bare=True),
            **pins,
        },
        place_arguments=arguments,
    )


def _place_and_route(
    name: str, device: Device, clock_mhz: float | None, seeds: Sequence[int] | None
) -> tuple[float | None, tuple[int, ...]]:
    """Clock and seeds, which a family that is only synthesized has not."""
    if device.family.place is not None:
        return (
            check_clock(DEFAULT_CLOCK_MHZ if clock_mhz is None else clock_mhz),
            check_seeds(DEFAULT_SEEDS if seeds is None else seeds),
        )
    for option, value in (("--clock", clock_mhz), ("--seed", seeds)):
        if value is not None:
            raise UserError(
                f"{option} goes with place and route, and {name} is only synthesized; leave it out"
            )
    return None, ()


def _ports(device: Device) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Files and options of nextpnr for ports that lead nowhere."""
    place = device.family.place
    if place is None:
        return {}, ()
    if not place.bare_pins:
        return {}, place.bare_options
    name = f"{TOP}.{place.pins}"
    pins = place.bare_pins.format(clock_pin=device.clock_pin)
    return {name: pins.encode()}, (*place.bare_options, *place.pins_option(name))
