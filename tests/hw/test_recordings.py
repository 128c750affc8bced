"""Recordings of event cameras: formats, layouts, spike times; each damage in one line."""
# ruff: noqa: E501 - a table of rules reads best with one rule, and its whole message, a line

import struct

import numpy as np
import pytest

from sstdp_hw.base.errors import UserError
from sstdp_hw.data import datasets
from sstdp_hw.data.event_files import EVENTS, read_events
from sstdp_hw.data.first_spikes import Binning, first_spikes, split_options
from sstdp_hw.network.layers import Dense
from sstdp_hw.network.network import Network
from sstdp_hw.reference.evaluation import check_samples

BINNING = Binning(steps=4, window=10, size=(3, 5), start=0.0)


def events(*rows):
    """Of (x, y, microseconds, polarity) each."""
    return np.array(list(rows), EVENTS)


def atis(*rows):
    return b"".join(bytes([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255]) for x, y, t, p in rows)


def aedat(*packets, version=b"3.1"):
    """Packets of (type, overflow, [(x, y, t, p, valid)]) each."""
    data = b"#!AER-DAT" + version + b"\r\n#Format: RAW\r\n#!END-HEADER\r\n"
    for kind, overflow, rows in packets:
        data += struct.pack("<hhiiiiii", kind, 1, 8, 4, overflow, len(rows), len(rows), len(rows))
        for x, y, t, p, valid in rows:
            data += struct.pack("<Ii", x << 17 | y << 2 | p << 1 | valid, t)
    return data


def test_atis_events(tmp_path):
    """40 bits, high byte first; row 240 is no event and moves all later ones by 8.192 ms."""
    (tmp_path / "a.bin").write_bytes(atis((3, 2, 70_000, 1), (1, 240, 0, 0), (33, 0, 5, 0)))
    found = read_events(tmp_path / "a.bin")
    assert found.tolist() == [(3, 2, 70_000, 1), (33, 0, 5 + 8192, 0)]


def test_aedat_events(tmp_path):
    """Polarity events that are valid; other packets, as of an IMU, are passed over."""
    rows = [(127, 3, 9, 1, 1), (4, 5, 10, 0, 1), (6, 6, 11, 1, 0)]
    (tmp_path / "a.aedat").write_bytes(aedat((1, 0, rows), (3, 0, rows[:1]), (1, 2, rows[:1])))
    found = read_events(tmp_path / "a.aedat")
    assert found.tolist() == [(127, 3, 9, 1), (4, 5, 10, 0), (127, 3, 9 | 2 << 31, 1)]


def test_numpy_events_of_any_order_of_fields(tmp_path):
    other = np.array([(7, True, 2, 1)], [("t", "u4"), ("p", "?"), ("x", "i2"), ("y", "u1")])
    np.save(tmp_path / "a.npy", other)
    assert read_events(tmp_path / "a.npy").tolist() == [(2, 1, 7, 1)]


@pytest.mark.parametrize("name, data, message", [
    ("a.bin", b"\0" * 12, "must be events of 5 bytes, and has 12 bytes; it is cut short or no ATIS recording"),
    ("a.bin", b"", "must hold at least one event, and holds none"),
    ("a.aedat", b"#!AER-DAT2.0\r\n", "must be AEDAT of version 3.1, not b'#!AER-DAT2.0'; read it with the package tonic"),
    ("a.aedat", aedat((1, 0, [(1, 1, 1, 1, 1)]))[:-1], "must be whole AEDAT packets, and the last one is cut short"),
    ("a.aedat", aedat((1, 0, []))[:-5], "must be whole AEDAT packets, and the last one is cut short"),
    ("a.npy", b"\x93NUMPY", "must be an .npy file of a plain array"),
])  # fmt: skip
def test_damaged_files(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError) as error:
        read_events(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path / name}: {message}")


def test_arrays_that_are_no_events(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"structured array.*fields x, y, t and p, not float64"):
        read_events(tmp_path / "a.npy")
    with pytest.raises(UserError, match="Events: must be a structured array"):
        first_spikes([1, 2], BINNING)


