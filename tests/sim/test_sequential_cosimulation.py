"""The sequential architecture as Verilog, and through the verbs."""

import json
import re

import numpy as np
import pytest
from support.conv_networks import random_conv
from support.networks import random_dense, small_network
from support.quick_simulator import QUICK

from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.command.cli import main
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.models.cycles import cycles_per_image, latency_per_image
from sstdp_hw.network.layers import Pool2d
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference
from sstdp_rtl.generator.generate import generate
from sstdp_sim.comparison.cosimulation import cosimulate
from sstdp_sim.comparison.mutation import choose, find
from sstdp_sim.simulation.packets import Traffic


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two convolutions with a pool between them, two dense layers; every spike is made."""
    rng = np.random.default_rng(11)
    first = random_conv(rng, 5, (1, 7, 7), kernel=(3, 3), stride=(1, 1), padding=(1, 1), width=4)
    second = random_conv(rng, 6, (5, 3, 3), kernel=(2, 3), stride=(1, 2), padding=(0, 1), width=3)
    hidden, output = random_dense(rng, 7, 6 * 2 * 2, 4), random_dense(rng, 5, 7, 4)
    first.threshold[:], second.threshold[:] = 9, 3
    hidden.threshold[:], output.threshold[:] = 3, 2
    encoder = np.clip((255 - np.arange(256)) // 20, 0, 6).astype(np.uint8)
    layers = (first, Pool2d((2, 2)), second, hidden, output)
    network = Network("conv", 6, (1, 7, 7), tuple("abcde"), encoder, layers)
    folder = tmp_path_factory.mktemp("sequential") / "out"
    generate(network, Configuration((3,), 2, False, architecture="sequential"), folder)
    images = rng.integers(0, 256, (12, 1, 7, 7)).astype(np.uint8)
    images[rng.random(images.shape) < 0.4] = 0
    return GeneratedDirectory.load(folder), images


def test_every_spike_and_every_cycle(made):
    directory, images = made
    report = cosimulate(
        directory, images, np.zeros(len(images), int), simulator=QUICK, every_spike=True
    )
    assert report.result["mismatches"] == 0, report.result["first_mismatch"]
    assert report.result["protocol_findings"] == []
    predicted = cycles_per_image(directory.parameters, reference.run(directory.network, images))
    np.testing.assert_array_equal(predicted, report.arrays["cycles"])
    assert len({*reference.run(directory.network, images).classes.tolist()}) > 1, "a dull set"


def test_images_that_come_one_at_a_time(made):
    directory, images = made
    images = images[:4]
    report = cosimulate(
        directory, images, np.zeros(len(images), int), simulator=QUICK,
        traffic=Traffic(isolated=True),
    )  # fmt: skip
    predicted = latency_per_image(directory.parameters, reference.run(directory.network, images))
    np.testing.assert_array_equal(predicted[1:], report.arrays["latency"][1:])


@pytest.mark.parametrize("kind", ["weight", "threshold"])
@pytest.mark.parametrize("layer", range(4))
def test_numbers_of_a_layer_are_where_the_manifest_says(made, kind, layer):
    """The row that a mutation would hit holds the number, beside the rows of the other layers."""
    directory, images = made
    inference = reference.run(directory.network, images)
    mutation = choose(directory, images, inference, kind, layer, 3)
    memories = directory.manifest["layers"][layer]["memories"]
    memory = memories["weights" if kind == "weight" else "initial"]
    assert mutation.module == memory["module"]
    assert memory["first_row"] <= mutation.row < memory["first_row"] + memory["rows"]
    place = find(directory.verilog, mutation)
    digits = directory.verilog[place.start : place.end]
    low = place.bit - (memory["width"] - 1)
    found = int(digits, 16) >> low & (1 << memory["width"]) - 1
    found -= (found >> memory["width"] - 1) << memory["width"]
    p = directory.parameters.layers[layer]
    row = p.layer.weight[mutation.neuron].reshape(-1)
    wanted = row[mutation.input] if kind == "weight" else p.initial[mutation.neuron]
    assert found == wanted


def test_a_mutation_is_named(made):
    directory, images = made
    layer = 2
    result = cosimulate(
        directory, images, np.zeros(len(images), int), simulator=QUICK,
        mutate=("weight", layer, 3),
    ).result  # fmt: skip
    assert result["mismatches"] > 0
    name = directory.parameters.layers[layer].name
    assert re.match(rf"image \d+, (decision of )?{re.escape(name)}, step", result["first_mismatch"])


def test_the_verb(tmp_path, capsys):
    small_network().save(tmp_path / "network.safetensors")
    out = tmp_path / "out"

    def run(*options):
        return main(["generate", str(tmp_path / "network.safetensors"), "--out", str(out),
                     "--architecture", "sequential", *options])  # fmt: skip

    for options, message in (
        (["--weights", "flash"], "invalid choice: 'flash'"),
        (["--lanes", "4,4"], "Lanes must be one number in a sequential architecture"),
        (["--lanes", "4", "--max-luts", "900"], "--lanes cannot be given together with a goal"),
    ):
        try:
            status = run(*options)
        except SystemExit as error:
            status = error.code
        told = capsys.readouterr().err.strip()
        assert status == 2 and message in told and "\n" not in told, told
        assert not out.exists()
    assert run("--lanes", "4") == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["configuration"]["architecture"] == "sequential"
    assert manifest["configuration"]["lanes"] == [4]
    assert [probe["scope"] for probe in manifest["probes"]] == [["encoder"], ["engine"], ["engine"]]
    manifest["configuration"]["architecture"] = "systolic"
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert main(["simulate", str(out), "--dataset", "digits"]) == 2
    assert "configuration.architecture must be streaming or sequential" in capsys.readouterr().err


def test_streaming_folders_say_nothing_of_it(generated):
    directory = GeneratedDirectory.load(generated, with_network=False)
    assert "architecture" not in directory.manifest["configuration"]
    assert "engine" not in directory.verilog
