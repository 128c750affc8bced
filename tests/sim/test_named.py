"""An accelerator with a name of its own goes through every check as one without."""

import numpy as np
import pytest
from support.networks import small_network

from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_rtl.generator.generate import generate
from sstdp_sim.comparison.cosimulation import cosimulate
from sstdp_sim.mutants.harmless import harmless
from sstdp_sim.mutants.logic import logic_faults
from sstdp_sim.mutants.netlist import read_design


@pytest.fixture(scope="module")
def directories(tmp_path_factory):
    """Without a name and with one."""
    out = tmp_path_factory.mktemp("named")
    for name in ("", "mine"):
        generate(small_network(), Configuration((6, 3), 1, False, name=name), out / f"out{name}")
    return [GeneratedDirectory.load(out / folder) for folder in ("out", "outmine")]


def test_every_spike_is_compared(directories, images):
    labels = np.zeros(len(images), np.int64)
    report = cosimulate(directories[1], images[:20], labels[:20], every_spike=True)
    assert report.result["mismatches"] == 0 and report.result["every_spike_compared"]
    report = cosimulate(directories[1], images[:20], labels[:20], mutate=("weight", 0, 0))
    assert report.result["mismatches"] > 0


def test_the_same_faults_are_built_in(directories, tmp_path):
    found = []
    for number, directory in enumerate(directories):
        (tmp_path / str(number)).mkdir()
        modules = read_design(directory.verilog, tmp_path / str(number))
        found.append(
            sorted(
                (
                    fault.module.removeprefix("mine_"),
                    fault.kind,
                    harmless(directory, modules, fault) or "",
                )
                for fault in logic_faults(modules, directory)
            )
        )
    assert found[0] == found[1]
    assert any(kind == "lane" for _, kind, _ in found[0])
    assert any(reason for _, _, reason in found[0])
