"""A network from elsewhere is fine-tuned like one of our own."""

import nir
import numpy as np

from sstdp_hw import FloatNetwork, quantize
from sstdp_hw.command.cli import find_verbs, run_verb


def run(*arguments):
    return run_verb(find_verbs(), [str(argument) for argument in arguments])


def test_training_begins_at_the_imported_weights(tmp_path):
    """With steps of almost no length it ends there, too: the same integers."""
    rng = np.random.default_rng(0)
    layers = []
    for outputs, inputs in ((8, 36), (4, 8)):
        weight = rng.integers(-7, 8, (outputs, inputs)).astype(np.float32)
        r, threshold, reset = (np.full(outputs, value) for value in (1.0, 20.5, -1000.0))
        layers += [nir.Linear(weight), nir.IF(r=r, v_threshold=threshold, v_reset=reset)]
    nir.write(tmp_path / "g.nir", nir.NIRGraph.from_list(*layers))
    images, labels = rng.integers(0, 256, (60, 6, 6), np.uint8), np.arange(60) % 4
    np.savez(tmp_path / "d.npz", images=images, labels=labels)
    data = "--dataset", tmp_path / "d.npz", "--test-dataset", tmp_path / "d.npz"
    run("import", tmp_path / "g.nir", "--steps", 8, *data, "--out", tmp_path / "run")
    imported = FloatNetwork.load(tmp_path / "run")
    found = run(
        "train", "--init", tmp_path / "run", "--out", tmp_path / "tuned", "--weight-width", 4,
        "--epochs", 1, "--learning-rate", 1e-9, "--device", "cpu", "--backend", "torch",
    )  # fmt: skip
    assert found["initial"]["test_accuracy"] == imported.provenance["test_accuracy"]
    tuned = quantize(FloatNetwork.load(tmp_path / "tuned"))[0]
    assert tuned.digest == quantize(imported, 4)[0].digest
    assert found["asked"]["dataset"] == str(tmp_path / "d.npz")  # as the import noted it
