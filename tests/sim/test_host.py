"""What a host makes of boards that misbehave: a stand-in that answers as the reference does."""

import os
import pty
import random
import select
import threading
import time
import tty
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from support.fake_board import FakeBoard
from support.networks import random_dense, small_network

from sstdp_hw.base.errors import UserError
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.command.interruption import Terminated
from sstdp_hw.contract.board_identity import WORDS, Identity
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.event_packets import read_words
from sstdp_hw.contract.serial_protocol import MEMORIES_START, Answer, Status
from sstdp_hw.network.layers import Flatten
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference
from sstdp_rtl.generator.generate import generate
from sstdp_sim.accelerator import Accelerator
from sstdp_sim.board import port
from sstdp_sim.board.comparison import compare
from sstdp_sim.board.host import NO_ANSWER, Host, Played
from sstdp_sim.board.port import Port

COUNT = 20


def words(network, samples):
    found = reference.run(network, samples)
    times = found.decision_times.astype(int)
    return (found.classes | times << 8 | found.silent.astype(int) << 16).tolist()


@pytest.fixture(scope="module")
def directory(generated):
    return GeneratedDirectory.load(generated)


def played(directory, images, **manners):
    samples = images[:COUNT]
    answers = words(directory.network, samples)
    with FakeBoard(directory, answers, **manners) as board, Host(directory, board.port) as host:
        return compare(host, samples, np.zeros(COUNT, int), retries=2)


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: answer[:-1] + bytes([answer[-1] ^ 1]),
        lambda answer: b"",
        lambda answer: answer[:5],
        lambda answer: answer + b"\x5a",
    ],
    ids=["changed", "lost", "cut off", "added to"],
)
def test_damaged_and_missing_answers_are_asked_for_again(directory, images, change):
    """Also one that is lost whole, so that the next seems to be its: answers have no number."""
    samples = images[:COUNT]
    expected = words(directory.network, samples)
    board = FakeBoard(directory, expected, first={7: change})
    with board, Host(directory, board.port) as host:
        found = host.play(samples)
    assert found.words.tolist() == expected
    assert (found.resynchronized, found.ended) == (1, "")


def wrong(answer):
    from sstdp_hw.contract.serial_protocol import decode_answer, encode_answer

    found = decode_answer(answer)
    return encode_answer(replace(found, word=found.word ^ 1))


def test_a_wrong_answer_stands_if_the_board_repeats_it(directory, images):
    """Once, it was the line."""
    once = played(directory, images, first={4: wrong}).result
    assert (once["mismatches"], once["line"]["asked_again"]) == (0, 1)
    twice = played(directory, images, always={4: wrong}).result
    assert (twice["mismatches"], twice["line"]["asked_again"]) == (1, 1)
    assert twice["first_mismatch"].startswith("image 4: class must be ")


def test_a_slow_line_may_take_long_for_an_image_of_weights(monkeypatch):
    """Longer than a port may take for a piece of it; and one that takes nothing is no board."""
    monkeypatch.setattr(port, "_WRITE_SECONDS", 0.7)
    master, slave = pty.openpty()
    tty.setraw(slave)
    data, came = random.Random(1).randbytes(150_000), bytearray()

    def take():
        while len(came) < len(data) and select.select([master], [], [], 2)[0]:
            came.extend(os.read(master, 500))
            time.sleep(0.004)

    line, reader = Port(os.ttyname(slave), 1_000_000), threading.Thread(target=take)
    reader.start()
    try:
        told = []
        line.send(data, told.append)
        reader.join()
        assert came == data and sum(told) == len(data) and len(told) > 10
        with pytest.raises(UserError, match="takes no bytes; is it another kind of port"):
            line.send(bytes(len(data)))
    finally:
        reader.join()
        os.close(master)  # before the port, whose end would wait for what nobody takes
        line.close()
        os.close(slave)


def test_weights_that_are_read_back_otherwise_are_sent_again():
    """By a board with a memory of its own: the line may have changed them unseen."""
    refused, loaded, unknown = 4 << 4, 1, Answer(Status.ANSWER, 0)

    class Line:
        baud, sent = 1_000_000, 0

        def __init__(self, *words):
            self.words = list(words)

        def send(self, data, progress=None):
            self.sent += data[0] == MEMORIES_START

        def receive(self, *_waits):
            word = self.words.pop(0)
            return unknown if word is None else Answer(Status.LOADED, word)

        def seconds(self, _count):
            return 0.0

        def fall_quiet(self, _seconds):
            return b""

    def host(*words):
        made = object.__new__(Host)
        made.name, made.quiet, made.port, made.simulated = "port", 0.0, Line(*words), None
        made.directory = SimpleNamespace(
            memory_bytes=4, external=True, memory_image=lambda: b"1234"
        )
        return made

    once = host(None, refused, None, loaded)
    once.load()
    assert once.port.sent == 2
    with pytest.raises(UserError, match=r"in 5 attempts \(last: the board's memory holds other"):
        host(*(5 * [None, refused])).load()


def test_what_is_never_answered_is_reported_and_the_rest_played(directory, images):
    report = played(directory, images, always={5: lambda answer: answer[:3]})
    assert (report.result["answered"], report.result["mismatches"]) == (COUNT - 1, 0)
    assert report.result["protocol_findings"] == ["1 sample was not answered; the first is 5"]
    assert report.arrays["predicted"][5] == NO_ANSWER


def test_three_in_a_row_end_it(directory, images):
    silent = {place: lambda answer: answer[:3] for place in (6, 7, 8)}
    result = played(directory, images, always=silent).result
    assert result["answered"] == 6
    assert "three samples in a row were not answered in 3 attempts" in result["ended"]


