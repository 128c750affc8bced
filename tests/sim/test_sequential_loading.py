"""Weights that are loaded into a sequential accelerator, as Verilog and through the verbs."""

import json

import numpy as np
import pytest
from support.conv_networks import random_conv
from support.loading import for_all, sibling
from support.networks import random_dense
from support.quick_simulator import QUICK

from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.command.cli import main
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.memory_image import loading_cycles, memory_image
from sstdp_hw.models.cycles import cycles_per_image
from sstdp_hw.network.layers import Pool2d
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference
from sstdp_rtl.generator.generate import generate
from sstdp_rtl.generator.verilog import emit
from sstdp_sim.comparison.cosimulation import cosimulate
from sstdp_sim.comparison.mutation import changed_network, choose, patch
from sstdp_sim.simulation.loads import Load, Loads
from sstdp_sim.simulation.packets import Packets
from sstdp_sim.simulation.simulator import Simulation
from sstdp_sim.stress.beats import play


@pytest.fixture(scope="module")
def networks():
    """Two of one shape: a convolution, a pool, two dense layers."""
    rng = np.random.default_rng(11)
    conv = random_conv(rng, 4, (1, 6, 6), kernel=(3, 3), stride=(1, 1), padding=(1, 1), width=4)
    hidden, output = random_dense(rng, 7, 4 * 3 * 3, 4), random_dense(rng, 5, 7, 4)
    conv.threshold[:], hidden.threshold[:], output.threshold[:] = 9, 3, 2
    encoder = np.clip((255 - np.arange(256)) // 20, 0, 6).astype(np.uint8)
    layers = (conv, Pool2d((2, 2)), hidden, output)
    first = Network("conv", 6, (1, 6, 6), tuple("abcde"), encoder, layers)
    return [first, sibling(first, 7)]


@pytest.fixture(scope="module")
def directory(networks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("loadable") / "accelerator"
    first, _ = for_all(Configuration((3,), 2, architecture="sequential"), networks)
    generate(first.network, first.configuration, folder)
    return GeneratedDirectory.load(folder)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(4).integers(0, 256, (24, 1, 6, 6), np.uint8)


def test_the_predicted_cycles_are_those_of_the_verilog(directory, images):
    """Loaded before the first image and again between images: the first layer begins anew."""
    parameters = directory.parameters
    places = (0, 5, 6, 17)
    words = memory_image(parameters)
    with Simulation.of(directory.verilog, parameters, simulator=QUICK) as simulation:
        answers = simulation.run(
            Packets.of_images(images, 2), loads=Loads([Load(words, place) for place in places]),
            timeout_cycles=20_000,
        )  # fmt: skip
    took = answers.loads[:, 3] - answers.loads[:, 2]
    assert took[0] == loading_cycles(parameters) and len(took) == len(places)
    inference = reference.run(directory.network, images)
    predicted = cycles_per_image(parameters, inference, loads=places[1:])
    assert np.diff(answers.cycles, prepend=answers.first_beats[0] - 1).tolist() == (
        predicted.tolist()
    )


def test_the_verilog_of_a_shape_is_one(directory, networks):
    other = for_all(Configuration((3,), 2, architecture="sequential"), networks)[1]
    body = directory.verilog[directory.verilog.index("\nmodule ") :]
    assert emit(other).endswith(body)


def test_hostile_loads(directory, images):
    result = play(directory, images, 3_000)
    assert not result["findings"]
    assert result["loads"] > 10 and result["loads_refused"] > 2 and result["resets"] > 2


def test_a_mutation_of_the_image_is_named(directory, images):
    result = cosimulate(
        directory, images, np.zeros(len(images), int), mutate=("weight", 1, 3), simulator=QUICK
    ).result
    assert result["mismatches"] > 0 and "layers.2" in result["first_mismatch"]


def test_a_flipped_bit_in_the_image_is_what_the_changed_network_answers(directory, images):
    inference = reference.run(directory.network, images)
    mutation = choose(directory, images, inference, "threshold", 1, 3)
    changed = reference.run(changed_network(directory, mutation), images)
    words = patch(directory, mutation).applied(memory_image(directory.parameters))
    with Simulation.of(
        directory.verilog, directory.parameters, memories=words, simulator=QUICK
    ) as simulation:
        answers = simulation.run(Packets.of_images(images, 2), timeout_cycles=20_000)
    assert (answers.words & 0xFF).tolist() == changed.classes.tolist()


def test_the_verbs(directory, images, networks, tmp_path, capsys):
    other, data = tmp_path / "other.safetensors", tmp_path / "images.npz"
    networks[1].save(other)
    np.savez(data, images=images, labels=np.arange(len(images)) % 5)
    out, told = tmp_path / "weights.bin", tmp_path / "told.json"
    assert main(["memory", str(other), "--for", str(directory.path), "--out", str(out),
                 "--json", str(told)]) == 0  # fmt: skip
    found = json.loads(told.read_text())
    assert found["words"] == directory.manifest["memories"]["words"] == out.stat().st_size // 4
    names = [region["name"] for region in directory.manifest["memories"]["regions"]]
    assert names == ["spontaneous", "encoder_table", "engine_weights", "engine_initial"]
    assert main(["simulate", str(directory.path), "--dataset", str(data), "--network", str(other),
                 "--simulator", QUICK, "--json", str(told)]) == 0  # fmt: skip
    found = json.loads(told.read_text())
    assert (found["images"], found["mismatches"]) == (24, 0)
    assert found["network_digest"] == networks[1].digest
