"""Weights that are loaded, in the generated Verilog: every simulator, other networks, hostile
loads, the cycle model, what must be noticed."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support.loading import for_all, sibling
from support.networks import small_network
from support.quick_simulator import QUICK

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.command.cli import main
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.memory_image import loading_cycles, memory_image
from sstdp_hw.models.cycles import cycles_per_image
from sstdp_hw.network.layers import Dense
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference
from sstdp_rtl.generator.generate import generate
from sstdp_sim import Accelerator
from sstdp_sim.comparison.cosimulation import cosimulate
from sstdp_sim.comparison.mutation import changed_network, choose, patch
from sstdp_sim.simulation.loads import Load, Loads
from sstdp_sim.simulation.packets import Packets
from sstdp_sim.simulation.simulator import Simulation
from sstdp_sim.stress import loads as hostile
from sstdp_sim.stress.beats import findings, play, random_stream

NETWORKS = [small_network(), sibling(small_network(), 7)]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loadable") / "accelerator"
    first, _ = for_all(Configuration((4, 7)), NETWORKS)
    generate(first.network, first.configuration, folder)
    return GeneratedDirectory.load(folder)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(4).integers(0, 256, (40, 1, 8, 8), np.uint8)


@pytest.fixture(scope="module")
def data_set(images, tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "images.npz"
    np.savez(file, images=images, labels=np.arange(len(images)) % 7)
    return file


def test_every_network_that_fits_on_every_simulator(directory, data_set, simulator, tmp_path):
    other = tmp_path / "other.safetensors"
    NETWORKS[1].save(other)
    for options, network, results in (
        ([], NETWORKS[0], "results.json"), (["--network", str(other)], NETWORKS[1], "loaded"),
    ):  # fmt: skip
        assert not main([
            "simulate", str(directory.path), "--dataset", str(data_set), "--simulator", simulator,
            "--gaps", "0.2", "--backpressure", "0.2", *options,
        ])  # fmt: skip
        path = directory.path / results
        found = json.loads((path / "results.json" if path.is_dir() else path).read_text())
        assert (found["images"], found["mismatches"]) == (40, 0)
        assert found["network_digest"] == network.digest


@pytest.mark.parametrize("architecture", ["streaming", "sequential"])
def test_potentials_of_one_bit(architecture, tmp_path):
    """The least that a layer can need: a neuron with one weight and the threshold 0."""
    layer = Dense(np.array([[1]], np.int16), np.zeros(1, np.int32), 2)
    encoder = np.where(np.arange(256) > 99, 1, 3).astype(np.uint8)
    network = Network("bit", 3, (1, 1, 1), ("a",), encoder, (layer,))
    configuration = Configuration((1,), weights="loadable", architecture=architecture)
    generate(network, configuration, tmp_path / "out")
    directory = GeneratedDirectory.load(tmp_path / "out")
    assert directory.parameters.membrane_widths == (1,)
    images = np.array([0, 255, 99, 100, 0], np.uint8).reshape(-1, 1, 1, 1)
    report = cosimulate(directory, images, np.zeros(5, int), simulator=QUICK)
    assert report.result["mismatches"] == 0, report.result["first_mismatch"]
    assert report.arrays["silent"].tolist() == [True, False, True, False, True]


def test_the_predicted_cycles_are_those_of_the_verilog(directory, images):
    """Loaded before the first image and again between images."""
    parameters = directory.parameters
    places = (0, 5, 6, 23)
    words = memory_image(parameters)
    with Simulation.of(directory.verilog, parameters) as simulation:
        answers = simulation.run(
            Packets.of_images(images, 1), loads=Loads([Load(words, place) for place in places]),
            timeout_cycles=20_000,
        )  # fmt: skip
    took = answers.loads[:, 3] - answers.loads[:, 2]
    assert took[0] == loading_cycles(parameters) and len(took) == len(places)
    predicted = cycles_per_image(
        parameters, reference.run(directory.network, images), loads=places[1:]
    )
    assert np.diff(answers.cycles, prepend=answers.first_beats[0] - 1).tolist() == (
        predicted.tolist()
    )


def test_hostile_loads(directory, images):
    result = play(directory, images, 8_000)
    assert not result["findings"]
    assert result["loads"] > 20 and result["loads_refused"] > 5 and result["resets"] > 5


def test_a_mixed_answer_would_be_found(directory, images):
    """The same stream, judged as if another network had been loaded, or one more load had come."""
    parameters = directory.parameters
    random = np.random.default_rng(1)
    stream = random_stream(parameters, images, random, 60)
    with Simulation.of(directory.verilog, parameters, images=2) as simulation:
        answers = simulation.run(
            stream.packets, answers=stream.answers, loads=stream.loads, timeout_cycles=20_000
        )
    assert findings(stream, answers) == []
    plan = stream.plan
    swapped = replace(plan, words=plan.words[::-1])
    assert findings(replace(stream, plan=swapped), answers)
    later = answers.loads.copy()
    later[-1, 0] += 1
    assert findings(stream, replace(answers, loads=later))
    refused = replace(plan, refusals=[4] * len(plan.refusals))
    assert findings(replace(stream, plan=refused), answers)


def test_a_flipped_bit_in_the_image_is_what_the_changed_network_answers(directory, images):
    inference = reference.run(directory.network, images)
    for kind, layer in (("weight", 0), ("weight", 1)):
        mutation = choose(directory, images, inference, kind, layer, 3)
        changed = reference.run(changed_network(directory, mutation), images)
        words = patch(directory, mutation).applied(memory_image(directory.parameters))
        with Simulation.of(directory.verilog, directory.parameters, memories=words) as simulation:
            answers = simulation.run(Packets.of_images(images, 1), timeout_cycles=20_000)
        assert (answers.words & 0xFF).tolist() == changed.classes.tolist()
        assert (changed.classes != inference.classes).any() or (
            changed.decision_times != inference.decision_times
        ).any()


def test_the_python_object_loads_another_network(directory, images):
    with Accelerator(directory.path) as accelerator:
        for network in (NETWORKS[0], NETWORKS[1], NETWORKS[0]):
            found = accelerator.load(network).predict(images)
            assert found.classes.tolist() == reference.run(network, images).classes.tolist()
        with pytest.raises(UserError, match="time steps must be 6"):
            accelerator.load(replace(small_network(t_max=5), source="other"))
        assert accelerator.network is NETWORKS[0]


def test_wrong_images_are_of_every_kind(directory):
    random = np.random.default_rng(2)
    words = memory_image(directory.parameters)
    kinds = {hostile.wrong_image(words, random)[1] for _ in range(60)}
    assert kinds == {1, 2, 3, 4}
