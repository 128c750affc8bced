"""Writes the generated accelerator: Verilog, manifest, network and packaging, as one folder."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sstdp_hw.base.files import folder_written_whole, write_json
from sstdp_hw.base.fpga_tools import find_tool
from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.contract.file_names import CORE_FILE, MANIFEST_FILE, NETWORK_FILE, VERILOG_FILE
from sstdp_hw.contract.ports import TOP

from .manifest import make_manifest
from .verilog import emit

# Findings of `verilator --lint-only -Wall` that are Amaranth's and yosys' way of writing Verilog.
# Each is waived with its reason in the file itself; a test holds the text to no others.
WAIVERS = {
    "DECLFILENAME": "one file holds all modules, so that it can be handed on",
    "UNUSEDSIGNAL": "every field of a payload gets a name, also where a block needs only some",
    "WIDTHEXPAND": "operands are extended by Verilog's rules, not by casts",
    "WIDTHTRUNC": "an index is tested for zero with !, a logical operator",
    "PROCASSINIT": "registers have their reset value from power-up on",
}
HEADER = """\
// SSTDP accelerator, generated: change the network or the configuration and generate again.
// network {digest}
// {summary}
""" + "".join(f"// {why}:\n// verilator lint_off {code}\n" for code, why in WAIVERS.items())


@dataclass(frozen=True)
class Generated:
    """Where a generated accelerator lies, and its manifest."""

    directory: Path
    manifest: dict


def generate(network, configuration, out):
    """Generate an accelerator.

    Parameters
    ----------
    network : sstdp_hw.network.network.Network
    configuration : sstdp_hw.blocks.hardware.Configuration
    out : path
        The folder to write: whole or not at all. An earlier output there is replaced.

    Raises
    ------
    UserError
        If network and configuration do not fit, or the folder cannot be written.
    """
    parameters = AcceleratorParameters(network, configuration)
    header = HEADER.format(digest=network.digest, summary=parameters.summary)
    with folder_written_whole(out, marker=MANIFEST_FILE) as folder:
        data = emit(parameters, header).encode("ascii")
        (folder / VERILOG_FILE).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        manifest = make_manifest(parameters, digest, find_tool("yosys").version)
        write_json(folder / MANIFEST_FILE, manifest)
        network.save(folder / NETWORK_FILE)
        (folder / CORE_FILE).write_text(_core(network), encoding="utf-8")
    return Generated(Path(out), manifest)


def _core(network):
    """Packaging for FuseSoC."""
    return f"""CAPI=2:
name: sstdp:accelerators:network_{network.digest[:12]}:0.1.0
description: SSTDP spiking network as an AXI4-Stream accelerator
filesets:
  rtl:
    files:
      - {VERILOG_FILE}
    file_type: verilogSource
targets:
  default:
    filesets: [rtl]
    toplevel: {TOP}
"""
