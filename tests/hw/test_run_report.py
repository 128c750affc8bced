"""The report tells what is there, what has not run, and what is out of date."""
# ruff: noqa: E501 - the files of a run read best one a line

import json

import pytest
from support.networks import random_case

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import file_digest
from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.models.energy import energy_estimate
from sstdp_hw.reference import inference as reference
from sstdp_hw.report.document import Section
from sstdp_hw.report.run_report import collect
from sstdp_hw.report.run_sections import sections, summary

PARTS = {
    "train.json": {
        "dataset": "digits",
        "asked": {"dataset": "digits"},
        "recipe": {"name": "digits-qat", "weight_widths": [4, 4]},
        "test_accuracy": 0.91,
        "initial": {"test_accuracy": 0.93},
    },
    "quantize.json": {
        "digest": "net", "network": "digits-64-10", "split": "test", "images": 599,
        "before": {"rule_6": 0.91}, "after": {"rule_6": 0.90},
        "layers": [{"index": 1, "width": 4, "scale": 0.1, "origin": "trained", "clipped": 0.0, "zero": 0.5, "spikes_moved": 0.0}],
    },
    "evaluate.json": {"digest": "net", "additions": 1705.4, "multiply_accumulates": 4736, "layers": []},
    "accelerator/manifest.json": {"name": "digits-64-10", "network": {"digest": "net"}, "verilog_sha256": "v", "layers": []},
    "accelerator/results.json": {
        "verilog_sha256": "v", "images": 599, "mismatches": 0, "first_mismatch": None, "dataset": "digits",
        "hardware_accuracy": 0.90, "efficiency": 0.8, "cycles_per_image": {"mean": 120.0, "min": 60, "max": 200},
    },
    "accelerator/build/ulx3s-85f/utilisation.json": {
        "design": {"verilog_sha256": "v"}, "target": "ulx3s-85f", "kind": "board", "lut": 2457, "ff": 1176, "bram": 4,
        "lut_ram": 111, "multiplier": 0, "fmax_mhz": 100.0, "clock_mhz": 25.0, "timing_met": True,
        "bitstream": {"file": "accelerator.bit", "bytes": 324000}, "available": {"lut": 83640}, "tools": {"yosys": "y"},
    },
}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    for name, content in PARTS.items():
        write(tmp_path, name, content)
    return tmp_path


def write(run, name, content):
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_text(json.dumps(content))


def test_everything_there(run):
    report = collect(run)
    assert report.not_run == {} and report.stale == ()
    figures = report.figures()
    assert figures["float_accuracy"] == 0.93
    assert figures["fine_tuned_accuracy"] == 0.91
    assert figures["integer_accuracy"] == figures["hardware_accuracy"] == 0.90
    assert figures["builds"][0]["microseconds_per_image"] == pytest.approx(1.2)
    rows = dict(summary(figures).rows)
    assert rows["mismatches"] == "0 of 599"
    assert rows["microseconds per image at fmax, ulx3s-85f"] == "1.20"
    assert rows["LUT / FF / block RAM, ulx3s-85f"] == "2,457 / 1,176 / 4"
    assert "not run" not in str(rows)
    assert len(sections(report)) == 7


def test_an_accelerator_alone_names_its_own_folder(tmp_path):
    """What a person copies from there leads to files that exist, and trains nothing into them."""
    for name, content in PARTS.items():
        folder, _, file = name.partition("/")
        if folder == "accelerator" and "build" not in file:
            write(tmp_path, file, content)
    results = file_digest(tmp_path / "results.json")
    write(tmp_path, "record.json", {"files": {"results.json": results, "accelerator.v": "v"}})
    report = collect(tmp_path)
    assert report.not_run == {
        "build/*/utilisation.json": f"sstdp-hw build {tmp_path} --board ulx3s-85f"
    }
    assert summary(report.figures()).title.endswith(" on digits"), "what was simulated"
    (record,) = (part for part in sections(report) if part.title.startswith("Record"))
    assert record.command == f"sstdp-hw verify record {tmp_path / 'record.json'}"


def test_weights_outside_are_built_for_a_device(run):
    """No board has a memory for them, so that the bitstream of one would be refused."""
    manifest = PARTS["accelerator/manifest.json"]
    weights = manifest.get("configuration", {}) | {"weights": "external"}
    write(run, "accelerator/manifest.json", manifest | {"configuration": weights})
    (run / "accelerator/build/ulx3s-85f/utilisation.json").unlink()
    told = collect(run).not_run["accelerator/build/*/utilisation.json"]
    assert told == f"sstdp-hw build {run / 'accelerator'} --device ecp5-85k"


@pytest.mark.parametrize("missing", PARTS)
def test_one_part_missing(run, missing):
    (run / missing).unlink()
    report = collect(run)
    name = "accelerator/build/*/utilisation.json" if "build" in missing else missing
    assert list(report.not_run) == [name]
    made = sections(report)
    assert made[-1].title == "Not in this report"
    assert made[-1].entries[0][0] == name
    assert made[-1].entries[0][1].startswith("sstdp-hw ")


