"""Loads a bitstream into a board with openFPGALoader, and says what a USB port was missing."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sstdp_hw.base import locks
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import file_digest, read_json
from sstdp_hw.base.fpga_tools import ToolFailed, find_tool, run_tool
from sstdp_hw.contract.directory import GeneratedDirectory, inside
from sstdp_hw.contract.file_names import BUILD_FOLDER, UTILISATION_FILE

from .targets import Board, find_board

TOOL = "openFPGALoader"
RULES = "/etc/udev/rules.d/99-openfpgaloader.rules"
_LOG = "openFPGALoader.log"


@dataclass(frozen=True)
class Flashed:
    """What was loaded: board, file, its SHA-256, whether it outlives the power, tool, seconds."""

    board: str
    file: str
    sha256: str
    permanent: bool
    tool: str
    seconds: float


def flash(
    directory: Path | str, *, board: str, permanent: bool = False, cable: str | None = None
) -> Flashed:
    """Load the bitstream that `build` made of this accelerator for a board.

    Parameters
    ----------
    directory : Path or str
        Folder of the accelerator.
    board : str
        A key of `targets.BOARDS`.
    permanent : bool
        Write it into the board's flash memory, so that it outlives the power.
    cable : str, optional
        openFPGALoader's name of a JTAG adapter, for a board without one of its own.

    Raises
    ------
    UserError
        If there is no bitstream of this accelerator, the board is not there or may not be opened,
        or openFPGALoader fails.
    """
    chosen = find_board(board)
    if chosen.usb is None and cable is None:
        raise UserError(
            f"--cable must name the JTAG adapter of {board}, which has none of its own; "
            "`openFPGALoader --list-cables` has the names"
        )
    accelerator = GeneratedDirectory.load(directory, with_network=False)
    folder = accelerator.path / BUILD_FOLDER / board
    with locks.reading(accelerator.path), locks.output(folder):
        result = _result(accelerator, folder, board)
        entry = result["bitstream"]
        source = inside(folder, str(entry["file"]), UTILISATION_FILE)
        if (found := file_digest(source)) != entry["sha256"]:
            raise UserError(
                f"{source}: its SHA-256 must be that of {UTILISATION_FILE}, "
                f"{str(entry['sha256'])[:12]}..., not {found[:12]}...; build again"
            )
        tool = find_tool(TOOL)
        arguments = [*chosen.loader, *(("--cable", cable) if cable else ())]
        arguments += ["--write-flash"] if permanent or chosen.only_flash else []
        with tempfile.TemporaryDirectory(prefix="sstdp-flash-") as name:
            shutil.copyfile(source, Path(name, source.name))
            try:
                seconds = run_tool(tool, [*arguments, source.name], Path(name), log=_LOG)
            except ToolFailed as failure:
                raise UserError(f"{board}: {explained(failure, chosen)}") from None
    return Flashed(
        board, str(source), found, permanent or chosen.only_flash, tool.version, round(seconds, 2)
    )


def _result(accelerator: GeneratedDirectory, folder: Path, board: str) -> dict[str, Any]:
    """The result of the build, if it has a bitstream of this accelerator."""
    step = f"`sstdp-hw build {accelerator.path} --board {board}`"
    if not (folder / UTILISATION_FILE).is_file():
        raise UserError(f"{folder}: no bitstream; make one with {step}")
    result = read_json(folder / UTILISATION_FILE, "result")
    design, entry = result.get("design"), result.get("bitstream")
    if not isinstance(entry, dict) or not {"file", "sha256"} <= entry.keys():
        raise UserError(f"{folder}: no bitstream, its clock was missed; build again with {step}")
    wanted = accelerator.identity["verilog_sha256"]
    if not isinstance(design, dict) or design.get("verilog_sha256") != wanted:
        raise UserError(
            f"{folder}: its bitstream must be of the accelerator in {accelerator.path}, and is of "
            f"another; build again with {step}"
        )
    return result


def explained(failure: ToolFailed, board: Board) -> str:
    """Why openFPGALoader failed, and what to do, in one line."""
    text = failure.text
    if missing := re.search(r"error while loading shared libraries: (\S+):", text):
        return (
            f"openFPGALoader needs the system's library {missing[1]}; install libusb-1.0-0 and "
            "libftdi1-2 (Debian, Ubuntu), or name another openFPGALoader by OPENFPGALOADER"
        )
    if re.search(r"usb_open\(\) failed|LIBUSB_ERROR_ACCESS|[Pp]ermission", text):
        return (
            f"its USB port may not be opened; put the line {udev_rule(board)} into {RULES}, run "
            "`sudo udevadm control --reload-rules`, and plug the board in again"
        )
    if re.search(r"device not found|[Nn]o (USB )?device|LIBUSB_ERROR_N", text):
        wanted = f" with the USB number {board.usb}" if board.usb else ""
        return f"no board{wanted} is plugged in; `lsusb` shows what is"
    return str(failure)


def udev_rule(board: Board) -> str:
    """What lets users at the machine open the board's programmer."""
    vendor, product = (board.usb or "VENDOR:PRODUCT").split(":")
    return (
        f'\'SUBSYSTEM=="usb", ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}", '
        'MODE="0660", TAG+="uaccess"\''
    )
