"""What the build flow must know of one family of FPGAs, so that it knows of no family itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sstdp_hw.contract.file_names import VERILOG_FILE

#: Resources of a result, in the order they are shown.
RESOURCES = ("lut", "ff", "bram", "lut_ram", "multiplier", "carry")

NETLIST = "netlist.json"
CELLS = "cells.json"


@dataclass(frozen=True)
class Device:
    """One die in one package and speed grade.

    Parameters
    ----------
    family : Family
    part : str
        The maker's part number, as far as it tells the die.
    options : tuple of str
        nextpnr's options for die, package and speed.
    package, speed : str
        For the result; "-" where the family has no such choice or it is part of ``part``.
    die : str
        The packer's name of the die, where it must be told.
    clock_pin : str
        A pin for the clock of the bare accelerator, where nextpnr asks for one.
    """

    family: Family
    part: str
    options: tuple[str, ...] = ()
    package: str = "-"
    speed: str = "-"
    die: str = ""
    clock_pin: str = ""


@dataclass(frozen=True)
class Resource:
    """Where the figure of one resource comes from.

    Parameters
    ----------
    placed : tuple of str
        Cells in nextpnr's report, which are added up. What there is of the first is what the device
        has.
    apart : mapping of str to int
        Cells that take units of the first too, and how many each; nextpnr counts them apart, and
        tells of them only where there are some.
    mapped : mapping of str to int
        Or: cells after synthesis, and the units that each is. With ``placed`` beside it, that tells
        only what the device has.
    optional : bool
        Some devices of the family have none, and nextpnr does not tell of any.
    """

    placed: tuple[str, ...] = ()
    apart: Mapping[str, int] = field(default_factory=dict)
    mapped: Mapping[str, int] = field(default_factory=dict)
    optional: bool = False


@dataclass(frozen=True)
class Packing:
    """From nextpnr to a bitstream: what board mode needs beyond device mode.

    Parameters
    ----------
    output : str
        nextpnr's option for the file that the packer reads.
    packer, bitstream : str
        The packer and the name of the file it makes.
    arguments : function
        From device, file of nextpnr and bitstream to the packer's arguments.
    toolchain : str
        amaranth's name of these tools.
    """

    output: str
    packer: str
    bitstream: str
    arguments: Callable[[Device, str, str], list[str]]
    toolchain: str


@dataclass(frozen=True)
class PlaceAndRoute:
    """nextpnr of a family.

    Parameters
    ----------
    tool : str
        Its name among the tools of `sstdp_hw.base.fpga_tools`.
    pins : str
        Suffix of a file of pins.
    pins_option : function
        From the name of such a file to nextpnr's options.
    bare_options : tuple of str
        nextpnr's options for a design whose ports lead nowhere.
    bare_pins : str
        Contents of the file of pins then, with the clock's pin to be filled in.
    untimed : str
        Paths between registers of which nextpnr has no delays; they are not in its fmax.
    packing : Packing, optional
        None: there is no board of the family.
    """

    tool: str
    pins: str
    pins_option: Callable[[str], tuple[str, ...]]
    packing: Packing | None = None
    bare_options: tuple[str, ...] = ()
    bare_pins: str = ""
    untimed: str = ""


@dataclass(frozen=True)
class Family:
    """A family of FPGAs in the words of the tools.

    Parameters
    ----------
    name : str
    synthesis : str
        yosys' command, without the top module.
    resources : mapping of str to Resource
        For every name of `RESOURCES`.
    lut_ram : str
        yosys' name of its LUT RAM, a prefix; empty if there is none.
    memories : str
        yosys' commands before synthesis, which turn marks of memories into demands that this
        family can meet.
    bare : str
        yosys' commands after synthesis of the bare accelerator, whose module is ``{top}`` in them:
        what is to become of its ports.
    bare_synthesis : str
        Further options of ``synthesis`` for the bare accelerator.
    netlist_pass : function, optional
        Rewrites the netlist at a path.
    place : PlaceAndRoute, optional
        None: the family is only synthesized.
    models : tuple of str
        Verilog of how its cells behave, in yosys' library or, without a folder, beside this file;
        none where yosys has no model of its block RAM.
    pll : bool
        Whether a board's clock can go through a PLL.
    global_reset : bool
        Whether registers can be held while the configuration ends (ECP5: SGSR).
    """

    name: str
    synthesis: str
    resources: Mapping[str, Resource]
    lut_ram: str = ""
    memories: str = ""
    bare: str = ""
    bare_synthesis: str = ""
    netlist_pass: Callable[[Path], int] | None = None
    place: PlaceAndRoute | None = None
    models: tuple[str, ...] = ()
    pll: bool = False
    global_reset: bool = False

    def script(self, top: str, *, design: str = "", bare: bool = False) -> bytes:
        """yosys' script: from ``accelerator.v``, and RTLIL around it, to `NETLIST` and `CELLS`.

        Parameters
        ----------
        top : str
            Top module.
        design : str
            Name of a file of RTLIL, if any.
        bare : bool
            Whether the ports of ``top`` lead nowhere.
        """
        synthesis = f"{self.synthesis}{' ' + self.bare_synthesis if bare else ''} -top {top}"
        lines = [
            f"read_verilog {VERILOG_FILE}",
            f"read_rtlil {design}" if design else "",
            self.memories,
            synthesis,
            f"tee -q -o {CELLS} stat -json",
            self.bare.format(top=top) if bare else "",
            f"write_json {NETLIST}",
        ]
        return "".join(f"{line}\n" for line in lines if line).encode()