@pytest.mark.parametrize("signal", [KeyboardInterrupt(), Terminated(15)], ids=["INT", "TERM"])
def test_what_was_answered_outlives_an_interrupt(directory, images, signal):
    samples = images[:COUNT]
    expected = words(directory.network, samples)
    done = []

    def progress(count):
        done.append(count)
        if len(done) == 8:
            raise signal

    with FakeBoard(directory, expected) as board, Host(directory, board.port) as host:
        found = host.play(samples, progress=progress)
        assert host.interruption is signal
    assert found.words.tolist() == expected[:8] + [NO_ANSWER] * (COUNT - 8)
    assert found.ended == "interrupted"


def test_a_board_of_an_earlier_version_is_told_from_none(directory):
    earlier = r"its bitstream is of an earlier version"
    with FakeBoard(directory, [], told=False) as board, pytest.raises(UserError, match=earlier):
        Host(directory, board.port)


def test_spikes_are_sent_as_events(tmp_path, images):
    network = replace(small_network(), encoder=None)
    generate(network, Configuration((6, 7), 1), tmp_path / "out")
    directory = GeneratedDirectory.load(tmp_path / "out")
    times = np.random.default_rng(1).integers(0, network.t_max + 1, (6, *network.input_shape))
    times = times.astype(np.uint8)
    with FakeBoard(directory, words(network, times)) as board, Host(directory, board.port) as host:
        result = compare(host, times, np.zeros(6, int)).result
    assert (result["answered"], result["mismatches"]) == (6, 0)
    assert all(request[0] == 0xA6 for request in board.seen)


@pytest.mark.parametrize("lanes, architecture, beats", [
    ((6, 3), "streaming", 1), ((1, 3), "streaming", 2), ((1,), "sequential", 3)
])  # fmt: skip
def test_events_leave_the_first_layer_its_time(lanes, architecture, beats, tmp_path):
    """600 neurons: on one lane an event is walked over for longer than the next one takes on a line
    of 12 cycles a bit, which would be lost."""
    rng = np.random.default_rng(4)
    hidden, output = random_dense(rng, 600, 30, 4), random_dense(rng, 3, 600, 4)
    network = Network("wide", 6, (1, 5, 6), tuple("abc"), None, (Flatten(), hidden, output))
    generate(network, Configuration(lanes, architecture=architecture), tmp_path / "out")
    directory = GeneratedDirectory.load(tmp_path / "out")
    times = (np.arange(60) % 7).reshape(2, 1, 5, 6).astype(np.uint8)
    with FakeBoard(directory, words(network, times)) as board, Host(directory, board.port) as host:
        requests = host.requests(times)
        assert host.play(times).words.tolist() == words(network, times)
    event, step = directory.parameters.arrival_cycles
    for request, sample in zip(requests, times, strict=True):
        sent = np.frombuffer(request[4:-2], "<u4").astype(np.int64)
        count, steps = int((sample < 6).sum()), len(np.unique(sample[sample < 6]))
        work = (count - 1) * event + (steps - 1) * step
        assert 4 * 10 * 12 * (len(sent) - 1) >= work, "cycles on the line"
        assert len(sent) - 1 <= beats * (count - 1) + 4 * (steps - 1) * (step > 0)
        read, error = read_words(sent, 30, 6)
        assert not error and read.tolist() == sample.reshape(-1).tolist()


@pytest.mark.parametrize("lanes, architecture", [((8, 3), "streaming"), ((8,), "sequential")])
def test_an_engine_is_not_sent_the_next_events_while_it_is_at_the_last(
    lanes, architecture, tmp_path
):
    """It takes none, and the line cannot wait; a chain of layers takes them."""
    rng = np.random.default_rng(4)
    hidden, output = random_dense(rng, 8, 900, 4), random_dense(rng, 3, 8, 4)
    network = Network("many", 6, (1, 30, 30), tuple("abc"), None, (Flatten(), hidden, output))
    generate(network, Configuration(lanes, architecture=architecture), tmp_path / "out")
    directory = GeneratedDirectory.load(tmp_path / "out")
    times = rng.integers(0, 6, (9, 1, 30, 30)).astype(np.uint8)
    with FakeBoard(directory, []) as board, Host(directory, board.port) as host:
        ahead = host._most_ahead(host.requests(times))
    assert ahead == (1 if architecture == "sequential" else 2)


def test_after_weights_that_did_not_get_through_they_are_sent_again(directory, images, monkeypatch):
    """Else the next answers would be those of whatever the board holds."""
    wanted, sent = np.array(words(directory.network, images[:3])), []

    class Noisy:
        def __init__(self, directory, port, baud):
            self.directory = directory

        def load(self):
            sent.append(len(sent))
            if len(sent) == 1:
                raise UserError("weights did not get through")

        def play(self, samples):
            return Played(wanted)

        def close(self): ...

    monkeypatch.setattr("sstdp_sim.accelerator.Host", Noisy)
    monkeypatch.setattr(GeneratedDirectory, "loads", True)
    with Accelerator(directory.path, on="board", port="any") as accelerator:
        with pytest.raises(UserError, match="did not get through"):
            accelerator.predict(images[:3])
        accelerator.predict(images[:3])
    assert len(sent) == 2


def test_the_identity_is_16_words():
    told = Identity(784, "spikes", 1 << 20, 12, 50, "0123456789abcdef" * 4)
    assert len(told.words()) == WORDS
    assert Identity.from_words(told.words()) == told
    with pytest.raises(ValueError, match="not the identity of a board"):
        Identity.from_words([1] * WORDS)
