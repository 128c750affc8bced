"""Compiled simulations are found again by all that went in, and by nothing less."""

import shutil

import pytest

from sstdp_sim.simulation.compiled_cache import KEPT_PROGRAMS, CompiledCache

SOURCES, FLAGS = (b"module a;", b"module b;"), ("-O3", "trace")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def cache(folder, sources=SOURCES, flags=FLAGS):
    return CompiledCache(folder, "harness", sources, flags)


def built(folder, text="program", **changes):
    made = cache(folder, **changes)
    assert not made.restore()
    (folder / "harness").write_text(text)
    (folder / "verilated.o").write_text("runtime")
    (folder / "harness").chmod(0o755)
    made.keep()


def test_a_program_is_found_again_and_can_be_run(tmp_path):
    built(tmp_path / "one")
    assert cache(tmp_path / "two").restore()
    assert (tmp_path / "two" / "harness").read_text() == "program"
    assert (tmp_path / "two" / "harness").stat().st_mode & 0o100


@pytest.mark.parametrize(
    "changes",
    [
        {"sources": (b"module a; ", b"module b;")},
        {"sources": (b"module a;m", b"odule b;")},
        {"flags": ("-O3",)},
        {"flags": ("-O3trace",)},
    ],
)
def test_other_verilog_or_flags_are_compiled(tmp_path, changes):
    built(tmp_path / "one")
    assert not cache(tmp_path / "two", **changes).restore()
    assert not (tmp_path / "two" / "harness").exists()


def test_another_version_of_a_tool_is_compiled(tmp_path, monkeypatch):
    built(tmp_path / "one")
    monkeypatch.setattr("sstdp_sim.simulation.compiled_cache.version", lambda name: "0.0")
    assert not cache(tmp_path / "two").restore()


def test_a_new_design_gets_the_runtime(tmp_path):
    built(tmp_path / "one")
    assert not cache(tmp_path / "two", sources=(b"module c;",)).restore()
    assert (tmp_path / "two" / "verilated.o").read_text() == "runtime"


def test_only_the_most_recent_programs_stay(tmp_path, own_cache):
    for number in range(KEPT_PROGRAMS + 3):
        built(tmp_path / "build", sources=(str(number).encode(),))
        shutil.rmtree(tmp_path / "build")
    assert len(list((own_cache / "sstdp-hw" / "verilator" / "programs").iterdir())) == KEPT_PROGRAMS
    assert cache(tmp_path / "again", sources=(str(KEPT_PROGRAMS + 2).encode(),)).restore()
    assert not cache(tmp_path / "again", sources=(b"0",)).restore()


def test_where_no_cache_can_be_written_a_temporary_one_serves(tmp_path, own_cache, capsys):
    own_cache.write_text("a file, not a folder")
    built(tmp_path / "one")
    assert cache(tmp_path / "two").restore()
    assert own_cache.read_text() == "a file, not a folder"
    assert capsys.readouterr().err.count("No cache is kept: ") == 1
