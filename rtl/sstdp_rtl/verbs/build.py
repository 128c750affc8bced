"""The verb ``sstdp-hw build``."""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from pathlib import Path

from sstdp_hw.base.errors import UserError
from sstdp_hw.command.verb import Result, Verb, VerbFailed
from sstdp_hw.engine.options import add_cluster, engine_of
from sstdp_hw.engine.work import Engine

from ..synthesis.bitstream import build as build_board
from ..synthesis.implement import implement
from ..synthesis.mapped import write_mapped
from ..synthesis.result import BuildResult
from ..synthesis.targets import BOARDS, DEVICES
from .flash import run_flash

_DESCRIPTION = f"""\
Read the folder DIR that `sstdp-hw generate` wrote and build it with yosys and nextpnr.

  sstdp-hw build DIR --board ulx3s-85f        bitstream with a serial port
  sstdp-hw build DIR --board ulx3s-85f --flash   and load it, as `flash` does
  sstdp-hw build DIR --device ecp5-25k        area and clock; with the registers
                                              of `generate --bus`
  sstdp-hw build DIR --device ecp5-25k --seed 1..8 --jobs 2
  sstdp-hw build DIR --device ice40-up5k      the same for another family
  sstdp-hw build DIR --device xilinx-7series  area after synthesis, no clock
  sstdp-hw build DIR --device ice40-up5k --netlist NEW   for `simulate NEW`

Written to DIR/build/TARGET/: utilisation.json, the tools' logs and, for a board, the bitstream.
The same call again is answered from a cache; docs/build.md says more.

boards: {", ".join(BOARDS)}

devices: {", ".join(DEVICES)}
"""

_MOST_SEEDS = 10_000
_NUMBER = re.compile(r"_\d+$")  # of a block: layer_3


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR", help="folder of the accelerator")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--board", metavar="BOARD", help="build a bitstream for this board")
    target.add_argument(
        "--device", metavar="DEVICE", help="build the bare accelerator for this FPGA"
    )
    parser.add_argument(
        "--clock",
        type=float,
        metavar="MHZ",
        help="board: run at this clock, made by a PLL (default: the board's own clock); "
        "device: aim at this clock (default: 100)",
    )
    parser.add_argument(
        "--seed",
        type=_seeds,
        metavar="N[,N..]",
        help="seeds of place and route, as 1,2 or 1..8 (default: 1); a board gets the bitstream of "
        "the fastest",
    )
    parser.add_argument(
        "--speed",
        metavar="GRADE",
        help="device: speed grade, where there are several (default: slowest)",
    )
    parser.add_argument("--package", metavar="P", help="device: package, for example CABGA381")
    parser.add_argument(
        "--baud", type=int, metavar="N", help="board: serial speed (default: 1000000)"
    )
    parser.add_argument(
        "--netlist",
        type=Path,
        metavar="NEW",
        help="device: only synthesize, and write the mapped netlist with models of its cells as "
        "an accelerator folder that simulate takes",
    )
    parser.add_argument(
        "--flash",
        action="store_true",
        default=None,
        help="board: load it then, as `sstdp-hw flash` does",
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N",
        help="seeds placed and routed at once (default: 1)",
    )  # fmt: skip
    add_cluster(parser)
    parser.add_argument(
        "--force", action="store_true", help="build even if the cache has the result"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="folder of the cache (default: $XDG_CACHE_HOME/sstdp-hw/build)",
    )


def _seeds(text: str) -> tuple[int, ...]:
    seeds: list[int] = []
    try:
        for part in text.split(","):
            first, dots, last = part.partition("..")
            if dots and not 0 <= int(last) - int(first) < _MOST_SEEDS:
                raise ValueError
            seeds += range(int(first), int(last) + 1) if dots else [int(first)]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be integers separated by commas, or a range A..B of at most {_MOST_SEEDS}, not "
            f"{text!r}"
        ) from None
    return tuple(seeds)


def _refuse_options(options: argparse.Namespace, mode: str, names: tuple[str, ...]) -> None:
    for name in names:
        if getattr(options, name) is not None:
            raise UserError(f"--{name} goes with --{mode}, and this is a build for the other kind")


def _write_netlist(options: argparse.Namespace) -> Result:
    for name in ("seed", "clock", "cache", "force"):
        if getattr(options, name) not in (None, False):
            raise UserError(f"--{name} is for a build, and --netlist stops before place and route")
    result = write_mapped(
        options.directory, options.netlist, device=options.device, speed=options.speed,
        package=options.package,
    )  # fmt: skip
    print(f"{options.netlist}: the netlist for {options.device}; play it with sstdp-hw simulate")
    return result


