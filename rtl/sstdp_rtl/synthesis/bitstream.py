"""Board mode: a bitstream that answers images over the board's serial port."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sstdp_hw.base.clean_environment import changed_environment, disturbing
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.fpga_tools import INSTALL
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.file_names import VERILOG_FILE
from sstdp_hw.engine.work import Engine

from ..boards.parameters import BoardParameters
from ..boards.pll import find_pll
from .board_memory import board_memory
from .flow import run_plan
from .plan import SCRIPT, BuildPlan, check_clock, check_seeds
from .result import BuildResult
from .targets import BOARDS, Board, find_board

DEFAULT_BAUD = 1_000_000
# Longer than any pause that a host's USB stack makes within an image, short enough to wait for.
QUIET_MS = 50
# A receiver samples the stop bit 9.5 bits after the edge of the start bit: 5 % would be the end of
# it, and the host's clock takes its share.
_BAUD_TOLERANCE = 0.015

_TOP = "sstdp_board"

#: By the kind of the accelerator's input: what its size is called in the result.
SIZES = {"pixels": "image_bytes", "spikes": "inputs"}


def build(
    directory: Path | str,
    *,
    board: str,
    clock_mhz: float | None = None,
    baud: int = DEFAULT_BAUD,
    seeds: Sequence[int] = (1,),
    force: bool = False,
    cache: Path | None = None,
    engine: Engine | None = None,
) -> BuildResult:
    """Build a bitstream of the accelerator behind a serial bridge.

    Parameters
    ----------
    directory : Path or str
        Folder that ``sstdp-hw generate`` wrote.
    board : str
        Name of a board, see `targets.BOARDS`.
    clock_mhz : float, optional
        Clock of the design, made by a PLL (ECP5 only); by default the board's own clock. The clock
        that the PLL really makes is in the result; it differs by less than 1 %.
    baud : int
        Speed of the serial line.
    seeds : sequence of int
        Place and route runs once per seed; the bitstream is made of the fastest.
    force : bool
        Build even if the cache has the result.
    cache : Path, optional
        Folder of the cache.
    engine : Engine, optional
        Who places and routes; by default this machine, one seed after the other.

    Returns
    -------
    BuildResult
        If no seed reaches the clock, ``timing_met`` is False and there is no bitstream.

    Raises
    ------
    UserError
        If the folder, the board or an option is wrong, a tool is missing or fails, or the design
        does not fit.
    """
    chosen = find_board(board)
    seeds = check_seeds(seeds)
    clock = None if clock_mhz is None else check_clock(clock_mhz)
    accelerator = GeneratedDirectory.load(directory, with_network=False)
    if accelerator.external:
        if not chosen.sdram:
            having = ", ".join(name for name, each in BOARDS.items() if each.sdram)
            raise UserError(
                f"{accelerator.path}: weights stand in an external memory, and {board} has none "
                f"that is driven; --board must be one of {having}, or generate with --weights rom "
                "or loadable"
            )
        accelerator = GeneratedDirectory.load(directory)  # whose weights the board must have
    return run_plan(
        _plan(accelerator, chosen, clock, baud, seeds), force=force, cache=cache, engine=engine
    )


def _plan(
    accelerator: GeneratedDirectory,
    board: Board,
    clock_mhz: float | None,
    baud: int,
    seeds: tuple[int, ...],
) -> BuildPlan:
    family = board.device.family
    place = family.place
    assert place is not None and place.packing is not None  # else it could not be a board
    if clock_mhz is not None and not family.pll:
        raise UserError(
            f"--clock is made by a PLL, which is there for ECP5 only; {board.name} runs at its "
            "own clock"
        )
    platform = _platform(board, place.packing.toolchain)
    # Here, after the platform: without Amaranth its absence is told in one line.
    from ..boards.top import BoardTop

    board_mhz = platform.default_clk_frequency / 1e6
    try:
        pll = None if clock_mhz in (None, board_mhz) else find_pll(board_mhz, clock_mhz)
    except ValueError as error:
        raise UserError(f"--clock: {error}") from None
    mhz = pll.output_mhz if pll else board_mhz
    divisor = _divisor(mhz, baud)
    try:
        parameters = BoardParameters(
            inputs=accelerator.inputs,
            top=accelerator.top,
            pixels_per_beat=accelerator.pixels_per_beat,
            input_kind=accelerator.input_kind,
            divisor=divisor,
            quiet=round(mhz * 1000 * QUIET_MS),
            pll=pll,
            global_reset=family.global_reset,
            memory_bytes=accelerator.memory_bytes,
            memory=board_memory(accelerator, mhz),
            verilog_sha256=accelerator.manifest["verilog_sha256"],
            quiet_ms=QUIET_MS,
        )
    except ValueError as error:
        raise UserError(f"{accelerator.path}: {error}") from None
    # Without source lines: the same design is the same bytes, wherever this package is installed.
    # And without the options that Amaranth would take from the user's environment.
    with changed_environment(dict.fromkeys(disturbing())):
        design = platform.build(BoardTop(parameters), name=_TOP, do_build=False, emit_src=False)
    pins = f"{_TOP}.{place.pins}"
    files = {name: _bytes(design.files[name]) for name in (f"{_TOP}.il", pins)}
    return BuildPlan(
        kind="board",
        target=board.name,
        accelerator=accelerator,
        device=board.device,
        clock_mhz=round(mhz, 6),
        seeds=seeds,
        files={
            VERILOG_FILE: accelerator.verilog.encode(),
            SCRIPT: family.script(_TOP, design=f"{_TOP}.il"),
            **files,
        },
        place_arguments=place.pins_option(pins),
        pack=True,
        board={
            SIZES[accelerator.input_kind]: accelerator.inputs,
            "baud": baud,
            "baud_actual": round(mhz * 1e6 / divisor, 1),
            "quiet_ms": QUIET_MS,
            "serial": board.serial,
            "clock": f"PLL of {board_mhz:g} MHz" if pll else f"the board's {board_mhz:g} MHz",
        },
    )


def _platform(board: Board, toolchain: str) -> Any:
    module, name = board.platform.split(":")
    try:
        platform = getattr(importlib.import_module(f"amaranth_boards.{module}"), name)
    except ModuleNotFoundError as error:
        raise UserError(
            f"amaranth and amaranth-boards are needed and {error.name} is missing; {INSTALL}"
        ) from None
    return platform(toolchain=toolchain)


def _divisor(mhz: float, baud: int) -> int:
    """Clock cycles per bit, if a whole number of them comes close enough to the baud rate."""
    if isinstance(baud, bool) or not isinstance(baud, int) or not 1200 <= baud <= 12_000_000:
        raise UserError(f"--baud must be between 1200 and 12000000, not {baud!r}")
    exact = mhz * 1e6 / baud
    divisor = max(4, round(exact))
    if abs(exact / divisor - 1) > _BAUD_TOLERANCE:
        near = sorted({max(4, int(exact)), max(4, int(exact) + 1)}, reverse=True)
        names = " or ".join(f"{mhz * 1e6 / cycles:.0f}" for cycles in near)
        raise UserError(
            f"--baud {baud} is not within 1.5 % of a whole part of the {mhz:g} MHz clock; "
            f"the nearest: {names}"
        )
    return divisor


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
