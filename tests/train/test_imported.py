"""A network from elsewhere is fine-tuned like one of our own."""

import nir
import numpy as np

from sstdp_hw import FloatNetwork, Network, quantize
from sstdp_hw.command.cli import find_verbs, run_verb


def run(*arguments):
    return run_verb(find_verbs(), [str(argument) for argument in arguments])


def test_training_begins_at_the_imported_weights(tmp_path):
    """With steps of almost no length it ends there, too: the same integers."""
    ready = "ready:digits-64-64-10-4bit"
    run("export", ready, "--out", tmp_path / "d.nir")
    run("import", tmp_path / "d.nir", "--dataset", "digits", "--out", tmp_path / "run")
    found = run(
        "train", "--init", tmp_path / "run", "--out", tmp_path / "tuned", "--epochs", 1,
        "--learning-rate", 1e-9, "--device", "cpu",
    )  # fmt: skip
    imported = FloatNetwork.load(tmp_path / "run")
    assert found["initial"]["test_accuracy"] == imported.provenance["test_accuracy"] > 0.95
    tuned = FloatNetwork.load(tmp_path / "tuned")
    assert quantize(tuned, 4, scales=[1, 1])[0].digest == Network.load(ready).digest


def test_a_foreign_graph_is_trained_for_a_width(tmp_path):
    rng = np.random.default_rng(0)
    layers = []
    for outputs, inputs in ((16, 64), (10, 16)):
        neurons = [np.full(outputs, value) for value in (1.0, 1.5, -1000.0)]
        layers += [nir.Linear(rng.normal(0.1, 0.3, (outputs, inputs))), nir.IF(*[
            neurons[place] for place in (0, 1, 2)])]  # fmt: skip
    graph = nir.NIRGraph.from_list(*layers)
    nir.write(tmp_path / "g.nir", graph)
    run(
        "import", tmp_path / "g.nir", "--steps", 8, "--dataset", "digits", "--out", tmp_path / "run"
    )
    found = run(
        "train", "--init", tmp_path / "run", "--weight-width", 4, "--epochs", 2,
        "--out", tmp_path / "tuned", "--device", "cpu",
    )  # fmt: skip
    assert found["test_accuracy"] > found["initial"]["test_accuracy"]
    assert [layer.weight_width for _, layer in FloatNetwork.load(tmp_path / "tuned").weighted] == [
        4, 4,
    ]  # fmt: skip
