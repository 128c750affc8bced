"""Writes the generated accelerator: Verilog, manifest, network and packaging, as one folder."""

import hashlib
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from sstdp_hw.base import locks
from sstdp_hw.base.files import folder_written_whole, write_json
from sstdp_hw.base.fpga_tools import find_tool
from sstdp_hw.blocks.bus_front import BusFrontParameters
from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.contract.file_names import (
    BUS_FILE,
    CORE_FILE,
    HEADER_FILE,
    MANIFEST_FILE,
    NETWORK_FILE,
    TESTBENCH_FILE,
    VERILOG_FILE,
)
from sstdp_hw.contract.memory_image import shape_digest

from .c_header import c_header
from .fusesoc import core
from .golden import golden_testbench, testbench_module
from .manifest import make_manifest
from .replacement import settle
from .verilog import emit, emit_bus

# Findings of `verilator --lint-only -Wall` that are Amaranth's and yosys' way of writing Verilog.
# Each is waived with its reason in the file itself; a test holds the text to no others. The names
# are the old, coarse ones, which new versions know, too: a version refuses a name that is newer.
WAIVERS = {
    "DECLFILENAME": "one file holds all modules, so that it can be handed on",
    "UNUSED": "every field of a payload gets a name, also where a block needs only some",
    "WIDTH": "operands are extended by Verilog's rules; an index is tested for zero with !",
}
BUS_HEADER = """\
// Registers and queues on {bus} around the accelerator of {verilog}, whose module they
// instantiate; generated: generate again to change anything.
// {made_for}
""" + "".join(f"// {why}:\n// verilator lint_off {code}\n" for code, why in WAIVERS.items())
HEADER = """\
// SSTDP accelerator, generated: change the network or the configuration and generate again.
// {made_for}
// {summary}
""" + "".join(f"// {why}:\n// verilator lint_off {code}\n" for code, why in WAIVERS.items())


@dataclass(frozen=True)
class Generated:
    """Where a generated accelerator lies, its manifest, and what became of an earlier one there.

    Parameters
    ----------
    directory : Path
    manifest : dict
    unchanged : bool
        The folder held exactly this and was left as it was.
    removed : tuple of str
        Results and builds of an earlier accelerator that are gone with it.
    """

    directory: Path
    manifest: dict
    unchanged: bool = False
    removed: tuple[str, ...] = ()


def generate(network, configuration, out):
    """Generate an accelerator.

    Parameters
    ----------
    network : sstdp_hw.network.network.Network
    configuration : sstdp_hw.blocks.hardware.Configuration
    out : path
        The folder to write: whole or not at all. An earlier output there is replaced, and its
        results and builds go with it, unless the Verilog is the same.

    Raises
    ------
    UserError
        If network and configuration do not fit, or the folder cannot be written or is in use.
    """
    parameters = AcceleratorParameters(network, configuration)
    # Where weights are loaded, networks of one shape have the same Verilog.
    made_for = f"network {network.digest}"
    if parameters.store.loaded:
        made_for = f"shape {shape_digest(parameters)}"
    header = HEADER.format(made_for=made_for, summary=parameters.summary)
    with (
        locks.output(out),
        _alone(Path(out)),
        folder_written_whole(out, marker=MANIFEST_FILE) as folder,
    ):
        data = emit(parameters, header).encode("ascii")
        (folder / VERILOG_FILE).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        files = {VERILOG_FILE: digest}
        if configuration.bus:
            files[BUS_FILE] = _write_bus(BusFrontParameters(parameters), folder, made_for)
        manifest = make_manifest(
            parameters, digest, find_tool("yosys").version, files.get(BUS_FILE)
        )
        write_json(folder / MANIFEST_FILE, manifest)
        network.save(folder / NETWORK_FILE)
        (folder / TESTBENCH_FILE).write_text(golden_testbench(parameters), encoding="ascii")
        bench = testbench_module(parameters)
        text = core(parameters, files, TESTBENCH_FILE, bench)
        (folder / CORE_FILE).write_text(text, encoding="utf-8")
        unchanged, removed = settle(folder, Path(out))
    return Generated(Path(out), manifest, unchanged, removed)


def _write_bus(front, folder, made_for):
    """Write what stands between the accelerator and a bus; the SHA-256 of its Verilog."""
    header = BUS_HEADER.format(bus=front.bus, verilog=VERILOG_FILE, made_for=made_for)
    data = emit_bus(front, header).encode("ascii")
    (folder / BUS_FILE).write_bytes(data)
    (folder / HEADER_FILE).write_text(c_header(front), encoding="ascii")
    return hashlib.sha256(data).hexdigest()


def _alone(out):
    """Nobody may simulate or build an earlier accelerator while it is replaced."""
    return locks.writing(out) if out.is_dir() else nullcontext()
