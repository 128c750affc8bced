"""The Verilog as generated maps to families that no build here knows, without any preparation."""

import numpy as np
import pytest
from support.networks import random_dense

from sstdp_hw.base.fpga_tools import find_tool, run_tool
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.network.layers import Flatten
from sstdp_hw.network.network import Network
from sstdp_rtl.generator.generate import generate

# Families that no build knows; the first three have no LUT RAM with the ports that are wanted.
FLOWS = (
    "synth_gatemate",
    "synth_efinix",
    "synth_quicklogic -family qlf_k6n10f",
    "synth_anlogic",
)


@pytest.fixture(scope="module")
def accelerator(tmp_path_factory):
    """18 groups keep their potentials in block RAM, 3 groups in LUT RAM, where there is any."""
    rng = np.random.default_rng(0)
    layers = (Flatten(), random_dense(rng, 18, 9, 3), random_dense(rng, 3, 18, 3))
    encoder = (np.arange(256) // 60).astype(np.uint8)
    network = Network("tiny", 4, (1, 3, 3), ("a", "b", "c"), encoder, layers)
    folder = tmp_path_factory.mktemp("portable") / "accelerator"
    return generate(network, Configuration((1, 1)), folder).directory / "accelerator.v"


@pytest.mark.parametrize("flow", FLOWS)
def test_no_memory_is_refused(accelerator, flow, tmp_path):
    """Up to the choice of memories, where a demand that cannot be met stops yosys; what follows is
    logic."""
    (tmp_path / "accelerator.v").write_bytes(accelerator.read_bytes())
    script = f"read_verilog accelerator.v\n{flow} -top accelerator -run :map_ffram\n"
    (tmp_path / "run.ys").write_text(script)
    run_tool(find_tool("yosys"), ["-q", "-l", "log", "run.ys"], tmp_path, log="log")
    assert "layer_0" in (tmp_path / "log").read_text()
