"""`sstdp-hw import` and `export`: the run folder, the table of nodes, and one line where it must
be."""

import json
from pathlib import Path

import nir
import numpy as np
import pytest
from hw.test_nir_rules import LOW, chain, fires

from sstdp_hw import FloatNetwork, Network, Samples, evaluate, read_nir
from sstdp_hw.base import tables
from sstdp_hw.command.cli import main
from sstdp_hw.exchange import refiring
from sstdp_hw.exchange.reading import look_at
from sstdp_hw.exchange.state import Reading

FILES = Path(__file__).parent / "nir_files"


def run(capsys, *arguments):
    """Exit status, stdout and stderr of a command line."""
    capsys.readouterr()
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as stopped:
        status = stopped.code
    return status, *capsys.readouterr()


@pytest.fixture
def graph(tmp_path):
    """Digits in two layers, whose hidden neurons fire again."""
    rng = np.random.default_rng(0)
    hidden, output = rng.normal(0.1, 1, (12, 64)), rng.normal(0.1, 1, (10, 12))
    layers = nir.Linear(hidden), fires((12,), 2, 0), nir.Linear(output), fires((10,), 1, LOW)
    nir.write(tmp_path / "g.nir", chain((64,), *layers))
    return tmp_path / "g.nir"


def test_check(capsys, tmp_path, graph):
    report = tmp_path / "check.json"
    status, out, error = run(capsys, "import", "--check", graph, "--json", report)
    assert (status, error) == (1, f"sstdp-hw import: {graph}: 1 of 6 nodes cannot be mapped\n")
    assert "cannot: may fire again after its reset to 0" in " ".join(out.split())
    found = json.loads(report.read_text())
    assert found["mapped"] is False
    assert [node["node"] for node in found["nodes"] if node["refusals"]] == ["b"]
    assert found["nodes"][1] == {
        "node": "a", "kind": "Linear", "becomes": "weights of layers.1", "refusals": [],
    }  # fmt: skip
    status, out, _ = run(capsys, "import", graph, "--check", "--spike-once", "--json", report)
    assert status == 0 and "neurons of layers.1, 12, which fire once now" in out
    assert json.loads(report.read_text())["mapped"] is True
    (tmp_path / "bad.nir").write_text("x")
    status, _, error = run(capsys, "import", "--check", tmp_path / "bad.nir")
    assert (status, error.count("\n")) == (2, 1)


def test_the_table_of_nodes_at_80_columns(capsys, tmp_path, monkeypatch):
    """Names of a deep module, and refusals: all of it is there, and words tell what is refused."""
    monkeypatch.setattr(tables, "WIDTH_IN_A_PIPE", 80)
    names = [f"network.classifier.a_block_of_many_words.{name}" for name in ("linear", "neurons")]
    nodes = [nir.Linear(np.ones((3, 4))), fires((3,), 1, 0)]
    ends = {"input": nir.Input(np.array([4])), "output": nir.Output(np.array([3]))}
    graph = nir.NIRGraph(
        {"input": ends["input"], **dict(zip(names, nodes, strict=True)), "output": ends["output"]},
        [("input", names[0]), tuple(names), (names[1], "output")],
    )
    nir.write(tmp_path / "deep.nir", graph)
    monkeypatch.chdir(tmp_path)  # its name stands above, and a long one takes two lines
    _, out, _ = run(capsys, "import", "--check", "deep.nir")
    lines = out.splitlines()[1:]
    assert {len(line) for line in lines} == {80} and "\033" not in out
    cells = zip(*(line.split("│")[1:4] for line in lines if line.startswith("│")), strict=True)
    node, kind, becomes = (" ".join(part.strip() for part in column) for column in cells)
    assert all(name in node.replace(" ", "") for name in names)
    assert kind.split() == ["Input", "Linear", "IF", "Output"]
    assert becomes.count("cannot: ") == 1 and "say --spike-once to make it so" in becomes


