"""What a build leaves behind: never less than there was, and never of other Verilog."""

import json

import pytest
from rtl.synthesis import stand_in
from rtl.synthesis.stand_in_tools import NEXTPNR, YOSYS, Tools

from sstdp_hw.base import locks
from sstdp_hw.base.errors import UserError
from sstdp_hw.report.run_report import collect
from sstdp_rtl import build, implement

# Reaches 50 MHz, whatever clock it is asked for.
PLACED = NEXTPNR + (
    'text = report.replace("123.4", "50.0").replace(": 100}", ": " + '
    'arguments[arguments.index("--freq") + 1] + "}")\n'
    'pathlib.Path(arguments[arguments.index("--report") + 1]).write_text(text)\n'
)
PACKED = 'pathlib.Path(arguments[arguments.index("--bit") + 1]).write_text("bits")\n'


@pytest.fixture
def tools(tmp_path, monkeypatch):
    tools = Tools(tmp_path / "tools", monkeypatch)
    tools.put("nextpnr-ecp5", PLACED)
    tools.put("ecppack", PACKED)
    return tools


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_missed_clock_keeps_the_bitstream_that_is_there(tools, tmp_path, capsys):
    accelerator = stand_in.write(tmp_path / "run" / "accelerator")
    assert build(accelerator, board="ulx3s-25f").timing_met
    kept = accelerator / "build" / "ulx3s-25f"
    before = content(kept)
    assert before["accelerator.bit"] == b"bits"
    for cached in (False, True):
        result = build(accelerator, board="ulx3s-25f", clock_mhz=100)
        assert (result.timing_met, result.cached) == (False, cached)
        assert content(kept) == before
        assert result.folder == f"{kept}.missed"
        written = json.loads((accelerator / "build/ulx3s-25f.missed/utilisation.json").read_text())
        assert written["timing_met"] is False and written["bitstream"] is None
        assert "keeps the bitstream of an earlier build" in capsys.readouterr().err
    (shown,) = collect(accelerator.parent).builds
    assert shown["timing_met"]
    assert build(accelerator, board="ulx3s-25f", clock_mhz=40).folder == str(kept)


def test_a_bitstream_of_another_design_is_not_kept(accelerator, tools, tmp_path):
    build(accelerator, board="ulx3s-25f")
    stand_in.write(accelerator, inputs=13)
    result = build(accelerator, board="ulx3s-25f", clock_mhz=100)
    assert result.folder == str(accelerator / "build" / "ulx3s-25f")
    assert not (accelerator / "build/ulx3s-25f/accelerator.bit").exists()


@pytest.mark.parametrize("name", ["accelerator.v", "manifest.json"])
def test_nothing_is_written_for_an_accelerator_that_changed_meanwhile(accelerator, tools, name):
    tools.put("yosys", YOSYS + f"open({str(accelerator / name)!r}, 'a').write('\\n')\n")
    with pytest.raises(UserError, match=rf"{name}: must stay as it was read.*, run it again"):
        implement(accelerator, device="ecp5-25k")
    assert not (accelerator / "build").exists()


def test_a_folder_in_use_is_refused_before_any_tool_runs(accelerator, tools):
    for held in (locks.writing(accelerator), locks.output(accelerator / "build" / "ecp5-25k")):
        with held, pytest.raises(UserError, match="another sstdp-hw works with it"):
            implement(accelerator, device="ecp5-25k")
    assert tools.calls() == []
    with locks.output(accelerator / "build" / "ulx3s-25f"), locks.reading(accelerator):
        implement(accelerator, device="ecp5-25k")  # another target, and a simulation
