"""Area and clock of an accelerator behind its bus, beside those of the accelerator alone.

    sstdp-hw generate NETWORK --bus wishbone --out DIR
    python tools/bus_area.py DIR --device ecp5-25k --seed 1,2,3

Both without pins, only paths between registers timed, as `sstdp-hw build DIR --device` does it for
the accelerator; results in DIR/build/DEVICE and DIR/build/DEVICE-bus.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from sstdp_hw.base.errors import UserError
from sstdp_hw.contract.file_names import VERILOG_FILE
from sstdp_rtl.synthesis.flow import run_plan
from sstdp_rtl.synthesis.implement import DEFAULT_CLOCK_MHZ, bare_plan
from sstdp_rtl.synthesis.plan import SCRIPT
from sstdp_rtl.synthesis.result import BuildResult
from sstdp_rtl.synthesis.targets import find_device


def with_bus(plan):
    """The same build with the bus's module on top; both texts in the one file that is read."""
    directory = plan.accelerator
    verilog = f"{directory.verilog}\n{directory.bus_verilog()}"
    script = plan.device.family.script(directory.front.top, bare=True)
    files = {**plan.files, VERILOG_FILE: verilog.encode(), SCRIPT: script}
    return replace(plan, target=f"{plan.target}-bus", files=files)


def told(name: str, result: BuildResult) -> str:
    clocks = ", ".join(f"{seed.fmax_mhz:.1f}" for seed in result.seeds)
    area = f"{result.lut:,} LUT, {result.ff:,} FF, {result.bram} block RAM"
    return f"{name}: {area}, {result.lut_ram} LUT RAM; fmax {clocks} MHz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--device", default="ecp5-25k")
    parser.add_argument("--seed", default="1", metavar="N[,N..]")
    options = parser.parse_args()
    seeds = tuple(int(seed) for seed in options.seed.split(","))
    device = find_device(options.device)
    try:
        plan = bare_plan(
            "device", options.directory, options.device, device, DEFAULT_CLOCK_MHZ, seeds
        )
        behind = with_bus(plan)
        print(told("accelerator", run_plan(plan)), flush=True)
        print(told(behind.accelerator.front.top, run_plan(behind)))
    except UserError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
