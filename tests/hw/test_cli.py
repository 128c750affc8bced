"""The command line: verbs, exit status, one line per error, JSON."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from hw.random_networks import float_network

from sstdp_hw.base.errors import UserError
from sstdp_hw.command import cli
from sstdp_hw.command.verb import Verb, VerbFailed
from sstdp_hw.data import datasets
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.network import Network

VERBS = [
    "train", "quantize", "ready", "evaluate", "explore", "generate", "simulate", "verify", "build",
    "report", "demo",
]  # fmt: skip


def run(capsys, *arguments):
    """Exit status, stdout and stderr of a command line."""
    try:
        status = cli.main([str(argument) for argument in arguments])
    except SystemExit as stopped:
        status = stopped.code
    return status, *capsys.readouterr()


def refused(capsys, *arguments):
    """The one error line of a command that must exit with status 2."""
    status, _, error = run(capsys, *arguments)
    lines = [line for line in error.splitlines() if "error:" in line]
    assert status == 2
    assert len(lines) == 1
    assert "Traceback" not in error
    return lines[0].partition("error: ")[2]


@pytest.fixture
def run_folder(tmp_path):
    """A run folder whose network classifies digits, badly."""
    network = float_network(
        np.random.default_rng(0), sizes=(64, 30, 10), input_shape=(1, 8, 8),
        provenance={"asked": {"dataset": "digits"}, "test_accuracy": 0.5},
    )  # fmt: skip
    network.save(tmp_path / "run" / "float.safetensors")
    return tmp_path / "run"


def test_all_verbs_are_there_in_the_order_of_the_flow():
    assert list(cli.find_verbs()) == VERBS


def test_help_lists_every_verb(capsys):
    status, out, _ = run(capsys, "--help")
    assert status == 0
    for verb in VERBS:
        assert re.search(rf"^    {verb} +\w", out, re.MULTILINE), verb


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_each_verb_has_an_example(capsys, verb):
    status, out, _ = run(capsys, verb, "--help")
    assert status == 0
    assert f"  sstdp-hw {verb} " in out
    assert "--json FILE" in out
    assert "not available" not in out


def test_version(capsys):
    status, out, _ = run(capsys, "--version")
    assert status == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", out)


def test_as_a_program():
    code = "import sys; from sstdp_hw.command.cli import main; sys.exit(main())"
    answer = subprocess.run(
        [sys.executable, "-c", code, "evaluate", "/nonexistent/n.safetensors"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr == (
        "sstdp-hw evaluate: error: /nonexistent/n.safetensors: no such network file\n"
    )


def with_verb(monkeypatch, action):
    verb = Verb("summary", "description", lambda parser: None, action)
    monkeypatch.setattr(cli, "find_verbs", lambda: {"try": verb})


def test_status_of_each_outcome(monkeypatch, capsys, tmp_path):
    def raising(error):
        def action(_options):
            raise error

        return action

    with_verb(monkeypatch, lambda _options: {"answer": 42})
    assert run(capsys, "try", "--json", tmp_path / "j") == (0, "", "")
    assert json.loads((tmp_path / "j").read_text()) == {"answer": 42}
    with_verb(monkeypatch, raising(VerbFailed("3 images differ", {"mismatches": 3})))
    assert run(capsys, "try", "--json", tmp_path / "k") == (
        1,
        "",
        "sstdp-hw try: 3 images differ\n",
    )
    assert json.loads((tmp_path / "k").read_text()) == {"mismatches": 3}
    with_verb(monkeypatch, raising(UserError("Lanes must be few")))
    assert run(capsys, "try", "--json", tmp_path / "l") == (
        2, "", "sstdp-hw try: error: Lanes must be few\n",
    )  # fmt: skip
    assert not (tmp_path / "l").exists()
    with_verb(monkeypatch, raising(KeyboardInterrupt()))
    assert run(capsys, "try")[0] == 130
    with_verb(monkeypatch, raising(ModuleNotFoundError("no", name="torch")))
    assert run(capsys, "try") == (
        2, "", "sstdp-hw try: error: the Python package torch is missing; pip install "
        "'sstdp-hw[all]' brings it\n",
    )  # fmt: skip
    with_verb(monkeypatch, raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):  # a bug of ours shows itself as one
        cli.main(["try"])


def test_missing_package_leaves_the_other_verbs(monkeypatch, capsys):
    class Point:
        name = "train"

        def load(self):
            raise ModuleNotFoundError("no", name="torch")

    class Good:
        name = "evaluate"

        def load(self):
            return Verb("s", "d", lambda parser: None, lambda options: {})

    monkeypatch.setattr(cli, "entry_points", lambda group: [Good(), Point()])
    assert run(capsys, "evaluate")[0] == 0
    assert refused(capsys, "train").startswith("the Python package torch is missing")


def test_quantize_evaluate_report(capsys, run_folder):
    network = run_folder / "network.safetensors"
    status, out, _ = run(
        capsys, "quantize", run_folder, "--weight-width", "5,3", "--out", network,
        "--json", run_folder / "copy.json",
    )  # fmt: skip
    assert status == 0
    assert "accuracy (rule 6)" in out and "ties counted as correct" in out
    result = json.loads((run_folder / "quantize.json").read_text())
    assert result == json.loads((run_folder / "copy.json").read_text())
    assert result["images"] == 599 and result["split"] == "test"
    assert result["calibration_images"] == 599  # 1,198 training images, every second one
    integers = Network.load(network)
    assert result["digest"] == integers.digest
    assert [layer.weight_width for _, layer in integers.weighted] == [5, 3]
    told = integers.provenance
    assert told["test_accuracy"] == 0.5
    assert told["quantization"]["scales"] == [layer["scale"] for layer in result["layers"]]
    assert told["quantization"]["integer"]["rule_6"] == result["after"]["rule_6"]
    assert "sstdp-hw" in told["quantization"]

    status, out, _ = run(capsys, "evaluate", run_folder, "--json", run_folder / "evaluate.json")
    assert status == 0
    evaluated = json.loads((run_folder / "evaluate.json").read_text())
    assert evaluated["accuracy"] == result["after"]["rule_6"]
    assert evaluated["images"] == 599
    assert evaluated["multiply_accumulates"] == 64 * 30 + 30 * 10

    status, out, _ = run(capsys, "report", run_folder, "--json", run_folder / "report.json")
    assert status == 0
    text = (run_folder / "report.md").read_text()
    accuracy = f"{100 * result['after']['rule_6']:.2f} %"
    assert f"| integer accuracy | {accuracy} |" in text
    assert "| mismatches | not run |" in text
    assert "| train.json | run: sstdp-hw train" in text
    assert json.loads((run_folder / "report.json").read_text())["hardware_accuracy"] is None


def test_evaluate_options(capsys, run_folder, tmp_path):
    float_file = run_folder / "float.safetensors"
    run(
        capsys, "evaluate", float_file, "--samples", "17", "--split", "train",
        "--json", tmp_path / "j",
    )  # fmt: skip
    result = json.loads((tmp_path / "j").read_text())
    assert (result["images"], result["split"], result["kind"]) == (17, "train", "float")
    assert result["digest"] is None
    assert "Samples must be at most the 599 of digits test, not 600" in refused(
        capsys, "evaluate", float_file, "--samples", "600"
    )
    for bad in ("0", "-1", "few", "1.5"):
        assert "must be a positive number or all" in refused(
            capsys, "evaluate", float_file, f"--samples={bad}"
        )
    samples = datasets.load("digits").first(5)
    np.savez(tmp_path / "mine.npz", images=samples.images, labels=samples.labels)
    status, out, _ = run(capsys, "evaluate", float_file, "--dataset", tmp_path / "mine.npz")
    assert status == 0 and "5 test images" in out


def test_quantize_without_data(capsys, run_folder, tmp_path):
    out = tmp_path / "small.safetensors"
    status, _, _ = run(
        capsys, "quantize", run_folder, "--weight-width", "4", "--dataset", "none", "--out", out
    )
    assert status == 0
    result = json.loads((tmp_path / "small.quantize.json").read_text())
    assert result["before"] is result["after"] is result["dataset"] is None
    assert [layer["origin"] for layer in result["layers"]] == ["weights", "weights"]
    Network.load(out)


def test_quantize_on_npz_reports_on_what_it_was_given(capsys, run_folder, tmp_path):
    """An .npz file has no test images; the report says that it is of training images."""
    samples = datasets.load("digits", "train").first(50)
    np.savez(tmp_path / "mine.npz", images=samples.images, labels=samples.labels)
    run(
        capsys, "quantize", run_folder, "--weight-width", "4", "--dataset", tmp_path / "mine.npz",
        "--out", tmp_path / "n.safetensors",
    )  # fmt: skip
    result = json.loads((tmp_path / "n.quantize.json").read_text())
    assert (result["split"], result["images"], result["calibration_images"]) == ("train", 50, 50)


def test_quantize_refuses(capsys, run_folder, tmp_path):
    out = tmp_path / "out" / "n.safetensors"
    assert refused(capsys, "quantize", run_folder, "--weight-width", "17", "--out", out) == (
        "Weight width of layers.1 must be between 1 and 16, not 17"
    )
    assert "was not trained for a weight width" in refused(
        capsys, "quantize", run_folder, "--out", out
    )
    assert "must be one integer, or one per layer" in refused(
        capsys, "quantize", run_folder, "--weight-width", "four", "--out", out
    )
    assert "must not be the float network itself" in refused(
        capsys, "quantize", run_folder, "--weight-width", "4",
        "--out", run_folder / "float.safetensors",
    )  # fmt: skip
    assert "must be a file name, not a folder" in refused(
        capsys, "quantize", run_folder, "--weight-width", "4", "--out", run_folder
    )
    assert "no such float network file" in refused(
        capsys, "quantize", tmp_path / "none", "--weight-width", "4", "--out", out
    )
    assert "Data set must be digits" in refused(
        capsys, "quantize", run_folder, "--weight-width", "4", "--dataset", "mnits", "--out", out
    )
    assert not out.parent.exists()
    FloatNetwork.load(run_folder)  # still whole


def test_quantize_refuses_nan(capsys, run_folder, tmp_path):
    from sstdp_hw.network.tensor_file import read_tensors, write_tensors

    path = run_folder / "float.safetensors"
    tensors, header = read_tensors(path, "float network")
    weight = tensors["layers.1.weight"].copy()
    weight[0, :3] = np.nan
    write_tensors(path, {**tensors, "layers.1.weight": weight}, header)
    line = refused(
        capsys, "quantize", run_folder, "--weight-width", "4", "--out", tmp_path / "n.safetensors"
    )
    assert line.startswith(f"{path}: layers.1.weight must be finite, and has 3 NaN or infinite")
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_data_set_of_another_shape(capsys, run_folder, tmp_path):
    np.savez(tmp_path / "wide.npz", images=np.zeros((4, 9, 9), np.uint8), labels=[0, 1, 2, 3])
    line = refused(capsys, "evaluate", run_folder, "--dataset", tmp_path / "wide.npz")
    assert "images must have the network's input shape [1, 8, 8], not [1, 9, 9]" in line
