"""Every family: its tools and its clock, where the memories go, and that the mapped netlist is
still the network."""

import os
import tomllib
from pathlib import Path

import numpy as np
import pytest
from support.networks import small_network

from sstdp_hw.base import fpga_tools
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.fpga_tools import find_tool, run_tool
from sstdp_hw.blocks.hardware import TOP, Configuration
from sstdp_hw.command import cli
from sstdp_hw.reference import inference as reference
from sstdp_rtl.generator.generate import generate
from sstdp_rtl.synthesis.family import CELLS, RESOURCES
from sstdp_rtl.synthesis.implement import bare_plan
from sstdp_rtl.synthesis.mapped import write_mapped
from sstdp_rtl.synthesis.report import mapped_resources, read_memories
from sstdp_rtl.synthesis.targets import BOARDS, DEVICES
from sstdp_sim import Accelerator

ROOT = Path(__file__).parents[3]
#: Every device in its default package and speed grade, and every family once.
CHOSEN = {
    name: device.make(device.packages[0], device.speeds[0]) for name, device in DEVICES.items()
}
FAMILIES = {device.family.name: device.family for device in CHOSEN.values()}
NETWORK = small_network()
# 20 groups keep their potentials in block RAM, 4 groups in LUT RAM, where there is any.
LANES = (1, 2)
# Each costs a processor half a minute; `SSTDP_NETLISTS=all` takes both families with models.
NETLISTS = ["ice40-hx8k"]
if os.environ.get("SSTDP_NETLISTS") == "all":
    NETLISTS += ["gowin-gw2a-18c"]


@pytest.fixture(scope="module")
def accelerator(tmp_path_factory):
    return generate(
        NETWORK, Configuration(LANES), tmp_path_factory.mktemp("families") / "accelerator"
    )


@pytest.fixture(scope="module")
def synthesize(accelerator, tmp_path_factory):
    """From a family to the folder with its netlist; each is synthesized once."""
    made = {}

    def run(family):
        if family.name not in made:
            folder = tmp_path_factory.mktemp("netlist")
            (folder / "accelerator.v").write_bytes(
                (accelerator.directory / "accelerator.v").read_bytes()
            )
            (folder / "run.ys").write_bytes(family.script(TOP))
            run_tool(find_tool("yosys"), ["-q", "-l", "log", "run.ys"], folder, log="log")
            made[family.name] = folder
        return made[family.name]

    return run


@pytest.mark.parametrize("name", FAMILIES)
def test_every_tool_comes_as_a_pinned_wheel_with_the_extra(name):
    place = FAMILIES[name].place
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {
        item.split("==")[0] for item in project["optional-dependencies"]["rtl"] if "==" in item
    }
    packing = () if place is None or place.packing is None else (place.packing.packer,)
    for tool in () if place is None else (place.tool, *packing):
        _variable, distribution, module, _call = fpga_tools._WHEELS[tool]
        assert distribution in pinned
        assert find_tool(tool).version.startswith(f"{distribution} ")
        assert module in "".join(find_tool(tool).command)


@pytest.mark.parametrize("name", [name for name in CHOSEN if CHOSEN[name].family.place])
def test_the_clock_of_the_bare_accelerator_has_a_pin_where_nextpnr_asks_for_one(name, accelerator):
    device, place = CHOSEN[name], CHOSEN[name].family.place
    plan = bare_plan("device", accelerator.directory, name, device, 100.0, (1,))
    pins = plan.files.get(f"{TOP}.{place.pins}", b"").decode()
    assert bool(device.clock_pin) == bool(place.bare_pins) == bool(pins)
    if pins:
        assert device.clock_pin in pins and "aclk" in pins
        assert plan.place_arguments[-1].endswith(f"{TOP}.{place.pins}")
    script = plan.files["synthesis.ys"].decode()
    assert "{" not in script
    assert "--out-of-context" in plan.place_arguments or f"delete -port {TOP}/*" in script


def test_every_family_of_a_board_makes_a_bitstream():
    assert all(board.device.family.place.packing for board in BOARDS.values())


def test_the_page_on_builds_names_every_device_and_unit():
    page = (ROOT / "docs" / "build.md").read_text()
    assert [name for name in DEVICES if f"`{name}`" not in page] == []
    cells = {
        cell
        for family in FAMILIES.values()
        for resource in family.resources.values()
        for cell in resource.placed
    }
    assert sorted(cell for cell in cells if f"`{cell}`" not in page) == []


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_each_memory_goes_where_the_family_has_room_for_it(synthesize, family):
    folder = synthesize(family)
    kinds = read_memories((folder / "log").read_text(), family)

    def kinds_of(*words):
        return {kind for name, kind in kinds.items() if all(word in name for word in words)}

    assert kinds_of("weights") == {"block"}
    assert kinds_of("layer_0", "membranes") == {"block"}
    assert kinds_of("table") == {"logic"}
    if family.lut_ram:
        assert kinds_of("heads") == {"lut_ram"}
        assert kinds_of("layer_1", "membranes") == {"lut_ram"}
    else:  # an asynchronous port without LUT RAM: a few registers
        assert kinds_of("heads") == {"logic"}
        assert "lut_ram" not in kinds.values()
    used = mapped_resources(folder / CELLS, family)
    assert set(used) == set(family.resources) == set(RESOURCES)
    assert used["carry"] > 0


@pytest.mark.parametrize("device", NETLISTS)
def test_the_mapped_netlist_answers_as_the_reference(accelerator, device, tmp_path):
    """The weights have arrived in the block RAM cells; with one bit of them wrong this fails."""
    made = write_mapped(accelerator.directory, tmp_path / "netlist", device=device)
    assert made["made_of"] == accelerator.manifest["verilog_sha256"]
    images = np.random.default_rng(3).integers(0, 256, (40, *NETWORK.input_shape), dtype=np.uint8)
    expected = reference.run(NETWORK, images)
    with Accelerator(tmp_path / "netlist") as simulated:
        found = simulated.predict(images)
    assert len(set(expected.classes.tolist())) > 2
    assert np.array_equal(found.classes, expected.classes)
    assert np.array_equal(found.decision_times, expected.decision_times)


def test_a_netlist_of_cells_without_models_is_refused(accelerator, tmp_path):
    with pytest.raises(UserError, match=r"no model of its block RAM.*ice40-up5k"):
        write_mapped(accelerator.directory, tmp_path / "netlist", device="ecp5-25k")
    assert not (tmp_path / "netlist").exists()


def test_a_netlist_in_the_accelerators_own_folder_is_refused(accelerator):
    """It would wait for ever for who reads the folder: itself."""
    folder = accelerator.directory
    with pytest.raises(UserError, match="the netlist must have a folder of its own"):
        write_mapped(folder, folder / ".." / folder.name, device="ice40-hx8k")


def test_a_netlist_in_a_folder_of_other_files_names_its_option(accelerator, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match=r"other files; choose another --netlist$"):
        write_mapped(accelerator.directory, tmp_path, device="ice40-hx8k")


@pytest.mark.parametrize(
    "option", [("--seed", "1"), ("--clock", "9"), ("--cache", "c"), ("--force",), ("--baud", "9")]
)
def test_options_of_a_build_do_not_go_with_a_netlist(accelerator, option, tmp_path, capsys):
    out = tmp_path / "netlist"
    device = ["--device", "ice40-hx8k", "--netlist", str(out)]
    assert cli.main(["build", str(accelerator.directory), *device, *option]) == 2
    assert f"{option[0]} " in capsys.readouterr().err and not out.exists()