def test_from_graph_to_integers(capsys, tmp_path, graph):
    """Import, quantize, evaluate, report: each takes what the one before wrote."""
    folder, network = tmp_path / "run", tmp_path / "run" / "network.safetensors"
    command = ["import", graph, "--steps", 8, "--cutoff", 32, "--spike-once", "--dataset", "digits"]
    status, out, _ = run(capsys, *command, "--out", folder)
    assert status == 0 and "Neurons before --spike-once" in out
    result = json.loads((folder / "import.json").read_text())
    assert sorted(path.name for path in folder.iterdir()) == ["float.safetensors", "import.json"]
    assert result["input_shape"] == [1, 8, 8] and result["asked"]["dataset"] == "digits"
    assert run(capsys, "quantize", folder, "--weight-width", 4, "--out", network)[0] == 0
    assert json.loads((folder / "quantize.json").read_text())["dataset"] == "digits"
    assert run(capsys, "evaluate", network)[0] == 0
    status, out, _ = run(capsys, "report", folder)
    assert status == 0 and "Import" in out and "accuracy before neurons fired once" in out
    assert "train.json" not in out


def test_what_firing_once_changes_is_counted(capsys, tmp_path, graph):
    """Against one image after the other, neuron by neuron."""
    command = ["import", graph, "--steps", 6, "--spike-once", "--dataset", "digits"]
    assert run(capsys, *command, "--samples", 70, "--out", tmp_path / "run")[0] == 0
    result = json.loads((tmp_path / "run" / "import.json").read_text())
    found, network = result["spike_once"], FloatNetwork.load(tmp_path / "run")
    from sstdp_hw.data import datasets

    samples = datasets.load("digits", "test").first(70)
    (_, hidden), (_, output) = network.weighted
    again = fired = more = right = by_count = 0
    for image, label in zip(samples.images, samples.labels, strict=True):
        times = network.encoder[image].reshape(-1)
        volts, answer, counts = np.zeros(12), np.zeros(10), np.zeros(12, int)
        decided, total = None, np.zeros(10, int)
        silent = np.zeros(10, bool)
        for step in range(6):
            volts += hidden.weight.astype(float) @ (times == step)
            now = volts > 2
            volts[now] = 0
            counts += now
            answer += output.weight.astype(float) @ now
            out = (answer > 1) & ~silent
            if decided is None and (out.any() or step == 5):
                able = out if out.any() else np.ones(10, bool)
                decided = int(np.argmax(np.where(able, answer, -np.inf)))
            answer[out] = LOW
            total += out
        fired, again = fired + (counts > 0).sum(), again + (counts > 1).sum()
        more += counts.sum() - (counts > 0).sum()
        right += decided == label
        by_count += int(np.argmax(total)) == label
    (first, _) = found["layers"]
    assert first["fired"] == fired / 70 and first["fired_again"] == again / 70 > 0
    assert first["more_spikes"] == more / 70
    assert found["accuracy_before"] == right / 70
    assert found["accuracy_before_by_count"] == by_count / 70
    assert found["accuracy_after"] == result["accuracy"] == evaluate(network, samples).accuracy


def test_neurons_that_fire_once_are_played_like_the_reference(tmp_path):
    """All kinds of layers: what resets far below is the spike-once network itself."""
    from hw.random_networks import conv_network

    from sstdp_hw import to_nir

    for seed in range(4):
        network = conv_network(np.random.default_rng(seed), t_max=8)
        graph = look_at(to_nir(network), Reading(t_max=8))
        floats = read_nir(to_nir(network), t_max=8, encoder=network.encoder)
        images = np.random.default_rng(seed).integers(0, 256, (20, *network.input_shape))
        labels = np.zeros(20, np.int64)
        samples = Samples("x", images.astype(np.uint8), labels, network.class_names)
        found = refiring.compare(floats, graph.layers, samples)
        assert found.classes_changed == 0
        assert [layer.fired_again for layer in found.layers] == [0] * len(found.layers)


