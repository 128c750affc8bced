"""The record of a simulation: written for equal images only, and refused after any change."""

import json
import shutil

import numpy as np
import pytest
from support.networks import small_network

from sstdp_hw.base.files import file_digest
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.command.cli import main
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.report.run_report import collect
from sstdp_hw.report.run_sections import sections
from sstdp_rtl.generator.generate import generate
from sstdp_sim.comparison.cosimulation import Report
from sstdp_sim.comparison.record import publish

COUNT = 33


@pytest.fixture(scope="module")
def simulated(generated, images, tmp_path_factory):
    """A run folder whose accelerator was simulated."""
    folder = tmp_path_factory.mktemp("run") / "accelerator"
    shutil.copytree(generated, folder)
    data = tmp_path_factory.mktemp("data") / "images.npz"
    np.savez(data, images=images[:COUNT], labels=np.arange(COUNT) % 7)
    assert main(["simulate", str(folder), "--dataset", str(data), "--jobs", "1"]) == 0
    return folder


@pytest.fixture
def copy(simulated, tmp_path):
    return shutil.copytree(simulated, tmp_path / "accelerator")


def check(folder, capsys, *options):
    """Exit status and the one line on stderr."""
    status = main(["verify", "--check", str(folder / "record.json"), *options])
    lines = [line for line in capsys.readouterr().err.splitlines() if "verify:" in line]
    assert len(lines) == (status != 0)
    return status, "".join(lines)


def test_an_untouched_record_is_confirmed(copy, capsys):
    assert check(copy, capsys) == (0, "")
    assert check(copy, capsys, "--rerun", "all") == (0, "")
    assert main(["verify", "record", str(copy)]) == 0, "the folder stands for its record"
    capsys.readouterr()


def test_the_report_shows_the_record(copy):
    (record,) = [s for s in sections(collect(copy.parent)) if s.title.startswith("Record")]
    assert ["mismatches", "0"] in [list(row) for row in record.rows]
    assert any(row[0] == "accelerator.v" and len(row[1]) == 64 for row in record.rows)


def test_the_report_leaves_out_the_record_of_other_results(copy):
    results = copy / "results.json"
    results.write_text(results.read_text().replace('"images": 33', '"images": 34'))
    report = collect(copy.parent)
    assert report.record is None and any("record.json" in line for line in report.stale)