def test_the_first_event_of_an_input_is_its_spike():
    """In any order of time; the window ends before its last microsecond."""
    found = first_spikes(
        events((0, 0, 9_999, 1), (0, 0, 2_500, 1), (4, 2, 0, 0), (1, 1, 10_000, 0)), BINNING
    )
    assert found.shape == BINNING.shape == (2, 3, 5)
    fired = {tuple(map(int, place)): int(found[tuple(place)]) for place in np.argwhere(found < 4)}
    assert fired == {(1, 0, 0): 1, (0, 2, 4): 0}


def test_start_and_downsampling():
    rows = events((4, 2, 5_000, 1), (1, 1, 6_000, 1), (0, 0, 15_100, 0))
    late = Binning(steps=4, window=10, size=(3, 5), start=5.5, downsample=2)
    found = first_spikes(rows, late)
    assert found.shape == (2, 2, 3)
    assert found[1, 0, 0] == 0 and found[0, 0, 0] == 3 and (found < 4).sum() == 2
    first = first_spikes(rows, Binning(steps=4, window=10, size=(3, 5)))
    assert first[1, 2, 4] == 0 and (first < 4).sum() == 2  # 10.1 ms after the first one is late


@pytest.mark.parametrize("row, message", [
    ((5, 0, 0, 0), "x of every event must be between 0 and 4, not 5"),
    ((0, 3, 0, 0), "y of every event must be between 0 and 2, not 3"),
    ((-1, 0, 0, 0), "x of every event must be between 0 and 4, not -1"),
    ((0, 0, 0, 2), "p of every event must be between 0 and 1, not 2"),
])  # fmt: skip
def test_events_beyond_the_sensor(row, message):
    with pytest.raises(UserError, match=f"Events: {message}"):
        first_spikes(events((0, 0, 0, 0), row), BINNING)


def test_options_behind_a_name():
    assert split_options("nmnist:steps=8,window=50") == (
        "nmnist", {"steps": "8", "window": "50"}
    )  # fmt: skip
    for plain in ("nmnist", "C:/data", "a:b", "folder:x/y=3"):
        assert split_options(plain) == (plain, {})


@pytest.fixture
def published(tmp_path, monkeypatch):
    """N-MNIST as it is published, with two recordings a class."""
    for part in ("Train", "Test"):
        for label in range(3):
            folder = tmp_path / "NMNIST" / part / str(label)
            folder.mkdir(parents=True)
            for number in range(2):
                row = (label, number, 20_000, len(part) % 2)
                (folder / f"{number:05}.bin").write_bytes(atis(row))
    monkeypatch.setenv("SSTDP_DATA", str(tmp_path))
    return tmp_path / "NMNIST"


def test_nmnist_as_published(published):
    train, test = datasets.load("nmnist", "train"), datasets.load("nmnist:steps=5", "test")
    assert (train.t_max, test.t_max, train.input_kind) == (16, 5, "spikes")
    assert train.images.shape == (6, 2, 34, 34) and train.class_names == ("0", "1", "2")
    for samples, polarity in ((train, 1), (test, 0)):
        for times, label in zip(samples.images, samples.labels, strict=True):
            ((p, _, x),) = np.argwhere(times < samples.t_max)
            assert (p, x) == (polarity, label)
    assert int(train.images.min()) == 3 and int(test.images.min()) == 1  # 20 of 100 ms
    assert train.labels.tolist() != sorted(train.labels.tolist()), "classes are mixed"
    again = datasets.load(f"{published}:steps=16,window=100,start=0,size=34x34", "train")
    assert again.digest == train.digest != test.digest


def test_a_part_with_lists(tmp_path):
    (tmp_path / "train.txt").write_text("#sample #class\n1\t5\n2\t0\n")
    (tmp_path / "test.txt").write_text("7 1\n")
    for number in (1, 2, 7):
        (tmp_path / f"{number}.bs2").write_bytes(atis((number, 0, 0, 1)))
    name = f"{tmp_path}:steps=4,window=10,size=34x34"
    samples = datasets.load(name, "train")
    assert samples.labels.tolist() == [5, 0] and len(samples.class_names) == 6
    assert samples.images[0, 1, 0, 1] == 0 and samples.images[1, 1, 0, 2] == 0
    assert len(datasets.load(name, "test")) == 1
    (tmp_path / "test.txt").write_text("7 1\n8 2\n")
    with pytest.raises(UserError, match=r"8.bs2: no such file, though test.txt names it"):
        datasets.load(name, "test")
    (tmp_path / "test.txt").write_text("7 one\n")
    with pytest.raises(UserError, match=r"test.txt: line 1 must be a recording's number and its"):
        datasets.load(name, "test")