def test_an_energy_estimate_is_called_one(run):
    case = random_case(1, early_exit=True)
    parameters = AcceleratorParameters(case.network, case.configuration)
    found = energy_estimate(parameters, reference.run(case.network, case.images))
    results = PARTS["accelerator/results.json"] | {"energy_estimate": found.to_json()}
    write(run, "accelerator/results.json", results)
    report = collect(run)
    assert dict(summary(report.figures()).rows)["energy per image, an estimate"] == str(found.total)
    [section] = [one for one in sections(report) if "Energy" in one.title]
    assert section.title.endswith("an estimate") and section.headings[1] == "estimate"
    assert section.rows[0][:2] == ("this accelerator", str(found.total))
    activity = {"cycles": 1228, "nets": 900, "toggles_per_net_and_cycle": {"encoder": 0.0214}}
    write(run, "accelerator/results.json", results | {"activity": activity})
    [switching] = [one for one in sections(collect(run)) if one.title == "Switching activity"]
    assert switching.rows == [("encoder", "2.14 %")] and "1,228 clock cycles" in switching.note
    text = section.as_markdown()
    for told in ("Not measured", "45 nm", "Left out: clock tree", "4.6 pJ"):
        assert told in text


def test_without_fine_tuning_the_run_itself_is_the_float_one(run):
    write(run, "train.json", {"recipe": {"weight_widths": []}, "test_accuracy": 0.97})
    figures = collect(run).figures()
    assert (figures["float_accuracy"], figures["fine_tuned_accuracy"]) == (0.97, None)


def test_accuracy_on_training_images_is_not_the_integer_accuracy(run):
    write(run, "quantize.json", {**PARTS["quantize.json"], "split": "train"})
    assert collect(run).figures()["integer_accuracy"] is None


@pytest.mark.parametrize(
    "name, change, gone",
    [
        ("evaluate.json", {"digest": "old"}, ["evaluate.json"]),
        ("accelerator/results.json", {"verilog_sha256": "old"}, ["accelerator/results.json"]),
        (
            "accelerator/manifest.json",
            {"network": {"digest": "old"}},
            [
                "accelerator/manifest.json",
                "accelerator/results.json",
                "accelerator/build/ulx3s-85f/utilisation.json",
            ],
        ),
        (
            "accelerator/build/ulx3s-85f/utilisation.json",
            {"design": {"verilog_sha256": "old"}},
            ["accelerator/build/ulx3s-85f/utilisation.json"],
        ),
    ],
)
def test_part_of_another_network_is_left_out(run, name, change, gone):
    write(run, name, {**PARTS[name], **change})
    report = collect(run)
    assert [line.split(" ")[0] for line in report.stale] == gone
    if "results" in "".join(gone):
        assert report.figures()["mismatches"] is None


def test_mismatch_is_shown(run):
    first = "image 3, layer layers.1, step 2, neuron 5: expected a spike, got none"
    write(
        run,
        "accelerator/results.json",
        {**PARTS["accelerator/results.json"], "mismatches": 2, "first_mismatch": first},
    )
    text = "".join(section.as_markdown() for section in sections(collect(run)))
    assert "| mismatches | 2 of 599 |" in text and first in text


def test_no_run(tmp_path):
    with pytest.raises(UserError, match="no such run folder"):
        collect(tmp_path / "none")
    with pytest.raises(UserError, match="must hold a result of at least one step"):
        collect(tmp_path)
    (tmp_path / "train.json").write_text("{")
    with pytest.raises(UserError, match=r"train\.json: the result must be a JSON file"):
        collect(tmp_path)


def test_file_that_its_step_did_not_write(run, capsys):
    from sstdp_hw.verbs.report import write_report

    write(run, "quantize.json", {"digest": "net", "layers": [7]})
    with pytest.raises(UserError, match="a result file must be as its step wrote it"):
        write_report(run)
    assert not (run / "report.md").exists()


def test_markdown_and_table_hold_the_same():
    section = Section("T", ("a", "b"), [("x|y", "1")], note="Says it.")
    assert section.as_markdown() == (
        "## T\n\n| a | b |\n| --- | ---: |\n| x\\|y | 1 |\n\nSays it.\n"
    )
    (made,) = section.shown()
    assert made.row_count == 1 and made.caption == "Says it."


def test_files_that_change_while_they_are_read_make_no_report(run, monkeypatch):
    """Some would be of one simulation and some of another."""
    from sstdp_hw.verbs import report

    def shown(*_tables):
        write(run, "train.json", PARTS["train.json"] | {"test_accuracy": 0.5})

    monkeypatch.setattr(report, "show", shown)
    with pytest.raises(UserError, match="must not change while it is read, and did"):
        report.write_report(run)
    assert not (run / "report.md").exists()


def test_a_record_of_other_verilog_is_left_out(run):
    results = run / "accelerator/results.json"
    files = {"results.json": file_digest(results), "accelerator.v": "another"}
    manifest = PARTS["accelerator/manifest.json"] | {"verilog": "accelerator.v"}
    write(run, "accelerator/manifest.json", manifest)
    write(run, "accelerator/record.json", {"files": files})
    report = collect(run)
    assert report.record is None and any("record.json" in line for line in report.stale)


def test_a_tool_that_does_two_steps_is_told_once(run):
    name = "accelerator/build/ulx3s-85f/utilisation.json"
    tools = {"yosys": "yosys 1", "nextpnr-ecp5": "nextpnr 2", "ecppack": "nextpnr 2"}
    write(run, name, {**PARTS[name], "tools": tools})
    assert sections(collect(run))[-1].note.endswith("Tools: yosys 1, nextpnr 2.")
