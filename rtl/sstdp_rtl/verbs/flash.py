"""The verb ``sstdp-hw flash``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from sstdp_hw.command.verb import Result, Verb

from ..synthesis.flash import flash as flash_board
from ..synthesis.targets import BOARDS

_DESCRIPTION = f"""\
Load the bitstream that `sstdp-hw build DIR --board BOARD` made into the board, with openFPGALoader.

  sstdp-hw flash DIR --board ulx3s-85f              until the power goes
  sstdp-hw flash DIR --board ulx3s-85f --permanent  into flash memory
  sstdp-hw flash DIR --board colorlight-5a-75b --cable ft232

The FPGAs of icebreaker and ice40-hx8k-b-evn are always loaded through their flash memory.

boards: {", ".join(BOARDS)}
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR", help="folder of the accelerator")
    parser.add_argument("--board", required=True, metavar="BOARD", help="the board to load")
    parser.add_argument(
        "--permanent", action="store_true", help="into flash memory, to outlive the power"
    )
    parser.add_argument(
        "--cable", metavar="NAME",
        help="openFPGALoader's name of the JTAG adapter, for a board without one",
    )  # fmt: skip


def run_flash(
    directory: Path, board: str, permanent: bool = False, cable: str | None = None
) -> Result:
    """Load, and say so."""
    loaded = flash_board(directory, board=board, permanent=permanent, cable=cable)
    lasting = (
        "written into its flash memory" if loaded.permanent else "loaded, until the power goes"
    )
    print(f"{loaded.board}: {loaded.file} {lasting} in {loaded.seconds:.1f} s")
    return asdict(loaded)


def _run(options: argparse.Namespace) -> Result:
    return run_flash(options.directory, options.board, options.permanent, options.cable)


flash = Verb(
    summary="load the bitstream into the board with openFPGALoader",
    description=_DESCRIPTION,
    configure=_configure,
    run=_run,
)
