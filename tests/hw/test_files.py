"""Files are whole or absent, and nobody's folder is deleted."""

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import (
    file_digest,
    folder_written_whole,
    read_json,
    refuse_changed,
    sha256,
    write_json,
    written_whole,
)


def names(path):
    return sorted(entry.name for entry in path.iterdir())


def test_file_appears_when_the_block_ends(tmp_path):
    target = tmp_path / "deep" / "file"
    with written_whole(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
        temporary.write_text("whole")
    assert target.read_text() == "whole"
    assert names(target.parent) == ["file"]


def test_failure_keeps_the_old_file_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(ZeroDivisionError), written_whole(tmp_path / "file") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_unwritable_place_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="its folder cannot be made"):
        write_json(tmp_path / "file" / "below", {})
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match=r"folder: cannot be written"):
        write_json(tmp_path / "folder", {})
    assert names(tmp_path) == ["file", "folder"]


def test_folder_is_replaced_as_a_whole(tmp_path):
    out = tmp_path / "out"
    for content in ("one", "two"):
        with folder_written_whole(out, marker="manifest") as folder:
            (folder / "manifest").write_text(content)
            (folder / content).write_text("")
            assert folder != out
    assert names(out) == ["manifest", "two"]
    assert names(tmp_path) == ["out"]


def test_failure_keeps_the_old_folder(tmp_path):
    out = tmp_path / "out"
    with folder_written_whole(out, marker="manifest") as folder:
        (folder / "manifest").write_text("old")
    with pytest.raises(ZeroDivisionError), folder_written_whole(out, marker="manifest") as folder:
        (folder / "manifest").write_text("new")
        raise ZeroDivisionError
    assert (out / "manifest").read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_foreign_folder_is_refused(tmp_path):
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter1.tex").write_text("years of work")
    with (
        pytest.raises(UserError, match=r"must be empty or hold manifest\.json"),
        folder_written_whole(out, marker="manifest.json"),
    ):
        raise AssertionError("must not get here")
    assert (out / "chapter1.tex").read_text() == "years of work"
    assert names(tmp_path) == ["thesis"]


def test_empty_folder_is_taken_and_a_file_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with folder_written_whole(tmp_path / "empty", marker="m") as folder:
        (folder / "m").write_text("")
    assert names(tmp_path / "empty") == ["m"]
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match="must be a folder, not a file"),
        folder_written_whole(tmp_path / "file", marker="m"),
    ):
        raise AssertionError("must not get here")


def test_json(tmp_path):
    write_json(tmp_path / "a", {"z": 1, "a": [1.5, None]})
    assert (tmp_path / "a").read_text() == json.dumps({"z": 1, "a": [1.5, None]}, indent=2) + "\n"
    assert read_json(tmp_path / "a", "result") == {"z": 1, "a": [1.5, None]}
    with pytest.raises(UserError, match="must hold finite numbers"):
        write_json(tmp_path / "nan", {"loss": float("nan")})
    with pytest.raises(UserError, match="must be a file name, not a folder"):
        write_json(".", {})
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\x80"])
def test_bad_json_is_one_line(tmp_path, text):
    (tmp_path / "f").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="the result must be a JSON file") as caught:
        read_json(tmp_path / "f", "result")
    assert "\n" not in str(caught.value)


def test_json_of_another_kind(tmp_path):
    (tmp_path / "f").write_text("[]")
    with pytest.raises(UserError, match="the manifest must be a JSON object, not list"):
        read_json(tmp_path / "f", "manifest")
    with pytest.raises(UserError, match="no such manifest file"):
        read_json(tmp_path / "none", "manifest")


def test_borders_count_in_a_hash():
    assert sha256(b"ab", b"c") != sha256(b"a", b"bc")


def test_a_link_is_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk/file")  # leads to nothing yet
    for content in ("one", "two"):
        with written_whole(tmp_path / "link") as temporary:
            temporary.write_text(content)
        assert (tmp_path / "disk" / "file").read_text() == content
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path) == ["disk", "link"] and names(tmp_path / "disk") == ["file"]


