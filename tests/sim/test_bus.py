"""The accelerator behind a bus: random traffic, the driver, and the cycles of the streams."""

import importlib.util

import numpy as np
import pytest
from support.networks import random_case, small_network, with_spikes

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import AXI_LITE, WISHBONE, Configuration
from sstdp_hw.contract.bus_driver import packet_words
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.models.cycles import latency_per_image
from sstdp_hw.reference import inference as reference
from sstdp_rtl.generator.generate import generate
from sstdp_sim.bus.check import expected_answers, play_random
from sstdp_sim.bus.simulation import BusSimulation
from sstdp_sim.simulation.packets import Packets
from sstdp_sim.simulation.simulator import Simulation

needs_cocotbext = pytest.mark.skipif(
    importlib.util.find_spec("cocotbext") is None, reason="cocotbext-axi is not installed"
)
TRANSACTIONS = 1500


def pixels_on_axi(folder):
    """Streaming, four pixels a beat."""
    generate(small_network(), Configuration((6, 7), 4, True, bus=AXI_LITE), folder)
    images = np.random.default_rng(1).integers(0, 256, (20, 1, 8, 8)).astype(np.uint8)
    return GeneratedDirectory.load(folder), images


def events_on_wishbone(folder):
    """Sequential, an event a word."""
    case = with_spikes(random_case(12, early_exit=True, images=20))
    configuration = Configuration((3,), architecture="sequential", bus=WISHBONE)
    generate(case.network, configuration, folder)
    return GeneratedDirectory.load(folder), case.images


@pytest.fixture(scope="module")
def pixels_behind_axi(tmp_path_factory):
    directory, samples = pixels_on_axi(tmp_path_factory.mktemp("axi") / "accelerator")
    with BusSimulation(directory) as simulation:
        yield directory, samples, simulation


@pytest.fixture(scope="module")
def events_behind_wishbone(tmp_path_factory):
    directory, samples = events_on_wishbone(tmp_path_factory.mktemp("wishbone") / "accelerator")
    with BusSimulation(directory) as simulation:
        yield directory, samples, simulation


@pytest.fixture(
    params=[
        pytest.param("pixels_behind_axi", id="axi-lite", marks=needs_cocotbext),
        pytest.param("events_behind_wishbone", id="wishbone"),
    ]
)
def behind_bus(request):
    return request.getfixturevalue(request.param)


def test_random_traffic_loses_nothing(behind_bus):
    directory, samples, _ = behind_bus
    found = play_random(directory, samples, TRANSACTIONS)
    assert found["findings"] == []
    assert found["answers"] == found["packets"] > 20
    counts = found["counts"]
    assert counts["transactions"] >= TRANSACTIONS
    assert min(counts[name] for name in ("refused", "empty", "errors", "words")) > 20


def test_the_driver_answers_as_the_reference_and_takes_the_cycles_of_the_model(behind_bus):
    """Each sample begins after a reset, which leaves nothing of the one before in the queues, and
    is held back until all of it has come, so that the bus is not measured. Its answer is fetched
    when the interrupt says so."""
    directory, samples, simulation = behind_bus
    network, parameters = directory.network, directory.parameters
    words = [packet_words(sample, network.input_kind, network.t_max) for sample in samples]
    assert max(map(len, words)) <= directory.front.input_depth
    found = simulation.play(
        "drive", groups=[[packet] for packet in words], hold=True, reset=True, interrupt=True,
        digest=network.digest,
    )  # fmt: skip
    replies = np.array(found["replies"])
    np.testing.assert_array_equal(replies[:, 0], expected_answers(directory, words))
    assert found["status"] == 0
    inference = reference.run(network, samples)
    alone = [inference.only(slice(number, number + 1)) for number in range(len(samples))]
    cycles = [latency_per_image(parameters, only)[0] for only in alone]
    assert replies[:, 1].tolist() == cycles
    assert len(set(cycles)) > 1


@needs_cocotbext
def test_answers_and_cycles_are_those_of_the_streams(pixels_behind_axi):
    """Two images, the second behind the first, on the same Verilog."""
    directory, images, simulation = pixels_behind_axi
    parameters = directory.parameters
    words = [packet_words(image, "pixels", 0) for image in images[:2]]
    found = simulation.play("drive", groups=[words], hold=True, digest=directory.network.digest)
    with Simulation.of(directory.verilog, parameters) as streams:
        answers = streams.run(
            Packets.of(parameters, images[:2]), timeout_cycles=parameters.most_cycles
        )
    replies = np.array(found["replies"])
    np.testing.assert_array_equal(replies[:, 0], answers.words)
    np.testing.assert_array_equal(replies[:, 1], answers.cycles - answers.first_beats + 1)


def test_the_driver_sends_ahead(behind_bus):
    """More packets than the queues hold, sent and taken in one go, some of a wrong length."""
    directory, samples, simulation = behind_bus
    network = directory.network
    words = [packet_words(sample, network.input_kind, network.t_max) for sample in samples]
    words[3] = words[3] + words[3][:1]
    found = simulation.play("drive", groups=[words], hold=False, digest=network.digest, pause=0.3)
    replies = [word for word, _ in found["replies"]]
    assert replies == expected_answers(directory, words).tolist()


def test_a_folder_without_a_bus_is_one_line(generated):
    directory = GeneratedDirectory.load(generated)
    with pytest.raises(UserError, match="must have registers of a bus; generate it with --bus"):
        BusSimulation(directory)
