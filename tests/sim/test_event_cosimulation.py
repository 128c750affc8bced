"""Networks that take spikes as Verilog: random ones, hostile packets, weights that are loaded, the
Python object.

One random network; ``SSTDP_NETWORKS=60`` takes as many, which is what docs/events.md reports.
"""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from support.conv_networks import random_conv_case
from support.loading import for_all, sibling
from support.networks import random_case, small_network, with_spikes
from support.quick_simulator import QUICK

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.command.cli import main
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.event_packets import EVENT_BYTES, NO_EVENT, event_words
from sstdp_hw.contract.memory_image import loading_cycles, memory_image
from sstdp_hw.models.cycles import cycles_per_image, latency_per_image
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference
from sstdp_rtl.generator.generate import generate
from sstdp_sim.accelerator import Accelerator
from sstdp_sim.comparison.cosimulation import cosimulate
from sstdp_sim.simulation.loads import Load, Loads
from sstdp_sim.simulation.packets import Packets, Traffic
from sstdp_sim.simulation.simulator import Simulation
from sstdp_sim.stress.beats import WEATHER, findings, play, random_stream
from sstdp_sim.stress.stimulus import hostile_images

NETWORKS = int(os.environ.get("SSTDP_NETWORKS", "1"))
SAMPLES = 40
ERROR = 1 << 17


@pytest.mark.parametrize("seed", range(NETWORKS))
def test_random_networks(seed, tmp_path):
    """Dense and convolutional ones in turn, from their file on; every third without early exit and
    with every spike compared. Samples of every density and timing, back to back, with their cycles,
    and behind stalls."""
    make = random_conv_case if seed % 2 else random_case
    early_exit = seed % 3 != 2
    case = with_spikes(make(3000 + seed, early_exit=early_exit))
    case.network.save(tmp_path / "network.safetensors")
    network = Network.load(tmp_path / "network.safetensors")
    generate(network, case.configuration, tmp_path / "out")
    directory = GeneratedDirectory.load(tmp_path / "out")
    samples = hostile_images(network, np.random.default_rng(seed), SAMPLES)
    predicted = cycles_per_image(directory.parameters, reference.run(network, samples))
    for traffic in (Traffic(), Traffic(60, 120, 1 + seed)):
        report = cosimulate(
            directory, samples, np.zeros(len(samples), int), traffic=traffic,
            every_spike=not early_exit,
        )  # fmt: skip
        assert report.result["mismatches"] == 0, report.result["first_mismatch"]
        assert report.result["protocol_findings"] == []
        if traffic.back_to_back:
            assert report.arrays["cycles"].tolist() == predicted.tolist()


@pytest.fixture(scope="module")
def generated_events(tmp_path_factory):
    """The small network with its own spike times; the samples are those of `images`."""
    out = tmp_path_factory.mktemp("events") / "accelerator"
    generate(replace(small_network(), encoder=None), Configuration((6, 7)), out)
    return GeneratedDirectory.load(out)


@pytest.fixture(scope="module")
def times(images):
    return reference.encode(small_network(), images)


@pytest.fixture(scope="module")
def simulation(generated_events):
    with Simulation.of(generated_events.verilog, generated_events.parameters, images=2) as running:
        yield running


@pytest.mark.parametrize("weather", range(len(WEATHER)))
def test_every_packet_gets_its_answer(simulation, generated_events, times, weather):
    """Events out of order, out of range, repeated and none at all, packets without tlast, resets in
    the middle of a packet, of a step and of an answer."""
    traffic, resets = WEATHER[weather]
    random = np.random.default_rng(weather)
    p = generated_events.parameters
    stream = random_stream(p, times, random, 60, resets=resets, malformed=0.5)
    flagged = (stream.words >= 0) & (stream.words & ERROR > 0)
    assert 5 < flagged.sum() < 40
    answers = simulation.run(
        stream.packets, answers=stream.answers, traffic=traffic, timeout_cycles=100_000
    )
    assert findings(stream, answers) == []


@pytest.mark.parametrize("wrong", [
    (lambda words: [*words, 64 | 5 << 24]),  # an index out of range, behind the decision
    (lambda words: [*words, 3]),  # a step before, behind the decision
    (lambda words: [(1 << 24) - 1, *words]),
    (lambda words: [words[-1], *words]),
])  # fmt: skip
def test_a_wrong_event_is_flagged_and_harms_no_other(simulation, generated_events, times, wrong):
    """Also one that comes when the answer is long known."""
    network = generated_events.network
    packets = [event_words(sample, network.t_max).tolist() for sample in times[:5]]
    clean = list(packets)
    packets[2] = wrong(packets[2])
    data = np.full((5, 2 * 64), NO_EVENT, "<u4")
    for row, packet in zip(data, packets, strict=True):
        row[: len(packet)] = packet
    played = Packets(
        data.view(np.uint8).reshape(5, 2 * 64 * EVENT_BYTES), np.array([*map(len, packets)]),
        np.ones(5, bool),
    )  # fmt: skip
    found = reference.run(network, times[:5])
    answers = simulation.run(played, timeout_cycles=10_000).words
    assert ((answers & ERROR) > 0).tolist() == [False, False, True, False, False]
    good = [number for number, packet in enumerate(packets) if packet == clean[number]]
    assert len(good) == 4
    assert (answers[good] & 0xFF).tolist() == found.classes[good].tolist()
    assert (answers[good] >> 8 & 0xFF).tolist() == found.decision_times[good].tolist()