def test_export_and_back(capsys, tmp_path):
    ready = "ready:digits-64-64-10-4bit"
    status, out, _ = run(capsys, "export", ready, "--out", tmp_path / "d.nir")
    assert status == 0 and f"{tmp_path / 'd.nir'}, {tmp_path / 'd.nir.json'}" in out
    assert run(capsys, "import", tmp_path / "d.nir", "--out", tmp_path / "run")[0] == 0
    target = tmp_path / "run" / "network.safetensors"
    assert run(capsys, "quantize", tmp_path / "run", "--out", target)[0] == 0
    assert Network.load(target).digest == Network.load(ready).digest
    (tmp_path / "d.nir.json").unlink()
    command = ["import", tmp_path / "d.nir", "--encoder", ready, "--out", tmp_path / "other"]
    assert run(capsys, *command)[0] == 0
    command = ["quantize", tmp_path / "other", "--weight-width", 4, "--dataset", "none"]
    assert run(capsys, *command, "--out", tmp_path / "other.safetensors")[0] == 0
    assert Network.load(tmp_path / "other.safetensors").digest == Network.load(ready).digest


def test_data_sets_and_names(capsys, tmp_path):
    graph = chain((12,), nir.Linear(np.ones((3, 12))), fires())
    nir.write(tmp_path / "g.nir", graph)
    images, labels = np.zeros((5, 1, 3, 4), np.uint8), np.array([0, 1, 2, 0, 0])
    np.savez(tmp_path / "d.npz", images=images, labels=labels)
    command = ["import", tmp_path / "g.nir", "--steps", 2, "--dataset", tmp_path / "d.npz"]
    status, out, _ = run(capsys, *command, "--out", tmp_path / "run")
    assert status == 0
    assert "Accuracy in float (rule 6) on 5 train images of" in " ".join(out.split())
    network = FloatNetwork.load(tmp_path / "run")
    assert network.input_shape == (1, 3, 4) and network.name == "g"
    status, _, error = run(capsys, *command, "--samples", 9, "--out", tmp_path / "more")
    assert status == 2 and "Samples must be at most the 5 of" in error
    assert not (tmp_path / "more").exists()


def test_refusals_in_one_line(capsys, tmp_path, graph):
    once = [graph, "--spike-once"]
    cases = {
        "add --out RUN": [*once, "--steps", 8],
        "Time steps must be given": [*once, "--out", tmp_path / "x"],
        "may fire again": [graph, "--steps", 8, "--out", tmp_path / "x"],
        "no such NIR file": [tmp_path / "n.nir", "--steps", 8, "--out", tmp_path / "x"],
        "t_max must be between 1 and 255": [*once, "--steps", 300, "--out", tmp_path / "x"],
        "Cutoff must be left out": [*once, "--encoder", "ready:digits-64-64-10-4bit", "--cutoff", 3, "--out", tmp_path / "x"],  # noqa: E501
        "Steps must be those of the encoder": [*once, "--encoder", "ready:digits-64-64-10-4bit", "--steps", 3, "--out", tmp_path / "x"],  # noqa: E501
        "input shape must be three numbers": [*once, "--steps", 8, "--input-shape", "1,2,3", "--out", tmp_path / "x"],  # noqa: E501
        "--dt: must be a positive number": [*once, "--steps", 8, "--dt", "-1", "--out", tmp_path / "x"],  # noqa: E501
        "must have the network's input shape": [*once, "--steps", 8, "--dataset", "digits", "--input-shape", "1,1,64", "--out", tmp_path / "x"],  # noqa: E501
    }  # fmt: skip
    for text, arguments in cases.items():
        status, _, error = run(capsys, "import", *arguments)
        lines = [line for line in error.splitlines() if not line.startswith("Evaluating")]
        assert (status, len(lines)) == (2, 1) and text in lines[0], (text, error)
        assert not (tmp_path / "x").exists()


def test_an_earlier_run_stays(capsys, tmp_path, graph):
    command = ["import", graph, "--steps", 8, "--spike-once", "--out", tmp_path / "run"]
    assert run(capsys, *command)[0] == 0
    status, _, error = run(capsys, *command)
    assert status == 2 and "must hold no earlier run, and holds float.safetensors" in error
    assert run(capsys, *command, "--overwrite")[0] == 0
    (tmp_path / "run" / "train.json").write_text("{}")
    status, _, error = run(capsys, *command, "--overwrite")
    assert status == 2 and "must hold no trained run" in error
