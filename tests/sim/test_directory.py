"""What is simulated is what was generated, or it is refused."""

import json
import re
import shutil

import numpy as np
import pytest
from support.networks import small_network

from sstdp_hw.base.errors import UserError
from sstdp_hw.command.cli import main
from sstdp_sim.simulation.directory import GeneratedDirectory


@pytest.fixture
def copy(generated, tmp_path):
    return shutil.copytree(generated, tmp_path / "copy")


def test_python_without_its_shared_library(monkeypatch):
    from sstdp_sim.simulation import simulator

    monkeypatch.delenv("LIBPYTHON_LOC", raising=False)
    monkeypatch.setattr(simulator, "find_libpython", lambda: None)
    with pytest.raises(UserError, match="install the package libpython3-dev"):
        simulator.check_simulator("verilator")


def test_a_missing_directory(tmp_path):
    with pytest.raises(UserError, match="no such manifest file"):
        GeneratedDirectory.load(tmp_path / "nowhere")


def test_edited_verilog(copy):
    verilog = copy / "accelerator.v"
    verilog.write_text(verilog.read_text().replace("endmodule", "endmodule ", 1))
    with pytest.raises(UserError, match="must be the file that the manifest describes"):
        GeneratedDirectory.load(copy)


def test_another_network(copy):
    other = copy / "network.safetensors"

    small_network(seed=6).save(other)
    with pytest.raises(UserError, match="must be the network of the manifest"):
        _ = GeneratedDirectory.load(copy).network


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        (("top",), "x; initial $finish", "top must be 'accelerator', as configuration says"),
        (("configuration", "name"), "mine", "top must be 'mine_accelerator'"),
        (("configuration", "name"), "a; b", "Name must be letters, digits and single underscores"),
        (("configuration", "name"), 3, "configuration must be whole"),
    ],
)
def test_a_manifest_with_another_top(copy, field, value, text):
    """It goes into the Verilog around the accelerator."""
    manifest = json.loads((copy / "manifest.json").read_text())
    part = manifest
    for key in field[:-1]:
        part = part[key]
    part[field[-1]] = value
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=re.escape(text)):
        _ = GeneratedDirectory.load(copy).parameters


@pytest.mark.parametrize("name", ["../accelerator.v", "/etc/passwd", "", "missing.v", "."])
def test_a_manifest_that_points_elsewhere(copy, name):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["verilog"] = name
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="must name a file beside it"):
        GeneratedDirectory.load(copy)


@pytest.mark.parametrize(
    ("lanes", "text"),
    [
        ([20, 7], "configuration must be the one of the Verilog, not lanes 20,7"),
        (["a", 7], "configuration must be whole"),
        (5, "configuration must be whole"),
    ],
)
def test_a_manifest_with_another_configuration(copy, lanes, text):
    """Lanes decide the efficiency that is reported."""
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["configuration"]["lanes"] = lanes
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=text):
        _ = GeneratedDirectory.load(copy).parameters


@pytest.mark.parametrize("field", ["name", "probes", "layers", "configuration", "network"])
def test_a_manifest_with_a_field_missing(copy, field):
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest[field]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=f"must have the field '{field}'"):
        GeneratedDirectory.load(copy)


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
        (["--dataset", "digits", "--waves", "x.fst"], "name it x.vcd, or take --simulator icarus"),
        (["--dataset", "digits", "--waves", "x"], "must be .vcd, not without a suffix; name it"),
        (["--dataset", "digits", "--gaps", "1.0"], "Gaps must be a chance between"),
        (["--dataset", "digits", "--mutate", "all"], "Mutation must be of a weight or threshold"),
    ]:
        assert main(["simulate", str(copy), *arguments]) == 2
        error = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
        assert len(error) == 1 and text in error[0]
    assert not (copy / "results.json").exists()
