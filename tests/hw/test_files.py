"""Files are whole or absent, and nobody's folder is deleted."""

import json

import pytest

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import folder_written_whole, read_json, sha256, write_json, written_whole


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
