"""Convolution and pooling as Verilog: answers, every spike, and a mismatch by its name."""

import re

import numpy as np
import pytest
from support.conv_networks import random_conv, random_conv_case
from support.networks import random_dense
from support.quick_simulator import QUICK

from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.network.layers import Pool2d
from sstdp_hw.network.network import Network
from sstdp_rtl.generator.generate import generate
from sstdp_sim.comparison.cosimulation import cosimulate
from sstdp_sim.simulation.simulator import Traffic


@pytest.mark.parametrize("early_exit", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_random_networks(seed, early_exit, simulator, tmp_path):
    case = random_conv_case(100 + seed, early_exit=early_exit, images=10)
    generate(case.network, case.configuration, tmp_path / "out")
    traffic = Traffic(gap_chance=60, stall_chance=100, seed=seed) if seed else Traffic()
    result = cosimulate(
        GeneratedDirectory.load(tmp_path / "out"), case.images, np.zeros(10, int),
        simulator=simulator, traffic=traffic, every_spike=not early_exit,
    ).result  # fmt: skip
    assert result["mismatches"] == 0, result["first_mismatch"]
    assert result["protocol_findings"] == []


@pytest.fixture(scope="module")
def generated_conv(tmp_path_factory):
    """Two convolutions with a pool between them; images on which the answers differ."""
    rng = np.random.default_rng(11)
    first = random_conv(rng, 5, (1, 9, 9), kernel=(3, 3), stride=(1, 1), padding=(1, 1), width=4)
    second = random_conv(rng, 6, (5, 4, 4), kernel=(2, 3), stride=(1, 2), padding=(0, 1), width=3)
    output = random_dense(rng, 5, 6 * 3 * 2, 4)
    first.threshold[:], second.threshold[:], output.threshold[:] = 12, 3, 2
    encoder = np.clip((255 - np.arange(256)) // 20, 0, 6).astype(np.uint8)
    layers = (first, Pool2d((2, 2)), second, output)
    network = Network("conv", 6, (1, 9, 9), tuple("abcde"), encoder, layers)
    folder = tmp_path_factory.mktemp("conv") / "out"
    generate(network, Configuration((3, 6, 5), 2, True), folder)
    images = rng.integers(0, 256, (40, 1, 9, 9)).astype(np.uint8)
    images[rng.random(images.shape) < 0.5] = 0
    return GeneratedDirectory.load(folder), images


@pytest.mark.parametrize("kind", ["weight", "threshold"])
@pytest.mark.parametrize("layer, name", [(0, r"layers\.0"), (1, r"layers\.2")])
def test_a_mutation_of_a_convolution_is_named(generated_conv, kind, layer, name):
    directory, images = generated_conv
    result = cosimulate(
        directory, images, np.zeros(len(images), int), simulator=QUICK, mutate=(kind, layer, 3)
    ).result
    assert result["mismatches"] > 0
    assert re.fullmatch(
        rf"image \d+, {name}, step \d+, neuron \d+: expected (a spike|none), got (a spike|none)",
        result["first_mismatch"],
    )


def test_predicted_cycles_are_those_of_the_verilog(generated_conv):
    from sstdp_hw.models.cycles import cycles_per_image
    from sstdp_hw.reference import inference as reference

    directory, images = generated_conv
    report = cosimulate(directory, images, np.zeros(len(images), int), simulator=QUICK)
    predicted = cycles_per_image(directory.parameters, reference.run(directory.network, images))
    np.testing.assert_array_equal(predicted, report.arrays["cycles"])
    assert 0.5 < report.result["efficiency"] <= 1
