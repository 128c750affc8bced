"""Whole image sets through Verilog and cocotb, on every simulator."""

import json
import re

import numpy as np
import pytest
from support.networks import random_case

from sstdp_hw.base.errors import UserError
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.reference import inference as reference
from sstdp_rtl.generator.generate import generate
from sstdp_sim import Accelerator
from sstdp_sim.comparison import segments
from sstdp_sim.comparison.cosimulation import cosimulate
from sstdp_sim.simulation.packets import Traffic


def labels_of(directory, images):
    """Labels that the reference gets right except for every fourth."""
    labels = reference.run(directory.network, images).classes.copy()
    labels[::4] = (labels[::4] + 1) % 7
    return labels


def test_hardware_equals_the_reference(generated, images, simulator, tmp_path, monkeypatch):
    monkeypatch.setattr(segments, "SEGMENT_CYCLES", 1)  # two of 40 images
    directory = GeneratedDirectory.load(generated)
    report = cosimulate(
        directory, images, labels_of(directory, images), simulator=simulator, shards=2
    )
    assert report.result["mismatches"] == 0
    assert report.result["first_mismatch"] is None
    assert report.result["images"] == len(images)
    assert report.result["software_accuracy"] == report.result["hardware_accuracy"] == 0.75
    assert report.result["protocol_findings"] == []
    assert 0.5 < report.result["efficiency"] <= 1
    assert report.result["seconds"]["processor"] > 0.1, "Python alone takes longer to start"
    report.save(tmp_path)
    written = json.loads((tmp_path / "results.json").read_text())
    assert written == report.result
    with np.load(tmp_path / "results.npz") as arrays:
        for name in ("predicted", "decision_time", "silent"):
            assert arrays[name].shape == (len(images),)
            np.testing.assert_array_equal(arrays[name], arrays[f"reference_{name}"])
        assert arrays["cycles"].min() > 0
        assert written["cycles_per_image"]["mean"] == arrays["cycles"].mean()
        assert written["latency_cycles"]["max"] == arrays["latency"].max()
        # The first image of a segment finds an empty chain: both counts begin with its first beat.
        for first in (0, 40):
            assert arrays["cycles"][first] == arrays["latency"][first]
        # Back to back an image is loaded while the one before is computed.
        assert (arrays["latency"] >= arrays["cycles"]).mean() > 0.9


def test_latency_of_one_image_at_a_time(generated, images, simulator):
    """An image alone takes the time that it takes as the first one after reset, whatever came
    before it, and the next one begins only after its answer."""
    directory = GeneratedDirectory.load(generated)
    labels = labels_of(directory, images)
    options = {"simulator": simulator, "traffic": Traffic(isolated=True)}
    alone = cosimulate(directory, images[:12], labels[:12], **options)
    assert alone.result["mismatches"] == 0
    assert alone.result["efficiency"] is None, "the chain is idle in between"
    latency, cycles = alone.arrays["latency"], alone.arrays["cycles"]
    assert (cycles[1:] > latency[1:]).all(), "the next first beat comes after the answer"
    beats = directory.parameters.beats
    assert (latency > beats).all(), "a whole image is read before its answer"
    for image in (3, 7):
        first = cosimulate(directory, images[image : image + 1], labels[:1], simulator=simulator)
        assert first.arrays["latency"][0] == latency[image]


def test_gaps_and_backpressure_change_no_answer(generated, images, simulator):
    directory = GeneratedDirectory.load(generated)
    traffic = Traffic(gap_chance=100, stall_chance=200, seed=3)
    result = cosimulate(
        directory, images, labels_of(directory, images), simulator=simulator, traffic=traffic
    ).result
    assert result["mismatches"] == 0 and result["protocol_findings"] == []
    assert result["efficiency"] is None, "says nothing about the hardware with gaps"


def test_every_spike_of_every_layer(generated_without_exit, images, simulator):
    directory = GeneratedDirectory.load(generated_without_exit)
    labels = np.zeros(len(images), int)
    result = cosimulate(
        directory, images[:40], labels[:40], simulator=simulator, every_spike=True
    ).result
    assert result["mismatches"] == 0 and result["every_spike_compared"]


def test_every_spike_needs_hardware_that_makes_them(generated, images):
    directory = GeneratedDirectory.load(generated)
    with pytest.raises(UserError, match="generate with --no-early-exit"):
        cosimulate(directory, images, np.zeros(len(images), int), every_spike=True)


