"""The command line: verbs, exit status, one line per error, JSON."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from hw.random_networks import dense_network, float_network

from sstdp_hw.base import locks
from sstdp_hw.base.errors import UserError
from sstdp_hw.command import cli
from sstdp_hw.command.verb import Verb, VerbFailed
from sstdp_hw.data import datasets
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.network import Network
from sstdp_hw.quantization.quantize import quantize
from sstdp_hw.reference.evaluation import ties_told

VERBS = [
    "train", "import", "quantize", "export", "ready", "evaluate", "explore", "generate", "memory",
    "simulate", "verify", "build", "flash", "run", "board-test", "report", "demo",
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
        assert re.search(rf"^    {verb}\s+\w", out, re.MULTILINE), verb


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
    assert "\ntrain.json\n\n    sstdp-hw train --out " in text
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


@pytest.mark.parametrize("name", ["q", "q.st", "deep/q.4bit", "q."])
def test_quantize_refuses_a_name_that_is_no_network_files(name, capsys, run_folder, tmp_path):
    """A folder may have been meant, and no verb would look for such a file."""
    line = refused(capsys, "quantize", run_folder, "--out", tmp_path / name)
    last = name.rpartition("/")[2]
    assert line == (
        f"{tmp_path / name}: must end in .safetensors; name it {last}.safetensors, or "
        f"{last}/network.safetensors for a folder of its own"
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_data_set_of_another_shape(capsys, run_folder, tmp_path):
    np.savez(tmp_path / "wide.npz", images=np.zeros((4, 9, 9), np.uint8), labels=[0, 1, 2, 3])
    wide = ("--dataset", tmp_path / "wide.npz")
    out = ("--out", tmp_path / "n.safetensors")
    line = refused(capsys, "quantize", run_folder, *wide, "--weight-width", "3", *out)
    assert "images must have the network's input shape [1, 8, 8], not [1, 9, 9]" in line
    line = refused(capsys, "evaluate", run_folder, *wide)
    assert "images must have the network's input shape [1, 8, 8], not [1, 9, 9]" in line


def test_an_output_that_cannot_be_written_is_told_before_the_work(monkeypatch, capsys, tmp_path):
    worked = []
    with_verb(monkeypatch, lambda _options: worked.append(1) or {"answer": 42})
    (tmp_path / "file").write_text("")
    for place, text in (
        (tmp_path, "must be a file name, not a folder"),
        (tmp_path / "file" / "json", "must be a folder to write into"),
        (tmp_path / ("x" * 300) / "json", "File name too long"),
    ):
        assert text in refused(capsys, "try", "--json", place)
    monkeypatch.setattr("os.access", lambda *_arguments: False)  # what a read-only disk says
    assert "must be a folder to write into" in refused(capsys, "try", "--json", tmp_path / "json")
    assert worked == []
    assert run(capsys, "try", "--json", "/dev/stdout")[0] == 0


def test_a_disk_that_fails_is_one_line_and_no_answer(monkeypatch, capsys):
    def action(_options):
        raise OSError(28, "No space left on device", "somewhere")

    with_verb(monkeypatch, action)
    assert "No space left on device" in refused(capsys, "try")


def test_quantize_writes_nothing_for_a_network_that_changed_meanwhile(
    capsys, run_folder, tmp_path, monkeypatch
):
    from sstdp_hw.verbs import quantize

    original = quantize.quantize

    def overtaken(*arguments, **options):
        with open(run_folder / "float.safetensors", "ab") as file:
            file.write(b" ")
        return original(*arguments, **options)

    monkeypatch.setattr(quantize, "quantize", overtaken)
    out = tmp_path / "out" / "network.safetensors"
    assert "float.safetensors: must stay as it was read" in refused(
        capsys, "quantize", run_folder, "--weight-width", "4", "--dataset", "none", "--out", out
    )
    assert not out.parent.exists()


def test_quantize_is_refused_in_a_run_that_trains_and_beside_itself(capsys, run_folder, tmp_path):
    out = tmp_path / "network.safetensors"
    for held in (locks.writing(run_folder), locks.output(out)):
        with held:
            assert "another sstdp-hw works with it" in refused(
                capsys, "quantize", run_folder, "--weight-width", "4", "--out", out
            )


def test_a_float_network_is_quantized_first(capsys, run_folder, tmp_path):
    for asked in (run_folder, run_folder / "float.safetensors"):
        line = refused(capsys, "generate", asked, "--out", tmp_path / "hw")
        assert "and is a float network; quantize it first: sstdp-hw quantize " in line
        assert line.endswith(f"--weight-width 4 --out {run_folder}/network.safetensors")
        assert refused(capsys, "explore", asked).endswith("/network.safetensors")


def test_a_run_folder_stands_for_its_network(run_folder):
    network, _ = quantize(FloatNetwork.load(run_folder), 4)
    network.save(run_folder / "network.safetensors")
    assert Network.load(run_folder).digest == network.digest


def test_usage_errors_are_one_line(capsys):
    for arguments in (["generate"], ["nothing"], ["evaluate", "x", "--samples", "many"]):
        with pytest.raises(SystemExit) as left:
            cli.main(arguments)
        assert left.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert ": error: " in line and line.endswith("--help` tells what there is")


def test_shapes_that_could_be_made_fit_are_told_how(capsys, tmp_path):
    network = dense_network(np.random.default_rng(1), neurons=[4], inputs=(3, 8, 6), t_max=4)
    network.save(tmp_path / "n.safetensors")
    for shape, hint in (
        ((2, 8, 6, 3), "channels come first: images.transpose(0, 3, 1, 2)"),
        ((2, 3, 48), "they have as many pixels: images.reshape(-1, 3, 8, 6)"),
    ):
        np.savez(tmp_path / "d.npz", images=np.zeros(shape, np.uint8), labels=[0, 1])
        line = refused(
            capsys, "evaluate", tmp_path / "n.safetensors", "--dataset", tmp_path / "d.npz"
        )
        assert line.endswith(hint)


def test_ties_that_decide_are_told():
    assert ties_told(0.92, 0.96) is None
    assert ties_told(0.42, 0.98).startswith("Ties decide: in 56.0 % of the images")