def test_a_link_to_a_folder_is_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk/out")
    for content in ("one", "two"):
        with folder_written_whole(tmp_path / "link", marker="m") as folder:
            (folder / "m").write_text(content)
            assert folder.parent == (tmp_path / "disk").resolve()  # a rename stays on its disk
    assert (tmp_path / "link").is_symlink() and (
        tmp_path / "disk" / "out" / "m"
    ).read_text() == "two"
    assert names(tmp_path) == ["disk", "link"] and names(tmp_path / "disk") == ["out"]


def test_a_circle_of_links_is_one_line(tmp_path):
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    for write in (written_whole, lambda path: folder_written_whole(path, marker="m")):
        with pytest.raises(UserError, match="one: must lead to a place to write to"):
            write(tmp_path / "one").__enter__()


def test_a_pipe_is_written_to(tmp_path):
    """A named one, as any device, and one of this process (`--json >(jq)`)."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_json(tmp_path / "pipe", {"a": 1})
    assert json.loads(os.read(reader, 100)) == {"a": 1}
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode) and names(tmp_path) == ["pipe"]
    os.close(reader)
    reader, writer = os.pipe()
    write_json(f"/dev/fd/{writer}", {"a": 2})
    assert json.loads(os.read(reader, 100)) == {"a": 2}
    os.close(reader)
    os.close(writer)
    assert Path("/dev/null").is_char_device()
    write_json("/dev/null", {"a": 3})
    assert Path("/dev/null").is_char_device()


def test_stdout_is_written_to_where_it_stands(tmp_path):
    """Also if the shell redirected it to a file: what was said before and after stays."""
    program = (
        "from sstdp_hw.base.files import write_json\n"
        "print('before')\nwrite_json('/dev/stdout', {})\nprint('after')\n"
    )
    with open(tmp_path / "log", "wb") as log:
        subprocess.run([sys.executable, "-c", program], stdout=log, check=True)
    assert (tmp_path / "log").read_text() == "before\n{}\nafter\n"
    assert names(tmp_path) == ["log"]


def test_a_read_only_disk_is_one_line(tmp_path, monkeypatch):
    """There even the removal of a file that is not there is refused."""

    def refuse(path, *_arguments, **_options):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    for name in ("unlink", "write_text"):
        monkeypatch.setattr(Path, name, refuse)
    with pytest.raises(UserError, match=r"file: cannot be written: .*Read-only file system"):
        write_json(tmp_path / "file", {})
    monkeypatch.setattr(Path, "mkdir", refuse)
    with (
        pytest.raises(UserError, match=r"its folder cannot be made: .*Read-only file system"),
        folder_written_whole(tmp_path / "out", marker="m"),
    ):
        raise AssertionError("must not get here")


def test_the_first_error_is_told_and_not_that_of_clearing_away(tmp_path, monkeypatch):
    def refuse(path, *_arguments, **_options):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(ZeroDivisionError), written_whole(tmp_path / "file"):
        raise ZeroDivisionError


def test_a_folder_whose_new_content_is_taken_away_stays(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "m").write_text("old")
    with folder_written_whole(tmp_path / "out", marker="m") as folder:
        folder.rmdir()
    assert (tmp_path / "out" / "m").read_text() == "old"


def test_changed_and_missing_files_are_refused(tmp_path):
    (tmp_path / "a").write_text("a")
    read = {tmp_path / "a": file_digest(tmp_path / "a")}
    refuse_changed(read, "simulate again")
    (tmp_path / "a").write_text("b")
    with pytest.raises(UserError, match=r"a: must stay as it was read.*, simulate again"):
        refuse_changed(read, "simulate again")
    (tmp_path / "a").unlink()
    with pytest.raises(UserError, match="must stay as it was read"):
        refuse_changed(read, "simulate again")