@pytest.mark.parametrize(
    "name",
    ["accelerator.v", "manifest.json", "network.safetensors", "results.json", "results.npz"],
)
def test_a_changed_byte_is_refused(copy, name, capsys):
    path = copy / name
    data = bytearray(path.read_bytes())
    for place in (0, len(data) // 2, len(data) - 1):
        changed = data.copy()
        changed[place] ^= 1
        path.write_bytes(changed)
        status, line = check(copy, capsys)
        assert status == 2 and name in line and "sha256 of the record" in line


def test_a_changed_byte_of_the_record_is_refused(copy, capsys):
    path = copy / "record.json"
    data = path.read_bytes()
    for place in range(3, len(data), 211):
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(changed)
        if json_value(changed) == json.loads(data):
            continue  # one blank for another
        assert check(copy, capsys)[0] == 2, data[place - 20 : place + 20]


def json_value(data):
    try:
        return json.loads(data)
    except ValueError:
        return None


def forged(folder, capsys, change):
    """A record whose own hash is right, but not what it tells."""
    from sstdp_sim.comparison import record

    path = folder / "record.json"
    content = json.loads(path.read_text())
    del content["record_sha256"]
    change(content)
    path.write_text(json.dumps(content | {"record_sha256": record._digest(content)}))
    return check(folder, capsys)


def test_forged_records_are_refused(copy, tmp_path, capsys):
    (tmp_path / "other").write_text("not in the folder")

    def leads_out(content):
        content["files"]["../other"] = "0" * 64

    assert "must name a file beside it" in forged(copy, capsys, leads_out)[1]

    def other_images(content):
        content["dataset"]["digest"] = "0" * 64
        del content["files"]["../other"]

    assert "dataset_digest of results.json" in forged(copy, capsys, other_images)[1]
    forge_results(copy, dataset_digest="0" * 64)
    assert "data set" in forged(copy, capsys, lambda c: rehash(copy, c))[1]
    assert "mismatches of results" in forged(copy, capsys, lambda c: c.update(mismatches=1))[1]
    forge_results(copy, mismatches=1)
    assert "without a mismatch" in forged(copy, capsys, lambda c: rehash(copy, c))[1]


def forge_results(folder, **fields):
    path = folder / "results.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def rehash(folder, content):
    """All hashes right again."""
    for name in content["files"]:
        content["files"][name] = file_digest(folder / name)


def test_answers_that_are_not_the_references_are_refused(copy, capsys):
    """Whoever forges answers and all hashes still has to forge the network."""
    with np.load(copy / "results.npz") as file:
        arrays = dict(file)
    arrays["predicted"][5] += 1
    np.savez(copy / "results.npz", **arrays)
    line = forged(copy, capsys, lambda content: rehash(copy, content))[1]
    assert "predicted of all 33 images must be what" in line


def test_a_record_of_another_verilog_than_the_results_is_refused(copy, capsys):
    """Every hash of the record is right, and nobody has simulated this Verilog."""
    generate(small_network(), Configuration((20, 3), 4, True), copy.parent / "other")
    for name in ("accelerator.v", "manifest.json"):
        shutil.copyfile(copy.parent / "other" / name, copy / name)
    status, line = forged(copy, capsys, lambda content: rehash(copy, content))
    assert status == 2 and "verilog_sha256 of results.json must be that of the record" in line


def test_answers_that_cannot_be_read_are_refused(copy, capsys):
    (copy / "results.npz").write_bytes(b"PK no archive")
    status, line = forged(copy, capsys, lambda content: rehash(copy, content))
    assert status == 2 and "results.npz must hold the answers" in line


@pytest.mark.parametrize("name", ["accelerator.v", "manifest.json", "network.safetensors"])
def test_nothing_is_published_for_files_that_changed_meanwhile(copy, name, capsys, monkeypatch):
    """Simulated is what was read at the start."""
    before = {path.name: path.read_bytes() for path in copy.iterdir()}

    def replaced_meanwhile(directory, images, labels, **_options):
        with open(copy / name, "ab") as file:
            file.write(b"\n")
        return Report(json.loads(before["results.json"]), {})

    monkeypatch.setattr("sstdp_sim.comparison.cosimulation.cosimulate", replaced_meanwhile)
    few = copy.parent / "few.npz"
    np.savez(few, images=np.zeros((3, 8, 8), np.uint8), labels=[0, 1, 2])
    assert main(["simulate", str(copy), "--dataset", str(few)]) == 2
    assert f"{name}: must stay as it was read, and changed meanwhile" in capsys.readouterr().err
    after = {path.name: path.read_bytes() for path in copy.iterdir()}
    assert after == before | {name: before[name] + b"\n"}


def test_the_record_holds_what_was_read_and_written_not_what_lies_there(copy, monkeypatch):
    """Between the results and the record somebody else writes results."""
    directory = GeneratedDirectory.load(copy)
    report = Report(json.loads((copy / "results.json").read_text()), {"predicted": np.arange(3)})
    save = Report.save

    def overtaken(self, folder):
        written = save(self, folder)
        (folder / "results.json").write_text("{}")
        return written

    monkeypatch.setattr(Report, "save", overtaken)
    publish(directory, report)
    record = json.loads((copy / "record.json").read_text())
    assert record["files"]["results.json"] != file_digest(copy / "results.json")


def test_no_record_of_a_mismatch(copy):
    directory = GeneratedDirectory.load(copy)
    result = json.loads((copy / "results.json").read_text())
    publish(directory, Report(result | {"mismatches": 1}, {}))
    assert not (copy / "record.json").exists()
