"""Verilator, Icarus and Amaranth's simulator say the same, cycle for cycle, to the same packets.

The netlist behind yosys' mapping is in rtl/synthesis/test_families.py.
"""

import shutil

import numpy as np
import pytest
from support.networks import random_case, small_network
from support.simulation import Seen
from support.simulation import run as run_amaranth

from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_rtl.generator.generate import generate
from sstdp_sim.simulation.packets import Packets
from sstdp_sim.simulation.simulator import Simulation


def in_amaranth(network, configuration, images):
    seen: Seen = run_amaranth(network, configuration, images)
    return seen.words, np.diff(seen.cycles).tolist()


def in_verilog(folder, simulator, images):
    directory = GeneratedDirectory.load(folder)
    with Simulation.of(directory.verilog, directory.parameters, simulator=simulator) as simulation:
        packets = Packets.of(directory.parameters, images)
        answers = simulation.run(packets, timeout_cycles=50_000)
    return answers.words.tolist(), np.diff(answers.cycles).tolist()


@pytest.mark.parametrize("case", ["small", 3])
def test_three_simulators_agree_in_every_answer_and_cycle(case, generated, images, tmp_path):
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed")
    network, configuration, folder = small_network(), Configuration((6, 7), 4, True), generated
    images = images[:20]
    if case != "small":
        drawn = random_case(case, early_exit=True, images=12)
        network, configuration, images = drawn.network, drawn.configuration, drawn.images
        folder = tmp_path / "accelerator"
        generate(network, configuration, folder)
    said = [
        in_amaranth(network, configuration, images),
        in_verilog(folder, "verilator", images),
        in_verilog(folder, "icarus", images),
    ]
    assert said[0] == said[1] == said[2]
    assert len(said[0][0]) == len(images)
