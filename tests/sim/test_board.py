"""`run`, `board-test` and the Python object on a simulated board: one small accelerator, whose
weights are loaded, compiled once."""

import json
import os
import pty
import tty

import numpy as np
import pytest
from support.loading import for_all, sibling
from support.networks import small_network

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.command.cli import main
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.reference import inference as reference
from sstdp_rtl.generator.generate import generate
from sstdp_sim.accelerator import Accelerator
from sstdp_sim.board.host import NO_ANSWER, Host
from sstdp_sim.board.simulated import Conditions, SimulatedBoard

COUNT = 12


@pytest.fixture(scope="module")
def other():
    return sibling(small_network(), 5)


@pytest.fixture(scope="module")
def directory(other, tmp_path_factory):
    out = tmp_path_factory.mktemp("board") / "accelerator"
    wide = for_all(Configuration((6, 7), 4), [small_network(), other])[0]
    generate(small_network(), wide.configuration, out)
    return GeneratedDirectory.load(out)


@pytest.fixture(scope="module")
def dataset(images, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "images.npz"
    np.savez(path, images=images[:COUNT], labels=np.arange(COUNT) % 7)
    return path


def loaded(directory):
    """Bytes until the weights are on the board: questions, and one request."""
    return 16 * 6 + 6 + directory.memory_bytes


def play(directory, dataset, *options, port="sim"):
    """Exit status of `run`, and what it wrote."""
    line = ["run", str(directory.path), "--dataset", str(dataset), "--port", port]
    status = main([*line, *map(str, options)])
    return status, json.loads((directory.path / "results.json").read_text())


def test_run_writes_what_simulate_writes_and_a_record(directory, dataset, capsys):
    status, result = play(directory, dataset)
    assert (status, result["images"], result["mismatches"]) == (0, COUNT, 0)
    assert (result["place"], result["answered"], result["line"]["errors"]) == ("board", COUNT, {})
    assert result["hardware_accuracy"] == result["software_accuracy"]
    arrays = np.load(directory.path / "results.npz")
    assert (arrays["predicted"] == arrays["reference_predicted"]).all()
    assert (arrays["cycles"] == NO_ANSWER).all()
    assert json.loads((directory.path / "record.json").read_text())["place"] == "board"
    assert main(["verify", "record", str(directory.path)]) == 0
    told = capsys.readouterr()
    assert f"{COUNT} of {COUNT} images answered, 0 mismatches" in told.out
    sending = f"Sending {directory.memory_bytes + 6:,} bytes of weights to sim"
    begun, ended = (line for line in told.err.splitlines() if line.startswith(sending))
    assert begun == f"{sending} ..." and ended.endswith(" s")


def test_damaged_bytes_give_right_answers_or_none(directory, images):
    """From when the weights are there, every second request, and some answers, do not arrive as
    they were."""
    few = images[:8]
    expected = reference.run(directory.network, few)
    port = f"sim:changed=0.004,lost=0.003,doubled=0.003,after={loaded(directory)},seed=2"
    with Host(directory, port) as host:
        host.load()
        played = host.play(few)
        assert host.close()["damaged"] > 3
    answered = played.words != NO_ANSWER
    assert answered.all() and played.resynchronized and not played.ended
    assert ((played.words & 0xFF) == expected.classes).all()


def test_what_was_answered_outlives_the_board(directory, dataset, capsys):
    """It is unplugged after the weights and half of the images."""
    play(directory, dataset)
    assert (directory.path / "record.json").exists()
    port = f"sim:unplug={loaded(directory) + COUNT // 2 * 70}"
    status, result = play(directory, dataset, port=port)
    assert status == 1 and 0 < result["answered"] < COUNT and result["mismatches"] == 0
    arrays = np.load(directory.path / "results.npz")
    right = arrays["predicted"] == arrays["reference_predicted"]
    assert right.sum() == result["answered"]
    assert not (directory.path / "record.json").exists()
    error = capsys.readouterr().err.splitlines()[-1]
    assert "were not answered; the first is" in error and "unplugged" in error


def test_weights_of_another_network_are_sent_first(directory, other, dataset, images, tmp_path):
    other.save(tmp_path / "other.safetensors")
    status, _ = play(directory, dataset, "--network", tmp_path / "other.safetensors")
    assert status == 0
    result = json.loads((directory.path / "loaded" / "results.json").read_text())
    assert result["network_digest"] == other.digest != directory.network.digest


def test_three_places_are_one_object(directory, other, images):
    expected = [reference.run(each, images[:4]) for each in (small_network(), other)]
    for place in ({"on": "reference"}, {"on": "board", "port": "sim"}):
        with Accelerator(directory.path, **place) as accelerator:
            found = [accelerator.predict(images[:4]), accelerator.load(other).predict(images[:4])]
            assert len(accelerator.predict(images[:0]).classes) == 0
        for wanted, got in zip(expected, found, strict=True):
            assert (got.classes == wanted.classes).all()
            assert (got.decision_times == wanted.decision_times).all()
            assert (got.silent == wanted.silent).all() and not got.frame_errors.any()
    with pytest.raises(UserError, match=r"^Port must be given for a board"):
        Accelerator(directory.path, on="board")
    with pytest.raises(UserError, match=r"^Place must be reference, simulation, board, not 'moon'"):
        Accelerator(directory.path, on="moon")


def test_the_board_test_passes_and_names_what_fails(directory, monkeypatch, capsys):
    line = ["board-test", str(directory.path), "--port", "sim", "--no-throughput"]
    assert main(line) == 0
    out = capsys.readouterr().out
    assert "loop back  sent 100, wrong 0" in out and "images 10, wrong 0" in out
    assert "checksum checksum, length length, noise noise, incomplete incomplete" in out


def refused(directory, port, baud=1_000_000):
    with pytest.raises(UserError) as caught, Host(directory, port, baud):
        pass
    (line,) = str(caught.value).splitlines()
    return line


def test_what_cannot_be_played_on_is_one_line(directory, generated, tmp_path):
    """A second host, another design, another speed, and ports that are no board."""
    with SimulatedBoard(directory, Conditions()) as board:
        with Host(directory, board.port):
            assert "another program has it open" in refused(directory, board.port)
        line = refused(GeneratedDirectory.load(generated), board.port)
        assert "must have the accelerator of" in line and "has another" in line
        assert "--baud 115200" in refused(directory, board.port, 115200)
        with Host(directory, board.port) as host:
            assert host.identity.inputs == 64
    master, slave = pty.openpty()
    tty.setraw(slave)
    assert "no board answers" in refused(directory, os.ttyname(slave))
    os.close(master), os.close(slave)
    assert "no such port" in refused(directory, str(tmp_path / "ttyUSB9"))
    (tmp_path / "file").write_text("")
    assert "must be a serial port" in refused(directory, str(tmp_path / "file"))
    assert refused(directory, "").startswith("Port must be named: --port /dev/ttyUSB0")


@pytest.mark.parametrize(
    ("port", "text"),
    [
        ("sim:speed=3", "must set changed, lost, doubled, after, seed, baud, pace, unplug, not"),
        ("sim:lost=2", "Port sim: lost must be a chance between 0 and 1, not 2.0"),
        ("sim:lost=x", "Port sim: lost must be a number, not 'x'"),
        ("sim:lost=0.6,changed=0.6", "must be at most 1 together"),
        ("sim:baud=3", "Port sim: baud must be between 1200 and 12000000, not 3"),
    ],
)  # fmt: skip
def test_wrong_conditions_are_refused(port, text):
    with pytest.raises(UserError) as caught:
        Conditions.parse(port)
    assert text in str(caught.value)
    assert Conditions.parse("sim") == Conditions()
    assert Conditions.parse("/dev/ttyUSB0") is None
