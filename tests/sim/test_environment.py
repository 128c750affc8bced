"""Simulations run whatever the user's environment holds for projects of their own."""

import os

import pytest

from sstdp_hw.base.errors import UserError
from sstdp_sim import Accelerator
from sstdp_sim.simulation import environment
from sstdp_sim.simulation.environment import temporary_folder, tool_environment
from sstdp_sim.simulation.runner import last_line
from sstdp_sim.simulation.simulator import check_simulator


@pytest.fixture
def spaces(tmp_path, monkeypatch):
    """The user's folder for temporary files, with a space in its path."""
    folder = tmp_path / "my files"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_a_hostile_environment_changes_no_answer(generated, images, spaces, tmp_path, monkeypatch):
    monkeypatch.setenv("COCOTB_TEST_FILTER", "my_own_test")
    monkeypatch.setenv("COCOTB_TESTCASE", "my_own_test")
    monkeypatch.setenv("MAKEFLAGS", "-n")
    monkeypatch.setenv("CXXFLAGS", "--no-such-option")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # without Python
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # compiled, not found
    with Accelerator(generated) as accelerator:
        assert len(accelerator.predict(images[:4]).classes) == 4
    assert os.environ["COCOTB_TEST_FILTER"] == "my_own_test"
    assert list(spaces.iterdir()) == []


def test_the_environment_is_restored_when_the_last_leaves(monkeypatch):
    monkeypatch.setenv("COCOTB_TESTCASE", "mine")
    before = dict(os.environ)
    with tool_environment():
        with tool_environment():
            assert "COCOTB_TESTCASE" not in os.environ
        assert "COCOTB_TESTCASE" not in os.environ
    assert dict(os.environ) == before


def test_a_folder_that_make_cannot_read_is_replaced(spaces, capsys):
    with temporary_folder() as name:
        assert " " not in name
    assert f"make cannot work in '{spaces}'; compiling in /tmp." in capsys.readouterr().err


def test_no_folder_that_make_can_read_is_one_line(spaces, monkeypatch):
    def refuse(**_options):
        raise PermissionError

    monkeypatch.setattr(environment.tempfile, "TemporaryDirectory", refuse)
    with pytest.raises(UserError, match=f"a path that make can read, and '{spaces}' has not; set"):
        temporary_folder()


def test_a_library_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("LIBPYTHON_LOC", "/nonexistent")
    with pytest.raises(UserError, match="LIBPYTHON_LOC must name Python's shared library, not"):
        check_simulator("verilator")


@pytest.mark.parametrize(
    "log, told",
    [
        (
            "make: Entering directory '/x'\nmake: *** /my: No such file.  Stop.\n"
            "make: Leaving directory '/x'\n",
            "make: *** /my: No such file.  Stop.",
        ),
        ("a.cpp:3: error: no\nmake: *** [Vtop.mk:1: a.o] Error 1\n", "a.cpp:3: error: no"),
        (
            "make: python: No such file or directory\nmake: *** [v.mk:2: all.cpp] Error 127\n",
            "make: python: No such file or directory",
        ),
        ("hello\nModuleNotFoundError: no\n", "ModuleNotFoundError: no"),
        ("  raise self.error\n  a.UserError: ID must be 1\n", "a.UserError: ID must be 1"),
        ("hello\nthe end\n", "it failed; its last words: the end"),
        ("", "it failed"),
    ],
)
def test_the_line_of_a_log_that_says_why(log, told, tmp_path):
    (tmp_path / "log").write_text(log)
    assert last_line(tmp_path / "log", RuntimeError("it failed")) == told
