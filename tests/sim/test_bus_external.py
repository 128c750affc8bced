"""Weights in an external memory behind a bus: where they begin is a register, and a reset waits for
what the memory owes."""

from dataclasses import replace

import numpy as np
import pytest
from support.networks import small_network

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import WISHBONE, Configuration
from sstdp_hw.contract.bus_driver import packet_words
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_rtl.generator.generate import generate
from sstdp_sim.bus.check import Outside, expected_answers, play_random
from sstdp_sim.bus.simulation import BusSimulation

TRANSACTIONS = 2500


def with_other_weights(network, seed):
    """Every neuron's weights in another order, the same for all: potentials have the same bounds,
    and inputs without a weight stay what they are."""
    rng, layers, live = np.random.default_rng(seed), list(network.layers), network.live_inputs
    for index, layer in network.weighted:
        order = np.arange(layer.weight.shape[1])
        order[live] = rng.permutation(order[live])
        layers[index] = replace(layer, weight=layer.weight[:, order])
        live = np.ones(layer.weight.shape[0], bool)
    return replace(network, layers=tuple(layers))


@pytest.fixture(scope="module")
def behind_bus(tmp_path_factory):
    """The folder, two networks whose weights fit it, images, the compiled simulation."""
    network = small_network()
    configuration = Configuration(
        (10,), 4, architecture="sequential", weights="external", memory_width=64,
        base_address=0x5000, bus=WISHBONE,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("external") / "accelerator"
    generate(network, configuration, folder)
    images = np.random.default_rng(1).integers(0, 256, (20, 1, 8, 8)).astype(np.uint8)
    networks = [network, with_other_weights(network, 2)]
    directory = GeneratedDirectory.load(folder)
    with BusSimulation(directory) as simulation:
        yield directory, networks, images, simulation


def test_random_traffic_with_resets_at_any_time(behind_bus):
    """Other weights, and a memory that is late, stalls, and stops while a reset is wanted."""
    directory, networks, images, _ = behind_bus
    found = play_random(directory, images, TRANSACTIONS, outside=Outside(networks))
    assert found["findings"] == []
    assert found["answers"] == found["packets"] > 20
    print(found)
