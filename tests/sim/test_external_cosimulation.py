"""Weights in an external memory as Verilog, and through the verbs.

`SSTDP_EXTERNAL_STRESS=1 pytest tests/sim/test_external_cosimulation.py` also plays random traffic
on memories that are slow, stall and fail, and takes cocotbext-axi's RAM for a memory.
"""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from support.conv_networks import random_conv
from support.networks import random_dense
from support.quick_simulator import QUICK
from support.simulation import expected_words

from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.command.cli import main
from sstdp_hw.contract.answer import BUS_ERROR, pack_answers
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.external_memory import external_image
from sstdp_hw.contract.fields import in_row, to_json
from sstdp_hw.models.cycles import cycles_per_image, latency_per_image
from sstdp_hw.network.layers import Pool2d
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference
from sstdp_hw.reference.inference import sent_places
from sstdp_rtl.generator.generate import generate
from sstdp_sim.comparison.cosimulation import cosimulate, timeout_cycles
from sstdp_sim.comparison.mutation import OUTSIDE, changed_network, choose, place_outside
from sstdp_sim.mutants import campaign
from sstdp_sim.mutants.instrument import HELPERS, flips_outside
from sstdp_sim.simulation.memory_harness import External
from sstdp_sim.simulation.packets import Packets, Traffic
from sstdp_sim.simulation.runner import VERILATOR_OPTIONS, failure_told, run_job, runner_of
from sstdp_sim.simulation.simulator import Simulation
from sstdp_sim.simulation.spikes import NOBODY, read_spikes
from sstdp_sim.stress.beats import play


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A convolution of two tiles with a pool behind it, a dense layer of two, and the output."""
    rng = np.random.default_rng(11)
    first = random_conv(rng, 6, (1, 6, 6), kernel=(3, 3), stride=(1, 1), padding=(0, 0), width=4)
    hidden, output = random_dense(rng, 5, 6 * 2 * 2, 4), random_dense(rng, 4, 5, 4)
    first.threshold[:], hidden.threshold[:], output.threshold[:] = 9, 3, 2
    encoder = np.clip((255 - np.arange(256)) // 20, 0, 6).astype(np.uint8)
    layers = (first, Pool2d((2, 2)), hidden, output)
    network = Network("outside", 6, (1, 6, 6), tuple("abcd"), encoder, layers)
    folder = tmp_path_factory.mktemp("external") / "out"
    configuration = Configuration(
        (3,), 2, True, architecture="sequential", weights="external", memory_width=16,
        base_address=0x3000,
    )  # fmt: skip
    generate(network, configuration, folder)
    images = rng.integers(0, 256, (40, 1, 6, 6)).astype(np.uint8)
    images[rng.random(images.shape) < 0.4] = 0
    directory = GeneratedDirectory.load(folder)
    assert directory.parameters.tiled.plan.counts() == [1, 2, 1]
    return directory, images


@pytest.mark.parametrize("latency", [0, 33])
def test_every_answer_and_every_cycle(made, simulator, latency):
    directory, images = made
    report = cosimulate(
        directory, images, np.zeros(len(images), int), simulator=simulator,
        traffic=Traffic(memory_latency=latency),
    )  # fmt: skip
    assert report.result["mismatches"] == 0, report.result["first_mismatch"]
    assert report.result["protocol_findings"] == []
    told = directory.manifest["external_memory"]
    assert report.result["bytes_per_image"] == told["bytes_per_image"]
    inference = reference.run(directory.network, images)
    predicted = cycles_per_image(directory.parameters, inference, memory_latency=latency)
    np.testing.assert_array_equal(predicted, report.arrays["cycles"])
    assert len({*inference.classes.tolist()}) > 1, "a dull set"


@pytest.mark.parametrize("latency", [0, 33])
@pytest.mark.parametrize("which", ["made", "batched"])
def test_images_that_come_one_at_a_time(which, latency, request):
    """Then the first tile may be there when an image comes, or come; a batch has one image."""
    directory, images = request.getfixturevalue(which)
    images = images[:12]
    report = cosimulate(
        directory, images, np.zeros(len(images), int), simulator=QUICK,
        traffic=Traffic(isolated=True, memory_latency=latency),
    )  # fmt: skip
    predicted = latency_per_image(
        directory.parameters, reference.run(directory.network, images), memory_latency=latency
    )
    np.testing.assert_array_equal(predicted[1:], report.arrays["latency"][1:])


def test_a_base_address_by_its_port(made, simulator, tmp_path, capsys):
    directory, images = made
    configuration = Configuration(
        (3,), 2, True, architecture="sequential", weights="external", memory_width=16,
        base_address=0x7000, base_port=True,
    )  # fmt: skip
    generate(directory.network, configuration, tmp_path / "out")
    ported = GeneratedDirectory.load(tmp_path / "out")
    assert "from m_axi_base" in ported.parameters.summary
    assert ported.manifest["ports"][-1]["name"] == "m_axi_base"
    network = str(ported.path / "network.safetensors")
    command = ["memory", network, "--for", str(ported.path), "--out", str(tmp_path / "weights.bin")]
    assert main(command) == 0
    assert " bytes from what m_axi_base tells on, in " in capsys.readouterr().out
    report = cosimulate(ported, images, np.zeros(len(images), int), simulator=simulator)
    assert report.result["mismatches"] == 0, report.result["first_mismatch"]
    inference = reference.run(ported.network, images)
    np.testing.assert_array_equal(
        cycles_per_image(ported.parameters, inference), report.arrays["cycles"]
    )


@pytest.fixture(scope="module")
def batched(made, tmp_path_factory):
    """The same for batches of four, in which every spike is made."""
    configuration = replace(made[0].parameters.configuration, early_exit=False, batch=4)
    folder = tmp_path_factory.mktemp("batched") / "out"
    generate(made[0].network, configuration, folder)
    directory = GeneratedDirectory.load(folder)
    assert directory.parameters.configuration.batch == 4
    assert "batches of 4" in directory.parameters.summary
    return directory, made[1]


def test_a_batch_with_every_spike_and_every_cycle(batched):
    """Layers of several images show their spikes by turns."""
    directory, images = batched
    report = cosimulate(
        directory, images, np.zeros(len(images), int), simulator=QUICK, every_spike=True,
        traffic=Traffic(memory_latency=33),
    )  # fmt: skip
    assert report.result["mismatches"] == 0, report.result["first_mismatch"]
    told = directory.manifest["external_memory"]
    assert told["bytes_per_batch"] == directory.parameters.tiled.plan.fetched_bytes
    assert 4 * told["bytes_per_image"] == told["bytes_per_batch"]
    assert report.result["bytes_per_batch"] == told["bytes_per_batch"]
    inference = reference.run(directory.network, images)
    predicted = cycles_per_image(directory.parameters, inference, memory_latency=33)
    np.testing.assert_array_equal(predicted, report.arrays["cycles"])


def test_a_fault_in_a_batch_is_found_where_it_is(batched):
    directory, images = batched
    images = images[:14]
    found = reference.run(directory.network, images)
    mutation = choose(directory, images, found, "weight", 1, 3)
    report = cosimulate(
        directory, images, np.zeros(len(images), int), simulator=QUICK, every_spike=True,
        mutate=("weight", 1, 3),
    )  # fmt: skip
    changed = reference.run(changed_network(directory, mutation), images)
    places = list(sent_places(directory.network).values())[1:]
    differ = [
        (one.spike_times[place] != other.spike_times[place]).reshape(len(images), -1).any(axis=1)
        for place in places for one, other in [(found, changed)]
    ]  # fmt: skip
    wanted = np.flatnonzero(np.any(differ, axis=0))
    assert report.result["mismatches"] == len(wanted) and 0 < len(wanted) < len(images)
    first, layer = report.result["first_divergence"], directory.manifest["probes"][2]["layer"]
    assert (first["image"], first["layer"]) == (wanted[0], layer)


def test_every_spike_where_all_inputs_fire(tmp_path):
    """Behind the last event that is kept a simulator of four states knows no step."""
    rng = np.random.default_rng(5)
    layers = random_dense(rng, 7, 6, 4), random_dense(rng, 2, 7, 3)
    network = Network("bright", 3, (1, 2, 3), ("a", "b"), np.zeros(256, np.uint8), layers)
    configuration = Configuration((1,), 1, False, architecture="sequential", weights="external")
    generate(network, configuration, tmp_path / "out")
    directory = GeneratedDirectory.load(tmp_path / "out")
    assert directory.parameters.tiled.replays
    report = cosimulate(
        directory, np.full((2, 1, 2, 3), 255, np.uint8), np.zeros(2, int), simulator=QUICK,
        every_spike=True,
    )  # fmt: skip
    assert report.result["mismatches"] == 0, report.result["first_mismatch"]
    assert report.result["protocol_findings"] == []


def test_a_spike_with_bits_that_nobody_knows_is_nobodys(tmp_path):
    """In an end they are nothing."""
    row = in_row((("tag", 3, ""), ("end", 1, ""), ("step", 4, ""), ("index", 4, "")))
    (tmp_path / "spikes").write_text("0 312\n0 3X2\n0 XxA\n")
    found = read_spikes(tmp_path / "spikes", [{"fields": to_json(row)}])
    assert found.tolist() == [[0, 2, 1, 3], [0, 2, 0, NOBODY], [0, 2, 0, -1]]


def words_of(made, external=None, traffic=Traffic()):  # noqa: B008 - frozen
    """Answers to all images, and the right ones."""
    directory, images = made
    found = reference.run(directory.network, images)
    right = pack_answers(
        {"class": found.classes, "decision_time": found.decision_times, "silent": found.silent}
    )
    with Simulation.of(directory.verilog, directory.parameters, external=external) as simulation:
        answers = simulation.run(
            Packets.of(directory.parameters, images), traffic=traffic,
            timeout_cycles=timeout_cycles(directory, traffic),
        )  # fmt: skip
    assert len(answers.words) == len(images) and not answers.extra and not answers.violated
    return answers.words, right


@pytest.mark.parametrize("layer", range(3))
def test_a_flipped_bit_of_the_memory_is_seen(made, layer):
    directory, images = made
    mutation = choose(
        directory, images, reference.run(directory.network, images), "weight", layer, 3
    )
    assert "external memory" in str(mutation)
    flipped = External.of(directory.parameters, place_outside(directory, mutation))
    words, right = words_of(made, flipped)
    found = reference.run(changed_network(directory, mutation), images)
    assert (words != right).any()
    assert (words & 255).tolist() == found.classes.tolist(), "as the changed network answers"


def test_mutants_flip_bits_of_the_memory(made):
    """One after the other in one simulation, two of them in one word, and what was flipped is right
    again."""
    directory, images = made[0], made[1][:12]
    p, found = directory.parameters, reference.run(directory.network, images)
    flips = [choose(directory, images, found, "weight", layer, 3) for layer in range(3)]
    place = place_outside(directory, flips[0])
    places = dict(enumerate([place_outside(directory, flip) for flip in flips], 1))
    width = p.tiled.plan.bus.data_width
    places[4] = place - place % width + (place + 1) % width
    external = External.of(p, more=flips_outside(places, width))
    with Simulation.of(
        directory.verilog + HELPERS, p, simulator=QUICK, external=external
    ) as simulation:
        answers = simulation.play(
            Packets.of(p, images), mutants=[1, 4, 1, 2, 3, 0],
            timeout_cycles=timeout_cycles(directory, Traffic()),
        )  # fmt: skip
    classes = [(each.words & 255).tolist() for each in answers]
    wanted = [
        reference.run(changed_network(directory, flip), images).classes.tolist() for flip in flips
    ]
    assert [classes[0], *classes[3:]] == [*wanted, found.classes.tolist()]
    assert classes[2] == classes[0]


@pytest.mark.skipif(
    "SSTDP_EXTERNAL_STRESS" not in os.environ, reason="SSTDP_EXTERNAL_STRESS is not set"
)
@pytest.mark.parametrize("which", ["made", "batched"])
def test_mutants_are_noticed(which, request, monkeypatch):
    """Faults in what fetches the weights, and flipped bits of them."""
    for name, few in (("_RESET_PACKETS", 100), ("_HOSTILE_PACKETS", 60), ("_TURNS", 2)):
        monkeypatch.setattr(campaign, name, few)
    directory, images = request.getfixturevalue(which)
    verdicts = campaign.run(directory, images, count=60, seed=1)
    places = {getattr(each.mutant, "module", "") for each in verdicts}
    assert OUTSIDE in places and "accelerator.tiles.reader" in places
    told = campaign.summary(verdicts)
    assert told["kill_rate"] >= 0.8, told["survivors"]


def test_answers_are_right_or_flagged(made):
    words, right = words_of(made, traffic=Traffic(memory_stalls=60, memory_faults=12, seed=4))
    flagged = words >> BUS_ERROR.offset & 1 == 1
    assert 2 < flagged.sum() < len(words) - 2
    assert (words[~flagged] == right[~flagged]).all()


def test_behind_a_burst_that_ends_elsewhere_every_answer_is_flagged(made):
    """Nobody knows any more which beats belong to what."""
    words, right = words_of(made, traffic=Traffic(memory_stalls=60, memory_faults=12, seed=3))
    flagged = words >> BUS_ERROR.offset & 1 == 1
    assert (words[:2] == right[:2]).all() and flagged[2:].all()


@pytest.mark.skipif(
    "SSTDP_EXTERNAL_STRESS" not in os.environ, reason="SSTDP_EXTERNAL_STRESS is not set"
)
@pytest.mark.parametrize("which", ["made", "batched"])
def test_random_traffic_on_random_memories(which, request):
    directory, images = request.getfixturevalue(which)
    result = play(directory, images, 200_000, seed=5)
    assert result["findings"] == [] and result["bus_errors"] > 20 and result["resets"] > 20


#: cocotbext-axi's RAM asks for IDs.
WRAPPER = """
module wrapper (
  input wire aclk, input wire aresetn, input wire [7:0] s_axis_tdata, input wire s_axis_tvalid,
  output wire s_axis_tready, input wire s_axis_tlast, output wire [31:0] m_axis_tdata,
  output wire m_axis_tvalid, input wire m_axis_tready, output wire m_axis_tlast,
  output wire [7:0] m_axi_arid, output wire [31:0] m_axi_araddr, output wire [7:0] m_axi_arlen,
  output wire [2:0] m_axi_arsize, output wire [1:0] m_axi_arburst, output wire m_axi_arvalid,
  input wire m_axi_arready, input wire [7:0] m_axi_rid, input wire [31:0] m_axi_rdata,
  input wire [1:0] m_axi_rresp, input wire m_axi_rlast, input wire m_axi_rvalid,
  output wire m_axi_rready);
  assign m_axi_arid = 0;
  accelerator dut (
    .aclk(aclk), .aresetn(aresetn), .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid),
    .s_axis_tready(s_axis_tready), .s_axis_tlast(s_axis_tlast), .m_axis_tdata(m_axis_tdata),
    .m_axis_tvalid(m_axis_tvalid), .m_axis_tready(m_axis_tready), .m_axis_tlast(m_axis_tlast),
    .m_axi_araddr(m_axi_araddr), .m_axi_arlen(m_axi_arlen), .m_axi_arsize(m_axi_arsize),
    .m_axi_arburst(m_axi_arburst), .m_axi_arvalid(m_axi_arvalid), .m_axi_arready(m_axi_arready),
    .m_axi_rdata(m_axi_rdata), .m_axi_rresp(m_axi_rresp), .m_axi_rlast(m_axi_rlast),
    .m_axi_rvalid(m_axi_rvalid), .m_axi_rready(m_axi_rready));
