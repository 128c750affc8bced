"""Generating again into a folder loses nothing that is still true, and says what else is lost."""

import dataclasses
import os

import pytest
from support.networks import small_network

from sstdp_hw.base import locks
from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.command.cli import main
from sstdp_rtl.generator.generate import generate

RESULTS = ["build/ulx3s-25f/accelerator.bit", "mutation/results.json", "record.json", "results.npz"]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """The network file, and what `generate` makes of it."""
    folder = tmp_path_factory.mktemp("fresh")
    small_network().save(folder / "network.safetensors")
    generate(small_network(), Configuration((6, 7), 4, True), folder / "out")
    return folder


@pytest.fixture
def used(fresh, tmp_path):
    """A folder with results and a build; files are copied, so that none is shared."""
    folder = tmp_path / "out"
    for name in RESULTS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    for path in (fresh / "out").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def content(folder):
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def run(fresh, folder, lanes="6,7"):
    file = str(fresh / "network.safetensors")
    return main(
        ["generate", file, "--lanes", lanes, "--pixels-per-beat", "4", "--out", str(folder)]
    )


def test_the_same_again_changes_nothing(fresh, used, capsys):
    before, inode = content(used), used.stat().st_ino
    assert run(fresh, used) == 0
    assert content(used) == before and used.stat().st_ino == inode
    said = capsys.readouterr().out
    assert f"Unchanged: {used}" in said and "Removed" not in said


def test_another_accelerator_takes_the_results_with_it_and_says_so(fresh, used, capsys):
    assert run(fresh, used, lanes="4,1") == 0
    said = capsys.readouterr().out
    assert f"Removed with the earlier accelerator: {', '.join(RESULTS)}\n" in said
    assert f"Written: {used}" in said
    assert set(content(used)) == set(content(fresh / "out"))
    assert os.listdir(used.parent) == ["out"]


def test_the_same_verilog_keeps_results_and_only_the_record_goes(used):
    """The record vouches for the network file, whose provenance is another now."""
    before = content(used)
    other = dataclasses.replace(small_network(), provenance={"dataset": "digits"})
    made = generate(other, Configuration((6, 7), 4, True), used)
    assert (made.unchanged, made.removed) == (False, ("record.json",))
    after = content(used)
    assert set(before) - set(after) == {"record.json"}
    assert {name for name in after if after[name] != before[name]} >= {"network.safetensors"}
    assert all(after[name] == before[name] for name in RESULTS if name != "record.json")


def test_a_verilog_that_was_edited_is_not_the_same(used):
    with open(used / "accelerator.v", "a") as file:
        file.write("\n")
    made = generate(small_network(), Configuration((6, 7), 4, True), used)
    assert made.removed == tuple(RESULTS)


def test_a_link_to_a_folder_stays_one(fresh, used, tmp_path):
    link = tmp_path / "link"
    link.symlink_to("out")
    made = generate(small_network(), Configuration((4, 1), 4, True), link)
    assert link.is_symlink() and made.removed == tuple(RESULTS)
    assert set(content(used)) == set(content(fresh / "out"))
    assert sorted(os.listdir(tmp_path)) == ["link", "out"]


def test_a_folder_in_use_is_not_replaced(used):
    before = content(used)
    configuration = Configuration((4, 1), 4, True)
    for held in (locks.reading(used), locks.output(used)):
        with held, pytest.raises(UserError, match="another sstdp-hw works with it"):
            generate(small_network(), configuration, used)
    assert content(used) == before
