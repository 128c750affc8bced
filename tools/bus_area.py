"""Area and clock of an accelerator behind its bus, beside those of the accelerator alone.

    sstdp-hw generate NETWORK --bus wishbone --out DIR
    python tools/bus_area.py DIR --device ecp5-25k --seed 1,2,3

Both without pins, only paths between registers timed; with the bus that is what `sstdp-hw build DIR
--device` builds. Results in DIR/build/DEVICE; of the accelerator alone in DIR/build/DEVICE-bare.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from sstdp_hw.base.errors import UserError
from sstdp_rtl.synthesis.flow import run_plan
from sstdp_rtl.synthesis.implement import DEFAULT_CLOCK_MHZ, bare_plan, device_plan
from sstdp_rtl.synthesis.result import BuildResult
from sstdp_rtl.synthesis.targets import find_device


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
    try:
        built = (options.device, find_device(options.device), DEFAULT_CLOCK_MHZ, seeds)
        behind = device_plan(options.directory, *built)
        top = behind.accelerator.front.top
        alone = bare_plan("device", options.directory, *built)
        alone = replace(alone, target=f"{alone.target}-bare")
        print(told("accelerator", run_plan(alone)), flush=True)
        print(told(top, run_plan(behind)))
    except UserError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
