"""Weights in an external memory behind a bus: where they begin is a register, and a reset waits for
what the memory owes."""

from dataclasses import replace

import numpy as np
import pytest
from support.networks import small_network

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import WISHBONE, Configuration
from sstdp_hw.contract.answer import bus_errors
from sstdp_hw.contract.bus_driver import packet_words
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_rtl.generator.generate import generate
from sstdp_sim.bus.check import Outside, expected_answers, play_random, with_other_weights
from sstdp_sim.bus.simulation import BusSimulation

TRANSACTIONS = 5000


@pytest.fixture(scope="module")
def behind_bus(tmp_path_factory):
    """The folder, two networks whose weights fit it, images, the compiled simulation."""
    network = small_network()
    configuration = Configuration(
        (10,), 4, architecture="sequential", weights="external", memory_width=64,
        base_address=0x9000, bus=WISHBONE,
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
    found = play_random(directory, images, TRANSACTIONS, seed=4, outside=Outside(networks))
    assert found["findings"] == []
    assert found["answers"] == found["packets"] and min(found["of_each"]) > 2
    counts = found["counts"]
    assert counts["transactions"] >= TRANSACTIONS and counts["silent"] > 3
    assert min(counts[name] for name in ("resets", "refused", "empty", "errors", "owed")) > 10


def test_random_traffic_on_a_memory_that_fails(behind_bus):
    """Errors of AXI, and beats that come after nobody waits any more: an answer is right, or says
    that it is not; also of what was asked for before a reset."""
    directory, networks, images, _ = behind_bus
    found = play_random(
        directory,
        images,
        TRANSACTIONS,
        seed=5,
        outside=Outside(networks, fails=0.2, latency=(0, 5)),
    )
    assert found["findings"] == [] and found["answers"] == found["packets"]
    assert 3 < found["flagged"] < found["answers"] - 3


def test_a_memory_that_fails_flags_the_images_it_failed_and_no_others(behind_bus):
    """Each image has bursts of its own. Behind a burst that is late fetches fail at once, until it
    has come; then all is well again, and from other weights on, too."""
    directory, networks, images, simulation = behind_bus
    plan = directory.parameters.tiled.plan
    once = sum(
        len(plan.bus.bursts(plan.base + offset, plan.beats(tile)))
        for tile, offset in zip(plan.tiles, plan.offsets, strict=False)
    )
    packets = [packet_words(image, "pixels", 0) for image in images]
    faults = {2 * once: "slverr", 6 * once - 1: "decerr", 9 * once + 1: "late"}
    found = simulation.play(
        "drive", groups=[packets, packets[:6]], weights=[0, 1], hold=False,
        digest=directory.network.digest, patience=2 * plan.bus.timeout,
        memory=Outside(networks, faults=faults).job(directory),
    )  # fmt: skip
    expected = np.concatenate([
        expected_answers(directory, part, network)
        for part, network in zip((packets, packets[:6]), networks, strict=True)
    ])  # fmt: skip
    words = np.array(found["replies"])[:, 0]
    flagged = bus_errors(words)
    np.testing.assert_array_equal(words[~flagged], expected[~flagged])
    assert found["memory"]["failed"] == 3 and found["memory"]["broken"] == []
    *single, late = np.flatnonzero(flagged[:10]).tolist()
    assert (single, late) == ([2, 5], 9)
    again = int(np.argmin(flagged[9:])) + 9
    assert again < 19 and not flagged[again:].any()


def test_the_driver_starts_from_one_address_and_from_another(behind_bus):
    """Answers are those of the weights there, also of the ones it has had before; more packets than
    the queue holds, while the next tiles are on their way."""
    directory, networks, images, simulation = behind_bus
    packets = [packet_words(image, "pixels", 0) for image in images]
    turns = [0, 1, 0, 1]
    groups = [packets[:12], packets, packets[12:], packets[:5]]
    found = simulation.play(
        "drive", groups=groups, weights=turns, hold=False, digest=directory.network.digest,
        memory=Outside(networks).job(directory),
    )  # fmt: skip
    expected = [
        expected_answers(directory, group, networks[turn])
        for group, turn in zip(groups, turns, strict=True)
    ]
    np.testing.assert_array_equal(np.array(found["replies"])[:, 0], np.concatenate(expected))
    assert found["status"] == 0 and found["memory"]["broken"] == []
    both = [expected_answers(directory, packets, network) for network in networks]
    assert (both[0] != both[1]).sum() > 5


def test_weights_that_the_accelerator_was_not_made_for_are_refused(behind_bus):
    directory, (network, _), _, _ = behind_bus
    index, layer = network.weighted[1]
    layers = list(network.layers)
    layers[index] = replace(layer, threshold=layer.threshold + 1)
    other = replace(network, layers=tuple(layers))
    with pytest.raises(UserError, match=r"Network 1 must have weights for which .*another accel"):
        Outside([network, other]).job(directory)
