"""A simulated board with its SDRAM: a small accelerator with external weights, fed with pixels, and
one fed with events, each compiled once.

`SSTDP_SDRAM_LONG=1 pytest tests/sim/test_external_board.py` also breaks a rule of the chip,
and plays the benchmark.
"""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from support.networks import random_dense

from benchmarks import sdram
from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.command.cli import main
from sstdp_hw.contract.board_identity import MEMORY_STATUS
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.external_memory import external_image
from sstdp_hw.contract.serial_protocol import encode_memories
from sstdp_hw.data.datasets import Samples
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference
from sstdp_rtl.generator.generate import generate
from sstdp_sim.board.host import Host
from sstdp_sim.board.port import LATENCY, NoAnswer

BASE = 0x5000
LONG = pytest.mark.skipif(
    "SSTDP_SDRAM_LONG" not in os.environ, reason="compiles a design of its own"
)


@pytest.fixture(scope="module", params=["pixels", "spikes"])
def made(request, tmp_path_factory):
    """Three tiles somewhere in the memory, and images or their spike times."""
    rng = np.random.default_rng(3)
    hidden, output = random_dense(rng, 5, 12, 4), random_dense(rng, 4, 5, 4)
    hidden.threshold[:], output.threshold[:] = 3, 2
    encoder = np.clip((255 - np.arange(256)) // 40, 0, 6).astype(np.uint8)
    network = Network("outside", 6, (1, 3, 4), tuple("abcd"), encoder, (hidden, output))
    samples = rng.integers(0, 256, (8, 1, 3, 4)).astype(np.uint8)
    pixels_per_beat = 2
    if request.param == "spikes":
        samples, pixels_per_beat = reference.encode(network, samples), 1
        network = replace(network, encoder=None)
    folder = tmp_path_factory.mktemp("board") / "out"
    configuration = Configuration(
        (3,), pixels_per_beat, True, architecture="sequential", weights="external",
        memory_width=32, base_address=BASE, base_port=True,
    )  # fmt: skip
    generate(network, configuration, folder)
    return GeneratedDirectory.load(folder), samples


def test_weights_are_written_once_and_nothing_is_answered_before(made):
    directory, images = made
    expected = reference.run(directory.network, images)
    with Host(directory, "sim") as host:
        assert host.identity.memory_bytes == directory.memory_bytes
        assert host.ask(MEMORY_STATUS) == 0
        requests = host.requests(images)
        host.port.send(requests[0])
        with pytest.raises(NoAnswer):
            host.port.receive(0.2, LATENCY)
        wrong = bytearray(directory.memory_image())
        wrong[40] ^= 1
        host.port.send(encode_memories(bytes(wrong)))
        assert host.port.receive(5, LATENCY).word & 0xF1 == 4 << 4, "not loaded: the CRC is wrong"
        host.load()
        words = host.play(images).words
        host.load()
        again = host.play(images).words
        counted = host.close()
    assert (words & 0xFF).tolist() == expected.classes.tolist() == (again & 0xFF).tolist()
    assert (words >> 8 & 0xFF).tolist() == expected.decision_times.tolist()
    assert not (words >> 17).any(), "no frame error, no bus error"
    sent = counted["to_board"]
    rest = 2 * sum(map(len, requests)) + len(requests[0])
    loads = 2 * (directory.memory_bytes + 6)
    assert loads + rest <= sent < loads + rest + 50 * 6, "questions, and two images of the memory"


def test_run_and_what_is_refused(made, tmp_path, capsys):
    directory, images = made
    samples, folder = tmp_path / "samples.npz", str(directory.path)
    name = "images" if directory.input_kind == "pixels" else "spike_times"
    np.savez(samples, **{name: images}, labels=np.zeros(len(images), int))
    assert main(["run", folder, "--port", "sim", "--dataset", str(samples)]) == 0
    result = json.loads((directory.path / "results.json").read_text())
    assert (result["images"], result["mismatches"], result["place"]) == (8, 0, "board")
    assert main(["board-test", folder, "--port", "sim", "--no-throughput"]) == 0
    capsys.readouterr()
    for options, message in (
        (("--board", "icebreaker"), "has none that is driven; --board must be one of ulx3s-12f,"),
        (("--board", "ulx3s-85f", "--clock", "80"), "at most 66 MHz with weights in the board's"),
    ):
        assert main(["build", folder, *options]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("mismatches, rules, status", [(0, [], 0), (1, [], 1), (0, ["tdata"], 1)])
def test_the_benchmark_ends_by_what_it_found(
    made, tmp_path, monkeypatch, mismatches, rules, status
):
    directory, images = made
    samples = tmp_path / "samples.npz"
    np.savez(samples, images=images, labels=np.zeros(len(images), int))
    found = {"mismatches": mismatches, "protocol_findings": rules}
    monkeypatch.setattr(sdram, "measured", lambda *_: found)
    assert sdram.main([str(directory.path), "--dataset", str(samples)]) == status


def test_what_the_benchmark_refuses(made, tmp_path, capsys):
    directory, _ = made
    folder = tmp_path / "inside"
    generate(directory.network, Configuration((3,), architecture="sequential"), folder)
    far = tmp_path / "far"
    generate(
        directory.network, replace(directory.parameters.configuration, base_address=1 << 25), far
    )
    for path, mhz, message in (
        (folder, "40", "weights must be external to stand in an SDRAM"),
        (directory.path, "nan", "--mhz must be between 5 and 66, not nan"),
        (far, "40", "must end below 0x2000000, not at 0x2000"),
    ):
        assert sdram.main([str(path), "--dataset", "digits", "--mhz", mhz]) == 2
        assert message in capsys.readouterr().err


@LONG
def test_the_benchmark_notices_wrong_weights(made, tmp_path, monkeypatch, capsys):
    directory, images = made
    samples = tmp_path / "samples.npz"
    np.savez(samples, images=images, labels=np.zeros(len(images), int))
    image = bytes(0x33 for _ in external_image(directory.parameters))
    monkeypatch.setattr(sdram, "external_image", lambda _: image)
    assert sdram.main([str(directory.path), "--dataset", str(samples), "--samples", "all"]) == 1
    assert "got" in json.loads(capsys.readouterr().out)["first_mismatch"]


@LONG
def test_the_benchmark_compares_every_answer(made):
    """On controller and chip, image behind image."""
    directory, images = made
    samples = Samples("random", images, np.zeros(len(images), int), directory.network.class_names)
    found = sdram.measured(directory, samples, 40.0)
    assert (found["images"], found["mismatches"]) == (8, 0)
    assert 0.2 < found["efficiency"] < 1.0


@LONG
def test_a_chip_whose_rules_are_broken_ends_the_board(made, monkeypatch, capfd):
    """The controller refreshes half as often as the chip needs it."""
    from sstdp_rtl.boards.sdram.timing import SdramTiming
    from sstdp_rtl.synthesis import board_memory
    from sstdp_sim.board import simulated

    slow = SdramTiming(refresh=2 * SdramTiming().refresh)
    monkeypatch.setattr(board_memory, "SdramTiming", lambda: slow)
    monkeypatch.setattr(simulated, "_made", {})
    with pytest.raises(UserError, match="unplugged"), Host(made[0], "sim") as host:
        host.load()
        while True:
            host.ask(0)
    assert "SDRAM: rule broken after" in capfd.readouterr().err
