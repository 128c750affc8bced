"""What is built of a folder with the registers of a bus."""

import json
import re
import runpy
import sys
from pathlib import Path

import pytest
from rtl.synthesis.stand_in_tools import YOSYS, Tools
from support.networks import small_network

from sstdp_hw.blocks.hardware import NO_BUS, WISHBONE, Configuration
from sstdp_hw.command.cli import main
from sstdp_rtl.generator.generate import generate

BUS_AREA = Path(__file__).parents[3] / "tools" / "bus_area.py"

#: Of a folder in which yosys is asked to work: the top, and whether the bus's module is there.
TOLD = """\
script = pathlib.Path("synthesis.ys").read_text()
text = pathlib.Path("accelerator.v").read_text()
with open({file!r}, "a") as seen:
    print(json.dumps([script, "module accelerator_wishbone" in text]), file=seen)
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """By the bus, made with the real yosys."""
    found = {bus: tmp_path_factory.mktemp("made") / "out" for bus in (NO_BUS, WISHBONE)}
    for bus, folder in found.items():
        generate(small_network(), Configuration((6, 7), bus=bus), folder)
    return found


@pytest.fixture
def seen(folders, tmp_path, monkeypatch):
    """What yosys was asked for, each time: top, and whether there are registers."""
    file = tmp_path / "seen"
    Tools(tmp_path / "tools", monkeypatch).put("yosys", TOLD.format(file=str(file)) + YOSYS)

    def read():
        asked = [json.loads(line) for line in file.read_text().splitlines()]
        return [(re.search(r"-top (\w+)", script).group(1), there) for script, there in asked]

    return read


@pytest.mark.parametrize("bus, top", [(NO_BUS, "accelerator"), (WISHBONE, "accelerator_wishbone")])
def test_a_device_gets_all_that_the_folder_holds(bus, top, folders, seen, capsys):
    assert main(["build", str(folders[bus]), "--device", "ecp5-25k"]) == 0
    assert seen() == [(top, bool(bus))]
    assert (f", behind {WISHBONE} on ecp5-25k" in capsys.readouterr().out) == bool(bus)
    result = json.loads((folders[bus] / "build/ecp5-25k/utilisation.json").read_text())
    assert result["design"].get("bus", NO_BUS) == bus


def test_the_tool_shows_both(folders, seen, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bus_area.py", str(folders[WISHBONE])])
    runpy.run_path(str(BUS_AREA), run_name="__main__")
    assert seen() == [("accelerator", False), ("accelerator_wishbone", True)]
    area = "5 LUT, 4 FF, 3 block RAM, 2 LUT RAM; fmax 123.4 MHz"
    assert capsys.readouterr().out.splitlines() == [
        f"accelerator: {area}", f"accelerator_wishbone: {area}",
    ]  # fmt: skip
    assert {path.name for path in (folders[WISHBONE] / "build").iterdir() if path.is_dir()} >= {
        "ecp5-25k", "ecp5-25k-bare",
    }  # fmt: skip


def test_the_tool_refuses_a_folder_without_a_bus(folders, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bus_area.py", str(folders[NO_BUS])])
    with pytest.raises(SystemExit):
        runpy.run_path(str(BUS_AREA), run_name="__main__")
    assert "generate it with --bus axi-lite or --bus wishbone" in capsys.readouterr().err
