"""Packaging for FuseSoC: what a design that depends on the accelerator gets, lint, simulation."""

import hashlib

from sstdp_hw import __version__
from sstdp_hw.blocks.bus_front import BusFrontParameters

_TEMPLATE = """\
CAPI=2:
name: sstdp:accelerators:{name}:{version}
description: SSTDP spiking network as an AXI4-Stream accelerator
filesets:
  rtl:
    files:
{verilog}
    file_type: verilogSource
  golden:
    files:
      - {testbench}
    file_type: verilogSource
targets:
  # What a design that depends on this core gets, options of a tool included: so there are none.
  default: &rtl
    filesets: [rtl]
    toplevel: {top}
    flow: lint
    flow_options:
      tool: verilator
  lint:
    <<: *rtl
    flow_options:
      tool: verilator
      verilator_options: [-Wall]
  sim:
    filesets: [rtl, golden]
    toplevel: {testbench_top}
    flow: sim
    flow_options:
      tool: icarus
      iverilog_options: [-g2005]
      mode: binary
      verilator_options: [--timing, -CFLAGS -std=c++20, -CFLAGS -fcoroutines]
  # Projects for those who have the vendors' tools: fusesoc run --setup --target=..., then make.
  vivado:
    <<: *rtl
    flow: vivado
    flow_options:
      part: xc7a35ticsg324-1L
  quartus:
    filesets: [rtl]
    toplevel: {top}
    default_tool: quartus
    tools:
      quartus:
        family: Cyclone V
        device: 5CSEBA6U23I7
"""


def core(parameters, files, testbench, testbench_top):
    """The text of the core file.

    Two accelerators never have the same name, or FuseSoC would take one for the other in silence:
    behind the user's name, or the network's digest, stands the digest of the Verilog.

    Parameters
    ----------
    parameters : sstdp_hw.blocks.hardware.AcceleratorParameters
    files : dict of str to str
        Names of the files of Verilog, and the SHA-256 of each; the accelerator's first.
    testbench : str
        Name of the file.
    testbench_top : str
        The testbench's module.
    """
    name = parameters.configuration.name or f"network_{parameters.network.digest[:12]}"
    digest, *others = files.values()
    if others:
        digest = hashlib.sha256("".join(files.values()).encode("ascii")).hexdigest()
    top = BusFrontParameters(parameters).top if others else parameters.top
    return _TEMPLATE.format(
        name=f"{name}_{digest[:12]}", version=__version__, top=top,
        verilog="\n".join(f"      - {file}" for file in files),
        testbench=testbench, testbench_top=testbench_top,
    )  # fmt: skip
