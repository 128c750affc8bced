"""The devices and boards that a build can aim at: two tables and their look-ups.

A board is listed here only if a bitstream was built for it with the pinned tools.
"""

from __future__ import annotations

from dataclasses import dataclass

from sstdp_hw.errors import UserError


@dataclass(frozen=True)
class Device:
    """One ECP5 die in one package and speed grade, in the words of nextpnr.

    Parameters
    ----------
    name : str
        How a user names it.
    part : str
        Lattice's part number, without package and speed.
    option : str
        nextpnr's option for the die.
    package : str
        Package, nextpnr's spelling. It limits the pins and nothing else.
    speed : str
        Speed grade, "6" (slowest) to "8".
    """

    name: str
    part: str
    option: str
    package: str
    speed: str = "6"


@dataclass(frozen=True)
class Board:
    """One board of amaranth-boards with its serial port.

    Parameters
    ----------
    name : str
        How a user names it.
    platform : str
        ``module:class`` within ``amaranth_boards``.
    serial : str
        Where the host finds the serial port, for the documentation and the result.
    """

    name: str
    platform: str
    serial: str


_PACKAGES = {
    # die: packages that nextpnr knows for it; the first is the default
    "25k": ("CABGA381", "CABGA256", "CSFBGA285"),
    "45k": ("CABGA381", "CABGA256", "CABGA554", "CSFBGA285"),
    "85k": ("CABGA381", "CABGA554", "CABGA756", "CSFBGA285"),
}
_SPEEDS = ("6", "7", "8")
_PARTS = {"12k": "LFE5U-12F", "25k": "LFE5U-25F", "45k": "LFE5U-45F", "85k": "LFE5U-85F"}

# From the names of Lattice, which amaranth-boards uses, to those of nextpnr.
DIES = {part: die for die, part in _PARTS.items()}
PACKAGES_OF_AMARANTH = {
    "BG256": "CABGA256",
    "MG285": "CSFBGA285",
    "BG381": "CABGA381",
    "BG554": "CABGA554",
    "BG756": "CABGA756",
}

DEVICES = tuple(f"ecp5-{die}" for die in ("25k", "45k", "85k"))

_FTDI = "the board's USB port (FT231X)"
BOARDS = {
    board.name: board
    for board in (
        Board("ulx3s-12f", "ulx3s:ULX3S_12F_Platform", _FTDI),
        Board("ulx3s-25f", "ulx3s:ULX3S_25F_Platform", _FTDI),
        Board("ulx3s-45f", "ulx3s:ULX3S_45F_Platform", _FTDI),
        Board("ulx3s-85f", "ulx3s:ULX3S_85F_Platform", _FTDI),
        Board("icepi-zero", "icepi_zero:IcepiZero1_3Platform", _FTDI),
        Board("icesugar-pro", "icesugar_pro:ICESugarProPlatform", "the iCELink USB port"),
        Board(
            "colorlight-5a-75b",
            "colorlight_5a75b_r7_0:Colorlight_5A75B_R70Platform",
            "an adapter on connector J19: KEY+ receives, DATA_LED- sends",
        ),
    )
}


def find_device(name: str, *, package: str | None = None, speed: str | None = None) -> Device:
    """The device ``name`` with its default package and speed grade, or those given.

    Raises
    ------
    UserError
        If there is no such device, or it does not come in that package or speed grade.
    """
    if name not in DEVICES:
        raise UserError(f"--device must be one of {', '.join(DEVICES)}, not {name!r}")
    die = name.removeprefix("ecp5-")
    packages = _PACKAGES[die]
    chosen = packages[0] if package is None else package.upper()
    if chosen not in packages:
        raise UserError(
            f"--package of {name} must be one of {', '.join(packages)}, not {package!r}"
        )
    grade = _SPEEDS[0] if speed is None else str(speed)
    if grade not in _SPEEDS:
        raise UserError(f"--speed must be one of {', '.join(_SPEEDS)}, not {speed!r}")
    return Device(name, _PARTS[die], f"--{die}", chosen, grade)


def find_board(name: str) -> Board:
    """The board ``name``.

    Raises
    ------
    UserError
        If there is no such board.
    """
    if name not in BOARDS:
        raise UserError(f"--board must be one of {', '.join(BOARDS)}, not {name!r}")
    return BOARDS[name]
