"""One process at a time writes a folder or an output, and a lock ends with its owner."""

import os
import signal
import subprocess
import sys

import pytest

from sstdp_hw.base import locks
from sstdp_hw.base.errors import UserError

KINDS = {"reading": locks.reading, "writing": locks.writing, "output": locks.output}

OWNER = """
import sys
from sstdp_hw.base import locks
with getattr(locks, sys.argv[1])(sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def owner():
    """Starts another process that holds a lock until its stdin ends."""
    started = []

    def start(kind, path):
        process = subprocess.Popen(
            [sys.executable, "-c", OWNER, kind, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("reading", "reading", True),
        ("reading", "writing", False),
        ("writing", "reading", False),
        ("writing", "writing", False),
        ("output", "output", False),
        ("output", "reading", True),
    ],
)
def test_who_works_together(first, second, together, tmp_path, owner):
    (tmp_path / "folder").mkdir()
    owner(first, tmp_path / "folder")
    if together:
        with KINDS[second](tmp_path / "folder"):
            return
    with (
        pytest.raises(UserError, match=r"folder: must .*, and another sstdp-hw works with it"),
        KINDS[second](tmp_path / "folder"),
    ):
        raise AssertionError("must not get here")


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_killed_owner_holds_nothing(kind, tmp_path, owner):
    (tmp_path / "folder").mkdir()
    process = owner(kind, tmp_path / "folder")
    process.send_signal(signal.SIGKILL)
    process.wait()
    with locks.writing(tmp_path / "folder"), locks.output(tmp_path / "folder"):
        pass
    assert os.listdir(tmp_path) == ["folder"]


def test_different_outputs_of_a_folder_are_written_at_once(tmp_path):
    with locks.output(tmp_path / "one"), locks.output(tmp_path / "two"):
        assert sorted(os.listdir(tmp_path)) == [".one.lock", ".two.lock"]
    assert os.listdir(tmp_path) == []


def test_a_folder_that_was_replaced_is_locked_itself(tmp_path, monkeypatch):
    """It is replaced between being opened and being locked."""
    folder, moved = tmp_path / "folder", tmp_path / "moved"
    folder.mkdir()
    flock, replaced = locks.fcntl.flock, []

    def flock_late(descriptor, mode):
        if not replaced:
            replaced.append(folder.rename(moved))
            folder.mkdir()
        flock(descriptor, mode)

    monkeypatch.setattr(locks.fcntl, "flock", flock_late)
    with locks.writing(folder), pytest.raises(UserError, match="folder: must not change"):  # noqa: SIM117
        with locks.reading(folder):
            raise AssertionError("must not get here")


def test_a_folder_that_stays_empty_is_taken_away_again(tmp_path):
    with pytest.raises(ZeroDivisionError), locks.writing(tmp_path / "new"):
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), locks.output(tmp_path / "deep" / "file"):
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []
    with locks.writing(tmp_path / "new"):
        (tmp_path / "new" / "file").write_text("")
    (tmp_path / "old").mkdir()
    with locks.writing(tmp_path / "old"):
        pass
    assert sorted(os.listdir(tmp_path)) == ["new", "old"]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for kind in (locks.writing, locks.output):
        with pytest.raises(UserError) as caught, kind(tmp_path / "file" / "below"):
            raise AssertionError("must not get here")
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError), locks.writing(tmp_path / "file"):
        raise AssertionError("must not get here")
    for name in (".", "..", "/"):
        with pytest.raises(UserError, match="must be a file name"), locks.output(name):
            raise AssertionError("must not get here")


def test_a_file_system_without_locks_is_worked_on(tmp_path, monkeypatch):
    def none(_descriptor, _mode):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(locks.fcntl, "flock", none)
    with locks.writing(tmp_path / "folder"), locks.output(tmp_path / "folder" / "file"):
        (tmp_path / "folder" / "file").write_text("")