@pytest.mark.parametrize("name, message", [
    ("nmnist:steps=0", "Option steps of events must be between 1 and 255, not 0"),
    ("nmnist:window=-1", "Option window of events must be a positive number of milliseconds, not -1"),
    ("nmnist:downsample=35", "Option downsample of events must be between 1 and 34, the sensor's shorter side, not 35"),
    ("nmnist:frames=3", "nmnist: options of events must be steps, window, downsample, start, size, not 'frames'"),
    ("nmnist:steps=many", "nmnist: option steps must be a number (size: HEIGHTxWIDTH), not 'many'"),
    ("nmnist:size=34", "nmnist: option size must be a number (size: HEIGHTxWIDTH), not '34'"),
])  # fmt: skip
def test_wrong_options(published, name, message):
    with pytest.raises(UserError) as error:
        datasets.load(name)
    assert str(error.value) == message


def test_what_is_missing(published, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="recordings need the option steps, for example"):
        datasets.load(str(published))
    (published / "Test" / "9").mkdir()
    with pytest.raises(UserError, match="its class must have training recordings"):
        datasets.load("nmnist")
    monkeypatch.setenv("SSTDP_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="Data set nmnist: its folders Train and Test are in none"):
        datasets.load("nmnist")


def npz(path, **arrays):
    np.savez(path, **arrays)
    return str(path)


def test_npz_of_spike_times(tmp_path):
    times = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2) % 9
    samples = datasets.load(npz(tmp_path / "a.npz", spike_times=times, labels=[0, 1]))
    assert (samples.input_kind, samples.t_max, samples.what) == ("spikes", None, "spike times")
    np.testing.assert_array_equal(samples.images, times)
    told = datasets.load(npz(tmp_path / "b.npz", spike_times=times, labels=[0, 1], t_max=8))
    assert told.t_max == 8


@pytest.mark.parametrize("arrays, message", [
    ({"images": np.zeros((1, 2, 2), np.uint8)}, "must hold images or spike_times, and holds both"),
    ({"spike_times": np.zeros((1, 2, 2))}, "spike_times must be uint8 [N, H, W] or [N, C, H, W], not float64 [1, 2, 2]"),
    ({"t_max": 3}, "spike_times must not exceed its t_max 3, which is silent, not 5"),
    ({"t_max": 256}, "t_max must be an integer from 1 to 255"),
])  # fmt: skip
def test_wrong_npz(tmp_path, arrays, message):
    whole = {"spike_times": np.full((1, 2, 2), 5, np.uint8), "labels": [0]} | arrays
    with pytest.raises(UserError) as error:
        datasets.load(npz(tmp_path / "a.npz", **whole))
    assert str(error.value) == f"{tmp_path / 'a.npz'}: {message}"


@pytest.mark.parametrize("encoder, arrays, message", [
    (None, {"images": 0}, "must hold spike times, which the network takes, not images"),
    (np.zeros(256, np.uint8), {"spike_times": 0}, "must hold images, which the network takes, not spike times"),
    (None, {"spike_times": 5}, "spike times must not exceed the network's t_max 4, which is silent, not 5"),
    (None, {"spike_times": 3, "t_max": 3}, "spike times must be in the network's 4 steps, not in 3; of recordings the option steps says in how many"),
])  # fmt: skip
def test_samples_of_another_kind_are_refused(tmp_path, encoder, arrays, message):
    layer = Dense(np.ones((2, 4), np.int8), np.ones(2, np.int32), 2)
    network = Network("n", 4, (1, 2, 2), ("a", "b"), encoder, (layer,))
    made = {
        name: np.full((1, 2, 2), value, np.uint8) if name != "t_max" else value
        for name, value in arrays.items()
    }
    samples = datasets.load(npz(tmp_path / "a.npz", labels=[0], **made))
    with pytest.raises(UserError) as error:
        check_samples(network, samples)
    assert str(error.value) == f"Data set a: {message}"
