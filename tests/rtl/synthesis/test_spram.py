"""Memories for single-port RAM: iCE40 UltraPlus has it, elsewhere they are block RAM."""

import json

import pytest
from amaranth.hdl import Fragment

from sstdp_hw.base.fpga_tools import find_tool, run_tool
from sstdp_hw.contract.file_names import VERILOG_FILE
from sstdp_rtl.gateware.parts.loadable import LoadableMemory
from sstdp_rtl.gateware.parts.rom import RomCollector
from sstdp_rtl.synthesis.families import ECP5, ICE40, ICE40_ULTRAPLUS
from sstdp_rtl.synthesis.family import CELLS


@pytest.mark.parametrize("family, rows, cell, count", [
    (ICE40_ULTRAPLUS, 12_000, "SB_SPRAM256KA", 3), (ICE40, 300, "SB_RAM40_4K", 6),
    (ECP5, 1000, "DP16KD", 3),
])  # fmt: skip
def test_what_the_family_makes_of_it(family, rows, cell, count, tmp_path):
    """48 bits: three SPRAMs or block RAMs of 16 or 18 bits, and nothing but registers besides."""
    collector = RomCollector()
    Fragment.get(LoadableMemory("weights", 48, rows, "spram"), collector)
    (tmp_path / VERILOG_FILE).write_text(collector.texts["weights"])
    script = family.script("weights").decode().replace("write_json", "# write_json")
    (tmp_path / "run.ys").write_text(script)
    run_tool(find_tool("yosys"), ["-q", "-l", "log", "run.ys"], tmp_path, log="log")
    cells = json.loads((tmp_path / CELLS).read_text())["design"]["num_cells_by_type"]
    assert cells.get(cell) == count
    assert sum(number for name, number in cells.items() if "RAM" in name or "DP16" in name) == count