def _run(options: argparse.Namespace) -> Result:
    if options.jobs < 1:
        raise UserError(f"--jobs must be at least 1, not {options.jobs}")
    with engine_of(options.cluster, options.jobs) as engine:
        return _build(options, engine)


def _build(options: argparse.Namespace, engine: Engine) -> Result:
    common = {"force": options.force, "cache": options.cache, "engine": engine}
    if options.seed is not None:
        common["seeds"] = options.seed
    if options.clock is not None:
        common["clock_mhz"] = options.clock
    if options.board is not None:
        _refuse_options(options, "device", ("speed", "package", "netlist"))
        baud = {} if options.baud is None else {"baud": options.baud}
        result = build_board(options.directory, board=options.board, **common, **baud)
    else:
        _refuse_options(options, "board", ("baud", "flash"))
        if options.netlist is not None:
            return _write_netlist(options)
        result = implement(
            options.directory,
            device=options.device,
            speed=options.speed,
            package=options.package,
            **common,
        )
    print(summary(result))
    sys.stdout.flush()
    if result.kind == "board" and not result.timing_met:
        raise VerbFailed(
            f"no bitstream: {result.target} must run at {result.clock_mhz:g} MHz and reaches "
            f"{result.fmax_best_mhz:g} MHz; try --clock {int(result.fmax_best_mhz)} or more seeds",
            result.to_json(),
        )
    if options.flash:
        loaded = run_flash(options.directory, options.board)
        return result.to_json() | {"flashed": loaded}
    return result.to_json()


def _of(available: int | None) -> str:
    return "" if available is None else f" of {available}"


def _fmax(result: BuildResult) -> str:
    if result.fmax_mhz is None:
        return "not known: only synthesized, and the area is that after synthesis"
    seeds = ", ".join(f"{seed.fmax_mhz:g} MHz (seed {seed.seed})" for seed in result.seeds)
    aim = "runs at" if result.kind == "board" else "aimed at"
    without = f"; without {result.untimed}, which are not timed" if result.untimed else ""
    return f"{seeds}; {aim} {result.clock_mhz:g} MHz{without}"


def _in_logic(result: BuildResult) -> str:
    """The memories that took LUTs and registers, counted by kind of block: "12 in layer, 1 in
    encoder"; a deep network has dozens of them."""
    names = sorted(name for name, kind in result.memories.items() if kind == "logic")
    blocks = Counter(_block(name) for name in names)
    return ", ".join(f"{count} in {block}" for block, count in blocks.items())


def _block(memory: str) -> str:
    """The kind of block that a memory belongs to, without its number; on a board also those around
    the accelerator."""
    path = memory.split(".")
    inside = path[path.index("accelerator") + 1 :] if "accelerator" in path else path[1:]
    return _NUMBER.sub("", inside[0] if inside else memory)


def summary(result: BuildResult) -> str:
    """The figures of a result for a person, a few lines."""
    units = {"lut": "LUT", "ff": "FF", "bram": "block RAM", "lut_ram": "LUT RAM"}
    units["multiplier"] = "multipliers"
    area = ", ".join(
        f"{getattr(result, name)}{_of(result.available.get(name))} {label}"
        for name, label in units.items()
    )
    grade = "" if result.speed == "-" else f"-{result.speed}"
    behind = f", behind {bus}" if (bus := result.design.get("bus")) else ""
    lines = [
        f"{result.design['name']}{behind} on {result.target} ({result.part}{grade})",
        f"  area   {area}",
        f"  fmax   {_fmax(result)}",
    ]
    if logic := _in_logic(result):
        lines.append(f"  note   memories in LUTs and registers: {logic}")
    path = next((seed.critical_path for seed in result.seeds if seed.critical_path), None)
    if path:
        lines.append(
            f"  path   {path.delay_ns:g} ns, {path.routing_ns:g} of it routing, "
            f"from {path.start} to {path.end}"
        )
    times = ", ".join(
        f"{name.replace('_', ' ')} {value:.1f} s" for name, value in result.seconds.items()
    )
    lines.append(f"  time   {'cached, took ' if result.cached else ''}{times}")
    if result.bitstream:
        size = result.bitstream["bytes"] / 1024
        lines.append(f"  file   {result.folder}/{result.bitstream['file']} ({size:.0f} KiB)")
    lines.append(f"  all    {result.folder}/utilisation.json")
    return "\n".join(lines)


build = Verb(
    summary="utilisation, timing and a bitstream with yosys and nextpnr",
    description=_DESCRIPTION,
    configure=_configure,
    run=_run,
)
