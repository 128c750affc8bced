"""The cache: what was built is not built again, what changed or was damaged is."""

import json
import os

import pytest
from rtl.synthesis import stand_in
from rtl.synthesis.stand_in_tools import YOSYS, Tools

from sstdp_rtl import implement
from sstdp_rtl.synthesis import plan
from sstdp_rtl.synthesis.cache import _KEPT, Cache

ALL = ["yosys", "nextpnr-ecp5"]


@pytest.fixture
def tools(tmp_path, monkeypatch):
    return Tools(tmp_path / "tools", monkeypatch)


def run(accelerator, **options):
    return implement(accelerator, device="ecp5-25k", **options)


def test_the_same_call_again_is_answered_from_the_cache(accelerator, tools, capsys):
    first = run(accelerator)
    assert tools.calls() == ALL
    second = run(accelerator)
    assert tools.calls() == []
    assert (first.cached, second.cached) == (False, True)
    assert {**first.to_json(), "cached": True} == second.to_json()
    assert "taken from the cache" in capsys.readouterr().err
    written = json.loads((accelerator / "build/ecp5-25k/utilisation.json").read_text())
    assert written == second.to_json()


def test_a_copy_elsewhere_is_the_same_build(accelerator, tools, tmp_path):
    run(accelerator)
    tools.calls()
    copy = stand_in.write(tmp_path / "copy")
    result = run(copy)
    assert tools.calls() == []
    assert result.folder == str(copy / "build" / "ecp5-25k")
    assert (copy / "build/ecp5-25k/utilisation.json").is_file()


@pytest.mark.parametrize(
    "options",
    [{"seeds": (2,)}, {"clock_mhz": 100.2}, {"speed": "8"}, {"package": "CABGA256"}],
    ids=lambda options: next(iter(options)),
)
def test_any_option_that_counts_is_another_build(accelerator, tools, options):
    run(accelerator)
    tools.calls()
    assert not run(accelerator, **options).cached
    assert tools.calls() == ALL


def test_another_verilog_or_tool_is_another_build(accelerator, tools):
    run(accelerator)
    stand_in.write(accelerator, inputs=13)
    assert not run(accelerator).cached
    tools.put("yosys", YOSYS, version="1.1")
    assert not run(accelerator).cached
    assert run(accelerator).cached


def test_the_sources_of_flow_and_boards_count(tmp_path, monkeypatch):
    """A board's gateware stands in a wing of its own."""
    sources = [tmp_path / "synthesis" / "flow.py", tmp_path / "boards" / "top.py"]
    for source in sources:
        source.parent.mkdir()
        source.write_text("")
    monkeypatch.setattr(plan, "__file__", str(tmp_path / "synthesis" / "plan.py"))
    found = {plan._source_hash()}
    for source in sources:
        source.write_text("changed")
        found.add(plan._source_hash())
    assert len(found) == 3


def test_another_source_of_the_flow_is_another_build(accelerator, tools, monkeypatch):
    run(accelerator)
    monkeypatch.setattr("sstdp_rtl.synthesis.plan._source_hash", lambda: "changed")
    assert not run(accelerator).cached


def test_force_builds_again_and_renews_the_entry(accelerator, tools):
    run(accelerator)
    tools.calls()
    assert not run(accelerator, force=True).cached
    assert tools.calls() == ALL
    assert run(accelerator).cached


def overwrite(entry):
    (entry / "utilisation.json").write_text("{}")


def truncate(entry):
    path = entry / "yosys.log"
    path.write_bytes(path.read_bytes() + b"x")


def lose_file(entry):
    (entry / "yosys.log").unlink()


def add_file(entry):
    (entry / "stranger").write_text("")


def lose_index(entry):
    (entry / "entry.json").unlink()


def spoil_index(entry):
    (entry / "entry.json").write_text("[1, 2")


@pytest.mark.parametrize(
    "damage", [overwrite, truncate, lose_file, add_file, lose_index, spoil_index]
)
def test_a_damaged_entry_is_built_again(accelerator, tools, own_cache, damage, capsys):
    first = run(accelerator)
    (entry,) = own_cache.iterdir()
    damage(entry)
    tools.calls()
    capsys.readouterr()
    again = run(accelerator)
    assert tools.calls() == ALL
    assert "damaged" in capsys.readouterr().err
    assert not again.cached
    assert again.fmax_mhz == first.fmax_mhz
    assert run(accelerator).cached  # and mended


def test_an_entry_that_is_whole_but_no_result_is_built_again(accelerator, tools, own_cache):
    run(accelerator)
    (entry,) = own_cache.iterdir()
    files = entry.parent / "files"
    files.mkdir()
    (files / "utilisation.json").write_text('{"format_version": 1}')
    Cache(own_cache).store(entry.name, files)
    tools.calls()
    assert not run(accelerator).cached
    assert tools.calls() == ALL


def test_a_cache_that_cannot_be_written_spoils_no_build(accelerator, tools, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    result = run(accelerator, cache=tmp_path / "file")
    assert result.lut == 5
    assert "not kept in the cache" in capsys.readouterr().err


def test_only_the_most_recently_used_entries_are_kept(tmp_path):
    cache = Cache(tmp_path / "cache")
    files = tmp_path / "files"
    files.mkdir()
    for number in range(_KEPT):
        cache.store(f"{number:064}", files)
        os.utime(tmp_path / "cache" / f"{number:064}", (number, number))
    assert cache.find(f"{0:064}")  # used: no longer the oldest
    cache.store("f" * 64, files)
    left = {path.name for path in (tmp_path / "cache").iterdir()}
    assert len(left) == _KEPT
    assert f"{1:064}" not in left
    assert {f"{0:064}", "f" * 64} <= left
