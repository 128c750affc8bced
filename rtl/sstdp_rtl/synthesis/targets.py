"""The devices and boards that a build can aim at: two tables and their look-ups.

A board is listed here only if a bitstream was built for it with the pinned tools.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sstdp_hw.base.errors import UserError

from .families import ECP5, GATEMATE, GW1N, GW2A, ICE40, ICE40_ULTRAPLUS, NEXUS, XILINX7
from .family import Device, Family


@dataclass(frozen=True)
class Target:
    """A device before its package and speed grade are chosen.

    Parameters
    ----------
    make : function
        From package and speed grade to the device.
    packages, speeds : tuple of str
        What there is to choose from, in nextpnr's words, the default first; packages limit the pins
        and nothing else. A single one is no choice.
    """

    make: Callable[[str, str], Device]
    packages: tuple[str, ...] = ("-",)
    speeds: tuple[str, ...] = ("-",)


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
    device : Device
    loader : tuple of str
        openFPGALoader's arguments for it.
    usb : str or None
        Vendor and product number of its programmer; None if it has none.
    only_flash : bool
        Whether the FPGA can only be loaded through the board's flash memory.
    sdram : bool
        Whether it has the SDRAM that `sstdp_rtl.boards.sdram` drives, for external weights.
    """

    name: str
    platform: str
    serial: str
    device: Device
    loader: tuple[str, ...]
    usb: str | None
    only_flash: bool = False
    sdram: bool = False


def _ecp5(die: str, part: str) -> Callable[[str, str], Device]:
    def make(package: str, speed: str) -> Device:
        options = (f"--{die}", "--package", package, "--speed", speed)
        return Device(ECP5, part, options, package, speed)

    return make


def _ice40(die: str, family: Family = ICE40) -> Callable[[str, str], Device]:
    def make(package: str, _speed: str) -> Device:
        return Device(family, f"iCE40{die.upper()}", (f"--{die}", "--package", package), package)

    return make


def _lifcl_40(package: str, speed: str) -> Device:
    part = f"LIFCL-40-{speed}{package}C"
    return Device(NEXUS, part, ("--device", part), package, speed, clock_pin="L13")


_ECP5_SPEEDS = ("6", "7", "8")
_LFE5U_12F = _ecp5("12k", "LFE5U-12F")
_LFE5U_25F = _ecp5("25k", "LFE5U-25F")
_LFE5U_45F = _ecp5("45k", "LFE5U-45F")
_LFE5U_85F = _ecp5("85k", "LFE5U-85F")
_HX8K, _UP5K = _ice40("hx8k"), _ice40("up5k", ICE40_ULTRAPLUS)
# Package and speed are part of Gowin's part number.
_GW1NR_9C = Device(
    GW1N,
    "GW1NR-LV9QN88PC6/I5",
    ("--device", "GW1NR-LV9QN88PC6/I5", "--vopt", "family=GW1N-9C"),
    die="GW1N-9C",
    clock_pin="52",
)
_GW2A_18C = Device(
    GW2A,
    "GW2A-LV18PG256C8/I7",
    ("--device", "GW2A-LV18PG256C8/I7", "--vopt", "family=GW2A-18C"),
    die="GW2A-18C",
    clock_pin="H11",
)
# nextpnr has one package and no speed grades; as it is, its delays are the worst in speed mode.
_CCGM1A1 = Device(GATEMATE, "CCGM1A1", ("--device", "CCGM1A1"), clock_pin="IO_SB_A8")