endmodule
"""


@pytest.mark.skipif(
    "SSTDP_EXTERNAL_STRESS" not in os.environ, reason="SSTDP_EXTERNAL_STRESS is not set"
)
def test_the_ram_of_cocotbext_axi(made, tmp_path, simulator):
    """Somebody else's reading of the standard, with stalls on both channels."""
    network, images = made[0].network, made[1][:6]
    configuration = Configuration(
        (3,), 1, architecture="sequential", weights="external", base_address=0x2000
    )
    folder = generate(network, configuration, tmp_path / "out").directory
    (tmp_path / "wrapper.v").write_text(WRAPPER)
    flat = images.reshape(len(images), -1).tolist()
    image = external_image(GeneratedDirectory.load(folder).parameters).hex()
    job = {"base": 0x2000, "image": image, "seed": 4, "images": flat, "patience": 50_000}
    (tmp_path / "job.json").write_text(json.dumps(job))
    options = [*VERILATOR_OPTIONS] if simulator == "verilator" else ["-g2005"]
    with failure_told(simulator, "the check", tmp_path / "build.log"):
        runner_of(simulator).build(
            sources=[folder / "accelerator.v", tmp_path / "wrapper.v"], hdl_toplevel="wrapper",
            build_dir=tmp_path / "build", always=True, log_file=tmp_path / "build.log",
            build_args=options,
        )  # fmt: skip
        bench = "support.axi_ram_bench"
        found = run_job(simulator, bench, "wrapper", tmp_path / "build", tmp_path)["answers"]
    assert found == expected_words(reference.run(network, images))


def test_the_verbs(made, tmp_path, capsys):
    directory, images = made
    samples = tmp_path / "samples.npz"
    np.savez(samples, images=images, labels=np.zeros(len(images), int))
    folder, image = str(directory.path), tmp_path / "weights.bin"
    network = str(directory.path / "network.safetensors")

    def told(*options, status):
        assert main([str(option) for option in options]) == status
        return capsys.readouterr()

    told("memory", network, "--for", folder, "--out", image, "--json", tmp_path / "out.json",
         status=0)  # fmt: skip
    entry = directory.manifest["external_memory"]
    assert image.stat().st_size == entry["bytes"]
    assert json.loads((tmp_path / "out.json").read_text())["sha256"] == entry["sha256"]
    other = ("memory", "ready:digits-64-64-10-4bit", "--for", folder, "--out", tmp_path / "no.bin")
    err = told(*other, status=2).err.strip().splitlines()[-1]
    assert "only weights stand outside; its thresholds and encoder" in err
    assert not (tmp_path / "no.bin").exists()
