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
    images = np.zeros((2, 7, 7), np.uint8)
    np.savez(tmp_path / "other.npz", images=images, labels=np.zeros(2, int))
    for arguments, text in [
        (["--dataset", "nothing"], "Data set must be"),
        (["--dataset", str(tmp_path / "other.npz")], "input shape [1, 8, 8], not [1, 7, 7]"),
        (["--dataset", "digits", "--samples", "0"], "Samples must be a positive number"),
        (["--dataset", "digits", "--samples", "600"], "at most the 599 images of digits, not 600"),
        (["--dataset", "digits"], "Labels must be below the network's 7 classes, not 9"),
        (["--dataset", "digits", "--simulator", "modelsim"], "Simulator must be verilator or"),
        (["--dataset", "digits", "--seed", "-1"], "Seed must be between 0 and"),
        (["--dataset", "digits", "--waves", "."], "must be a file name, not a folder"),
        (["--dataset", "digits", "--gaps", "1.0"], "Gaps must be a chance between"),
        (["--dataset", "digits", "--mutate", "all"], "Mutation must be of a weight or threshold"),
    ]:
        assert main(["simulate", str(copy), *arguments]) == 2
        error = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
        assert len(error) == 1 and text in error[0]
    assert not (copy / "results.json").exists()