DEVICES = {
    "ecp5-25k": Target(_LFE5U_25F, ("CABGA381", "CABGA256", "CSFBGA285"), _ECP5_SPEEDS),
    "ecp5-45k": Target(_LFE5U_45F, ("CABGA381", "CABGA256", "CABGA554", "CSFBGA285"), _ECP5_SPEEDS),
    "ecp5-85k": Target(_LFE5U_85F, ("CABGA381", "CABGA554", "CABGA756", "CSFBGA285"), _ECP5_SPEEDS),
    "ice40-hx8k": Target(_HX8K, ("ct256", "cb132", "cm225", "bg121")),
    "ice40-up5k": Target(_UP5K, ("sg48", "uwg30")),
    "gowin-gw1nr-9c": Target(lambda _package, _speed: _GW1NR_9C),
    "gowin-gw2a-18c": Target(lambda _package, _speed: _GW2A_18C),
    "nexus-lifcl-40": Target(_lifcl_40, ("BG400",), ("7", "8", "9")),
    "gatemate-ccgm1a1": Target(lambda _package, _speed: _CCGM1A1),
    "xilinx-7series": Target(lambda _package, _speed: Device(XILINX7, "7-series")),
}

_FTDI = "the board's USB port (FT231X)"
_FT2232 = "the board's USB port (FT2232H, second channel)"
# Arguments of openFPGALoader, USB numbers, whether there is no way but the flash memory, and
# whether there is an SDRAM.
_ULX3S = (("--board", "ulx3s"), "0403:6015", False, True)
_ICE40 = (("--board", "ice40_generic"), "0403:6010", True)
BOARDS = {
    board.name: board
    for board in (
        Board("ulx3s-12f", "ulx3s:ULX3S_12F_Platform", _FTDI, _LFE5U_12F("CABGA381", "6"), *_ULX3S),
        Board("ulx3s-25f", "ulx3s:ULX3S_25F_Platform", _FTDI, _LFE5U_25F("CABGA381", "6"), *_ULX3S),
        Board("ulx3s-45f", "ulx3s:ULX3S_45F_Platform", _FTDI, _LFE5U_45F("CABGA381", "6"), *_ULX3S),
        Board("ulx3s-85f", "ulx3s:ULX3S_85F_Platform", _FTDI, _LFE5U_85F("CABGA381", "6"), *_ULX3S),
        Board(
            "icepi-zero",
            "icepi_zero:IcepiZero1_3Platform",
            _FTDI,
            _LFE5U_25F("CABGA256", "6"),
            ("--board", "icepi-zero"),
            "0403:6015",
        ),
        Board(
            "icesugar-pro",
            "icesugar_pro:ICESugarProPlatform",
            "the iCELink USB port",
            _LFE5U_25F("CABGA256", "6"),
            ("--cable", "cmsisdap", "--vid", "0x1d50", "--pid", "0x602b"),
            "1d50:602b",
        ),
        Board(
            "colorlight-5a-75b",
            "colorlight_5a75b_r7_0:Colorlight_5A75B_R70Platform",
            "an adapter on connector J19: KEY+ receives, DATA_LED- sends",
            _LFE5U_25F("CABGA256", "6"),
            ("--board", "colorlight"),
            None,
        ),
        Board("icebreaker", "icebreaker:ICEBreakerPlatform", _FT2232, _UP5K("sg48", ""), *_ICE40),
        Board(
            "ice40-hx8k-b-evn",
            "ice40_hx8k_b_evn:ICE40HX8KBEVNPlatform",
            _FT2232,
            _HX8K("ct256", ""),
            *_ICE40,
        ),
        Board(
            "tang-nano-9k",
            "tang_nano_9k:TangNano9kPlatform",
            "the board's USB port (BL702, second channel)",
            _GW1NR_9C,
            ("--board", "tangnano9k"),
            "0403:6010",
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
    target = DEVICES[name]
    return target.make(
        _choose("package", name, target.packages, package),
        _choose("speed", name, target.speeds, speed),
    )


def _choose(option: str, name: str, choices: tuple[str, ...], wanted: str | None) -> str:
    if wanted is None:
        return choices[0]
    if len(choices) == 1:
        raise UserError(f"--{option} is no choice for {name}; leave it out")
    for choice in choices:
        if choice.lower() == str(wanted).lower():
            return choice
    raise UserError(f"--{option} of {name} must be one of {', '.join(choices)}, not {wanted!r}")


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