@pytest.mark.parametrize("kind", ["weight", "threshold"])
@pytest.mark.parametrize("layer", [0, -1])
def test_a_mutation_is_reported(generated, images, simulator, kind, layer):
    if simulator == "verilator" and (kind, layer) != ("weight", 0):
        pytest.skip("one compilation is enough for the slow compiler")
    directory = GeneratedDirectory.load(generated)
    labels = np.zeros(len(images), int)
    result = cosimulate(
        directory, images, labels, simulator=simulator, mutate=(kind, layer, 1)
    ).result
    assert result["mismatches"] > 0
    assert result["mutation"]["kind"] == kind
    name = result["mutation"]["layer"]
    assert re.fullmatch(
        rf"image \d+, (decision of )?{name}, step \d+, neuron \d+: expected .+, got .+",
        result["first_mismatch"],
    )
    first, spikes = result["first_divergence"], result["first_divergence_spikes"]
    if first["layer"] in spikes:  # else the decision, which is no layer
        seen = [first["step"], first["neuron"]] in spikes[first["layer"]]
        assert seen == (first["got"] == "a spike")
    assert spikes["input"] and set(spikes) == {p["layer"] for p in directory.manifest["probes"]}


def test_every_spike_notices_what_the_answers_do_not_show(generated_without_exit, images):
    """A weight of the first layer is corrupted; more images differ in spikes than in answers."""
    directory = GeneratedDirectory.load(generated_without_exit)
    options = {"simulator": "verilator", "mutate": ("weight", 0, 2)}
    labels = np.zeros(40, int)
    spikes = cosimulate(directory, images[:40], labels, every_spike=True, **options)
    answers = sum(
        (spikes.arrays[name] != spikes.arrays[f"reference_{name}"])
        for name in ("predicted", "decision_time", "silent")
    )
    assert spikes.result["mismatches"] > np.count_nonzero(answers) > 0
    divergence = spikes.result["first_divergence"]
    mutated = spikes.result["mutation"]
    assert (divergence["layer"], divergence["neuron"]) == (mutated["layer"], mutated["neuron"])


@pytest.mark.parametrize("seed", range(100, 106))
def test_random_networks_as_verilog(seed, simulator, tmp_path):
    if simulator == "verilator" and seed > 102:
        pytest.skip("three compilations are enough for the slow compiler")
    case = random_case(seed, early_exit=bool(seed % 2))
    generate(case.network, case.configuration, tmp_path / "out")
    directory = GeneratedDirectory.load(tmp_path / "out")
    result = cosimulate(
        directory, case.images, np.zeros(len(case.images), int), simulator=simulator,
        every_spike=not seed % 2,
    ).result  # fmt: skip
    assert result["mismatches"] == 0, result["first_mismatch"]


def test_the_accelerator_object_predicts(generated, images, simulator):
    with Accelerator(generated, simulator) as accelerator:
        found = accelerator.predict(images[:10, 0])
        again = accelerator.predict(images[3:5])
    wanted = reference.run(GeneratedDirectory.load(generated).network, images[:10])
    np.testing.assert_array_equal(found.classes, wanted.classes)
    np.testing.assert_array_equal(found.decision_times, wanted.decision_times)
    np.testing.assert_array_equal(found.silent, wanted.silent)
    np.testing.assert_array_equal(again.classes, wanted.classes[3:5])
    assert not found.frame_errors.any()


def test_a_waveform_has_the_format_of_its_name(generated, images, simulator, tmp_path):
    directory = GeneratedDirectory.load(generated)
    suffix, start = {"verilator": (".vcd", b"$version"), "icarus": (".fst", b"\0\0\0")}[simulator]
    waves = tmp_path / f"x{suffix}"
    labels = np.zeros(2, int)
    cosimulate(directory, images[:2], labels, simulator=simulator, waves=waves)
    assert waves.read_bytes().startswith(start) and [*tmp_path.iterdir()] == [waves]
    other = tmp_path / {".vcd": "x.fst", ".fst": "x.vcd"}[suffix]
    with pytest.raises(UserError, match=f"a waveform of {simulator} must be {suffix}, not"):
        cosimulate(directory, images[:2], labels, simulator=simulator, waves=other)


def test_images_of_another_shape_are_refused(generated):
    with pytest.raises(UserError, match=r"input shape \[1, 8, 8\], not \[1, 7, 8\]"):
        Accelerator(generated).predict(np.zeros((1, 7, 8), np.uint8))
