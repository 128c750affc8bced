"""Each mistake of a user and each failure of a tool is one clear line and leaves no half result."""

import json
import os

import pytest
from rtl.synthesis import stand_in
from rtl.synthesis.stand_in_tools import Tools, crash

from sstdp_hw.base import fpga_tools as tools
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.fpga_tools import meaningful_line
from sstdp_rtl.synthesis import build, implement


def refused(call, *fragments):
    with pytest.raises(UserError) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text
    for fragment in fragments:
        assert fragment in text
    return text


def edit(accelerator, **changes):
    path = accelerator / "manifest.json"
    manifest = json.loads(path.read_text())
    for field, value in changes.items():
        if value is None:
            del manifest[field]
        else:
            manifest[field] = value
    path.write_text(json.dumps(manifest))


def device(accelerator, **options):
    return lambda: implement(accelerator, **{"device": "ecp5-25k", **options})


def test_a_folder_must_be_there_and_be_the_generators(tmp_path):
    refused(device(tmp_path / "none"), "no such folder", "sstdp-hw generate")
    refused(device(tmp_path), "has no manifest.json", "sstdp-hw generate")
    (tmp_path / "manifest.json").write_text("[]")
    refused(device(tmp_path), "the manifest must be a JSON object")


def test_edited_verilog_is_refused(accelerator):
    path = accelerator / "accelerator.v"
    path.write_text(path.read_text() + " ")
    refused(device(accelerator), "accelerator.v: its SHA-256", "generate it again")
    path.unlink()
    refused(device(accelerator), "accelerator.v: no such file")


@pytest.mark.parametrize(
    "name",
    ["../accelerator.v", "/etc/hostname", "sub/accelerator.v", "..", ".", "", "a\\b.v", "a\nb"],
)
def test_the_name_of_the_verilog_cannot_lead_out_of_the_folder(accelerator, name):
    edit(accelerator, verilog=name)
    refused(device(accelerator), "verilog must be")


def test_the_verilog_cannot_be_a_link_out_of_the_folder(accelerator, tmp_path):
    os.rename(accelerator / "accelerator.v", tmp_path / "elsewhere.v")
    (accelerator / "accelerator.v").symlink_to(tmp_path / "elsewhere.v")
    refused(device(accelerator), "must not be a link that leads out of the folder")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"format_version": 2}, "format_version must be 1, not 2"),
        ({"top": "other"}, "top must be 'accelerator', with a prefix or without, not 'other'"),
        ({"top": "x;y_accelerator"}, "top must be 'accelerator', with a prefix or without"),
        ({"name": None}, "name is missing"),
        ({"name": "two\nlines"}, "name must be a printable string"),
        ({"network": {}}, "network.digest is missing"),
        ({"network": {"inputs": True, "digest": ""}}, "network.inputs must be an integer"),
        ({"configuration": {"pixels_per_beat": 3}}, "must be 1, 2, 4 or 8, not 3"),
        ({"configuration": {"pixels_per_beat": 2}}, "port s_axis_tdata must be an input of width"),
        ({"ports": []}, "port aclk must be an input of width 1, not None"),
        ({"ports": 5}, "ports must be a list"),
        ({"ports": [{"name": []}]}, "port aclk must be"),
        ({"verilog_sha256": "x" * 64}, "its SHA-256"),
    ],
)
def test_a_manifest_that_breaks_a_rule_is_refused(accelerator, changes, text):
    edit(accelerator, **changes)
    refused(device(accelerator), text)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"device": "ecp5-99k"}, "--device must be one of ecp5-25k, ecp5-45k, ecp5-85k"),
        ({"package": "QFN48"}, "--package of ecp5-25k must be one of CABGA381"),
        ({"speed": "9"}, "--speed of ecp5-25k must be one of 6, 7, 8, not '9'"),
        ({"device": "ice40-up5k", "speed": "6"}, "--speed is no choice for ice40-up5k"),
        (
            {"device": "ice40-up5k", "package": "ct256"},
            "--package of ice40-up5k must be one",
        ),
        ({"device": "xilinx-7series", "seeds": (1,)}, "--seed goes with place and route"),
        ({"device": "xilinx-7series", "clock_mhz": 50}, "--clock goes with place and route"),
        ({"clock_mhz": 0}, "--clock must be between 1 and 500 MHz, not 0"),
        ({"clock_mhz": float("nan")}, "--clock must be between 1 and 500 MHz, not nan"),
        ({"seeds": ()}, "--seed must name at least one"),
        ({"seeds": (1, 1)}, "--seed must not name a seed twice"),
        ({"seeds": (-1,)}, "--seed must be an integer between 0"),
    ],
)
def test_an_option_out_of_range_is_refused(accelerator, options, text):
    refused(device(accelerator, **options), text)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"board": "ulx4s"}, "--board must be one of ulx3s-12f, "),
        ({"baud": 7_000_000}, "--baud 7000000 is not within 1.5 %"),
        ({"baud": 1}, "--baud must be between 1200"),
        ({"clock_mhz": 1}, "--clock: a PLL cannot make 1 MHz of 25 MHz"),
        (
            {"board": "icebreaker", "clock_mhz": 24},
            "--clock is made by a PLL",
        ),
    ],
)
def test_an_option_of_a_board_out_of_range_is_refused(accelerator, options, text):
    refused(lambda: build(accelerator, **{"board": "ulx3s-85f", **options}), text)


