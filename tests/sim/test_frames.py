"""Packets of the wrong length: answered, flagged, and the next image unharmed."""

import numpy as np
import pytest

from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.reference import inference as reference
from sstdp_sim.simulation.packets import Packets, Traffic
from sstdp_sim.simulation.simulator import Simulation

PIXELS_PER_BEAT, BEATS = 4, 16
ERROR = 1 << 17

# Name, beats played, whether tlast comes on the last one.
SHORT, LONG, OPEN, GOOD = (5, True), (BEATS + 9, True), (BEATS, False), (BEATS, True)


@pytest.fixture(scope="module")
def simulation(generated, simulator):
    directory = GeneratedDirectory.load(generated)
    with Simulation(
        directory.verilog, beat_bytes=PIXELS_PER_BEAT, max_beats=2 * BEATS, simulator=simulator
    ) as running:
        yield running


def play(simulation, images, kinds, answers, traffic):
    data = (
        np.random.default_rng(0)
        .integers(0, 256, (len(kinds), 2 * BEATS * PIXELS_PER_BEAT))
        .astype(np.uint8)
    )
    data[:, : BEATS * PIXELS_PER_BEAT] = images[: len(kinds)].reshape(len(kinds), -1)
    packets = Packets(
        data, np.array([beats for beats, _ in kinds]), np.array([last for _, last in kinds])
    )
    return simulation.run(packets, answers=answers, traffic=traffic, timeout_cycles=5000)


def word(network, image):
    found = reference.run(network, image[None])
    return int(found.classes[0]) | int(found.decision_times[0]) << 8 | int(found.silent[0]) << 16


@pytest.mark.parametrize("traffic", [Traffic(), Traffic(90, 120, 7)], ids=["full", "stalls"])
def test_short_and_long_packets(simulation, generated, images, traffic):
    network = GeneratedDirectory.load(generated).network
    kinds = [GOOD, SHORT, GOOD, LONG, GOOD, (1, True), (2 * BEATS, True), GOOD, SHORT, SHORT, GOOD]
    answers = play(simulation, images, kinds, len(kinds), traffic)
    assert not answers.extra and not answers.violated
    assert len(answers.words) == len(kinds)
    for number, (kind, found) in enumerate(zip(kinds, answers.words.tolist(), strict=True)):
        image = images[number].copy()
        # Missing pixels do not fire: the same as the darkest pixel, which this encoder silences.
        image.reshape(-1)[kind[0] * PIXELS_PER_BEAT :] = 0
        assert network.encoder[0] == network.t_max
        flag = 0 if kind is GOOD else ERROR
        assert found == word(network, image) | flag, f"packet {number}"


def test_a_missing_tlast_joins_two_packets_and_harms_no_third(simulation, generated, images):
    """By AXI4-Stream a packet ends with tlast: without one between, two images are one packet."""
    network = GeneratedDirectory.load(generated).network
    kinds = [GOOD, OPEN, GOOD, GOOD, OPEN, OPEN, GOOD, GOOD]
    answers = play(simulation, images, kinds, 5, Traffic())
    assert not answers.extra
    wanted = [
        word(network, images[0]),
        word(network, images[1]) | ERROR,
        word(network, images[3]),
        word(network, images[4]) | ERROR,
        word(network, images[7]),
    ]
    assert answers.words.tolist() == wanted
