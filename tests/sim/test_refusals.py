"""What cannot be simulated is refused in one line, before anything is written."""

import shutil

import numpy as np
import pytest

from sstdp_hw.base.errors import UserError
from sstdp_hw.command.cli import main


@pytest.fixture
def copy(generated, tmp_path):
    return shutil.copytree(generated, tmp_path / "copy")


def test_python_without_its_shared_library(monkeypatch):
    from sstdp_sim.simulation import simulator

    monkeypatch.delenv("LIBPYTHON_LOC", raising=False)
    monkeypatch.setattr(simulator, "find_libpython", lambda: None)
    with pytest.raises(UserError, match="install the package libpython3-dev"):
        simulator.check_simulator("verilator")


def test_the_verb_refuses_in_one_line(copy, tmp_path, capsys):
    for name, size in (("other", 7), ("fits", 8)):
        images = np.zeros((2, size, size), np.uint8)
        np.savez(tmp_path / f"{name}.npz", images=images, labels=np.zeros(2, int))
    fits = ["--dataset", str(tmp_path / "fits.npz")]
    for arguments, text in [
        (["--dataset", "nothing"], "Data set must be"),
        (["--dataset", str(tmp_path / "other.npz")], "input shape [1, 8, 8], not [1, 7, 7]"),
        (["--dataset", "digits", "--samples", "0"], "Samples must be a positive number"),
        (["--dataset", "digits", "--samples", "600"], "at most the 599 images of digits, not 600"),
        (["--dataset", "digits"], "labels must be below the network's 7 classes, not 9"),
        (["--dataset", "digits", "--simulator", "modelsim"], "Simulator must be verilator or"),
        (["--dataset", "digits", "--seed", "-1"], "Seed must be between 0 and"),
        (["--dataset", "digits", "--waves", "."], "must be a file name, not a folder"),
        (["--dataset", "digits", "--gaps", "1.0"], "Gaps must be a chance between"),
        ([*fits, "--mutate", "all"], "Mutation must be of a weight or threshold"),
        ([*fits, "--mutate", "weight", "--mutate-layer", "2"], "must be between 0 and 1, not 2"),
        ([*fits, "--every-spike"], "generate with --no-early-exit"),
    ]:
        assert main(["simulate", str(copy), *arguments]) == 2
        (error,) = capsys.readouterr().err.splitlines()  # and no word of what it is about to do
        assert error.startswith("sstdp-hw simulate: error:") and text in error
    assert not (copy / "results.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", "mutants", "{folder}", "--count", "3"],
        ["verify", "stress", "{folder}", "--beats", "100"],
        ["evaluate", "{folder}/network.safetensors"],
        ["explore", "{folder}/network.safetensors"],
        ["generate", "{folder}/network.safetensors", "--max-luts", "9000", "--out", "out"],
    ],
)
def test_images_of_another_shape_are_refused_before_a_verb_begins(
    arguments, generated, tmp_path, capsys
):
    """16 x 16 pixels could be cut into four images of this network."""
    np.savez(tmp_path / "other.npz", images=np.zeros((2, 16, 16), np.uint8), labels=[0, 1])
    arguments = [each.format(folder=generated) for each in arguments]
    assert main([*arguments, "--dataset", str(tmp_path / "other.npz")]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "images must have the network's input shape [1, 8, 8], not [1, 16, 16]" in error