def test_a_missing_tool_is_named_with_its_package(accelerator, monkeypatch):
    monkeypatch.setitem(tools._WHEELS, "yosys", ("YOSYS", "no-such-wheel", "no_such", "run"))
    refused(device(accelerator), "yosys is needed", "no-such-wheel", "pip install")
    monkeypatch.setenv("YOSYS", "/no/such/yosys")
    refused(device(accelerator), "YOSYS must name an executable yosys, not '/no/such/yosys'")


@pytest.mark.parametrize("name", ["yosys", "nextpnr-ecp5"])
def test_a_crash_is_one_line_with_the_reason_and_keeps_the_log(
    accelerator, tmp_path, monkeypatch, own_cache, name
):
    stand_ins = Tools(tmp_path / "tools", monkeypatch)
    stand_ins.put(name, crash("ERROR: out of luck", "", "0 warnings, 1 error", status=3))
    text = refused(device(accelerator), name, "status 3", "ERROR: out of luck", "its log")
    log = accelerator / "build" / f"ecp5-25k.{name}.failed.log"
    assert str(log) in text
    assert "0 warnings" in log.read_text()
    assert os.listdir(accelerator / "build") == [log.name]
    assert not own_cache.exists()


def test_a_report_of_another_tool_is_refused(accelerator, tmp_path, monkeypatch):
    stand_ins = Tools(tmp_path / "tools", monkeypatch)
    stand_ins.put("nextpnr-ecp5", "pathlib.Path('nextpnr-seed-1.rpt').write_text('{}')")
    refused(device(accelerator), "nextpnr-seed-1.rpt is not a report of nextpnr")
    assert not (accelerator / "build").exists()


def test_a_folder_of_someone_else_is_not_replaced(accelerator, tmp_path, monkeypatch):
    Tools(tmp_path / "tools", monkeypatch)
    output = accelerator / "build" / "ecp5-25k"
    output.mkdir(parents=True)
    (output / "thesis.txt").write_text("mine")
    refused(device(accelerator), "must be empty or hold utilisation.json")
    assert os.listdir(output) == ["thesis.txt"]


def test_a_design_that_does_not_fit_says_what_it_needs_and_what_there_is(tmp_path):
    big = stand_in.write(tmp_path / "big", ram_bits=17)
    text = refused(device(big), "stand-in does not fit ecp5-25k: bram (DP16KD) needs 65, has 56")
    assert "larger device" in text
    assert not (big / "build").exists()


def test_broken_verilog_names_yosys_and_the_line(accelerator):
    text = "module accelerator(input wire aclk; endmodule\n"
    (accelerator / "accelerator.v").write_text(text)
    edit(accelerator, verilog_sha256=stand_in.manifest(text, 1, 1)["verilog_sha256"])
    refused(
        device(accelerator), "yosys ended with status 1", "accelerator.v:1: ERROR: syntax error"
    )


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("Info: a\nERROR: first\nERROR: second\n1 error\n", "ERROR: second"),
        ("a.v:3: ERROR: syntax error\nEnd.\n", "a.v:3: ERROR: syntax error"),
        ("Traceback\n  wasm trap: out of memory\nx\n", "wasm trap: out of memory"),
        ("0 errors\nlast words\n\n", "last words"),
        ("", "it said nothing"),
    ],
)
def test_the_meaningful_line_of_a_log(log, line):
    assert meaningful_line(log) == line