@pytest.fixture(scope="module", params=["streaming", "sequential"])
def loadable_events(request, tmp_path_factory):
    """The same network on either architecture, loaded, and another that fits."""
    first = replace(small_network(), encoder=None)
    networks = [first, sibling(first, 7)]
    lanes = (4, 7) if request.param == "streaming" else (5,)
    parameters = for_all(Configuration(lanes, architecture=request.param), networks)[0]
    out = tmp_path_factory.mktemp("loadable-events") / "accelerator"
    generate(first, parameters.configuration, out)
    return GeneratedDirectory.load(out), networks


def test_loads_take_as_many_cycles_as_the_model_says(loadable_events, times):
    """Before the first packet and between packets; what a load takes counts for the next one."""
    directory, (network, _) = loadable_events
    parameters, places = directory.parameters, (0, 5, 6, 23)
    words = memory_image(parameters)
    with Simulation.of(directory.verilog, parameters, simulator=QUICK) as simulation:
        answers = simulation.run(
            Packets.of(parameters, times), loads=Loads([Load(words, place) for place in places]),
            timeout_cycles=20_000,
        )  # fmt: skip
    took = answers.loads[:, 3] - answers.loads[:, 2]
    assert took[0] == loading_cycles(parameters) and len(took) == len(places)
    inference = reference.run(network, times)
    assert (answers.words & 0xFF).tolist() == inference.classes.tolist()
    predicted = cycles_per_image(parameters, inference, loads=places[1:])
    assert np.diff(answers.cycles, prepend=answers.first_beats[0] - 1).tolist() == (
        predicted.tolist()
    )


def test_another_network_is_loaded_and_pixels_do_not_fit(loadable_events, times, tmp_path, capsys):
    directory, networks = loadable_events
    data, told = tmp_path / "times.npz", tmp_path / "told.json"
    np.savez(data, spike_times=times, labels=np.arange(len(times)) % 7)
    networks[1].save(tmp_path / "other.safetensors")
    small_network().save(tmp_path / "pixels.safetensors")
    line = ["simulate", str(directory.path), "--dataset", str(data), "--simulator", QUICK,
            "--gaps", "0.2", "--backpressure", "0.2", "--json", str(told), "--network"]  # fmt: skip
    assert main([*line, str(tmp_path / "other.safetensors")]) == 0
    found = json.loads(told.read_text())
    assert (found["images"], found["mismatches"]) == (len(times), 0)
    assert found["network_digest"] == networks[1].digest
    assert main([*line, str(tmp_path / "pixels.safetensors")]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "kind of input must be spikes, as in the accelerator, not pixels" in error


def test_hostile_loads_among_hostile_packets(loadable_events, times):
    """Right images of two networks and wrong ones while events come, in every weather."""
    directory, _ = loadable_events
    result = play(directory, times, 3_000)
    assert not result["findings"]
    assert result["loads"] > 20 and result["loads_refused"] > 5 and result["resets"] > 2


def test_latency_of_packets_one_at_a_time(generated_events, times):
    report = cosimulate(
        generated_events, times, np.zeros(len(times), int), traffic=Traffic(isolated=True)
    )
    inference = reference.run(generated_events.network, times)
    predicted = latency_per_image(generated_events.parameters, inference)
    assert report.arrays["latency"][1:].tolist() == predicted[1:].tolist()


def test_spike_times_through_the_python_object(generated_events, generated, images, times):
    """The answers are those of the same network fed with pixels."""
    with Accelerator(generated_events.path) as events, Accelerator(generated) as pixels:
        found, wanted = events.predict(times), pixels.predict(images)
        for name in ("classes", "decision_times", "silent", "frame_errors"):
            np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), name)
        assert len(events.predict(times[:0]).classes) == 0
        with pytest.raises(UserError, match="Spike times must not exceed the network's t_max 6"):
            events.predict(np.full((1, 1, 8, 8), 7, np.uint8))
        with pytest.raises(UserError, match="Spike times must be uint8, not float64"):
            events.predict(times.astype(float))
