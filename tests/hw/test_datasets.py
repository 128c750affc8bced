"""Data sets: fixed order, honest splits, and one line for everything that is missing or damaged."""
# ruff: noqa: E501 - a table of rules reads best with one rule, and its whole message, a line

import gzip
import os
import urllib.error
from pathlib import Path

import numpy as np
import pytest

from sstdp_hw.base.errors import UserError
from sstdp_hw.data import datasets

DATA = Path(os.environ.get("SSTDP_DATA", "/nonexistent"))
needs_mnist = pytest.mark.skipif(
    not list(DATA.glob("**/t10k-images-idx3-ubyte*")), reason="SSTDP_DATA names no MNIST files"
)
needs_caltech = pytest.mark.skipif(
    not list(DATA.glob("**/Motorbikes")), reason="SSTDP_DATA names no Caltech-101 folders"
)


@pytest.fixture
def no_data(monkeypatch, tmp_path):
    """Neither data nor cache nor network."""
    monkeypatch.setenv("SSTDP_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def blocked(*_arguments, **_options):
        raise urllib.error.URLError("no network in this test")

    monkeypatch.setattr("urllib.request.urlopen", blocked)
    return tmp_path


def test_digits():
    train, test = datasets.load("digits", "train"), datasets.load("digits", "test")
    assert (len(train), len(test)) == (1198, 599)
    for samples in (train, test):
        assert samples.images.dtype == np.uint8
        assert samples.images.shape[1:] == (1, 8, 8)
        assert samples.class_names == tuple("0123456789")
        assert np.bincount(samples.labels).min() > 40
        assert samples.images.max() == 255
    assert train.digest == datasets.load("digits", "train").digest != test.digest


def test_digits_splits_share_no_image():
    def keys(samples):
        return {image.tobytes() for image in samples.images}

    assert not keys(datasets.load("digits", "train")) & keys(datasets.load("digits", "test"))


def test_first():
    samples = datasets.load("digits").first(7)
    assert len(samples) == 7
    assert len(samples.first(None)) == 7


@needs_mnist
def test_mnist():
    train, test = datasets.load("mnist", "train"), datasets.load("mnist", "test")
    assert train.images.shape == (60000, 1, 28, 28)
    assert test.images.shape == (10000, 1, 28, 28)
    assert np.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]  # fmt: skip


@needs_caltech
def test_caltech():
    train = datasets.load("caltech-face-motorbike", "train")
    test = datasets.load("caltech-face-motorbike", "test")
    assert np.bincount(train.labels).tolist() == [200, 200]
    assert len(test) > 500
    assert train.images.shape[1:] == (1, 24, 36)


@needs_caltech
def test_splits_of_caltech_are_five_of_the_same_images():
    def images_of(name, split):
        samples = datasets.load(name, split)
        assert samples.name == name
        return [image.tobytes() for image in samples.images]

    assert len(datasets.CALTECH_NAMES) == 5
    first, *others = datasets.CALTECH_NAMES
    train, test = images_of(first, "train"), images_of(first, "test")
    for name in others[:2]:
        own, rest = images_of(name, "train"), images_of(name, "test")
        assert sorted(own + rest) == sorted(train + test)
        assert len(own) == len(train) and set(own) != set(train)
        assert datasets.family(name) == first
        assert own == images_of(name, "train"), "the same in every run"


def test_unknown_name():
    with pytest.raises(UserError) as caught:
        datasets.load("cifar")
    assert str(caught.value) == (
        "Data set must be digits, mnist, cifar10, cifar10-jpeg, caltech-face-motorbike, nmnist, the "
        "path of an .npz file or a folder of pictures or recordings, not 'cifar'"
    )


def test_missing_mnist(no_data):
    with pytest.raises(UserError) as caught:
        datasets.load("mnist")
    message = str(caught.value)
    assert message.startswith("Data set mnist: t10k-images-idx3-ubyte is neither in SSTDP_DATA nor")
    assert "no network in this test" in message
    assert message.endswith("put the four IDX files into a folder and set SSTDP_DATA")
    assert list(no_data.iterdir()) == []


def test_missing_caltech(no_data):
    with pytest.raises(UserError, match="unpack Caltech-101 there and set SSTDP_DATA"):
        datasets.load("caltech-face-motorbike")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "must have md5"),
        (b"\x00\x00\x08\x03" + b"\0" * 20, "must have md5"),
        (gzip.compress(b"whole", mtime=0)[:-4], "must be a whole gzip file"),
    ],
)
def test_damaged_mnist(no_data, content, message):
    path = no_data / "data" / "mnist" / "t10k-images-idx3-ubyte.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        datasets.load("mnist")
    assert str(caught.value).startswith(f"{path}: ")


def test_damaged_jpeg(no_data):
    for name in ("Faces_easy", "Motorbikes"):
        (no_data / "data" / name).mkdir(parents=True)
    bad = no_data / "data" / "Faces_easy" / "image_0001.jpg"
    bad.write_bytes(b"no picture")
    with pytest.raises(UserError, match="must be a readable JPEG file"):
        datasets.load("caltech-face-motorbike", "train")


def test_npz(tmp_path):
    images = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    np.savez(tmp_path / "mine.npz", images=images, labels=np.array([1, 0], np.uint8))
    samples = datasets.load(str(tmp_path / "mine.npz"))
    assert samples.images.shape == (2, 1, 3, 4)
    assert samples.labels.dtype == np.int64
    assert (samples.name, samples.class_names) == ("mine", ("0", "1"))
    np.savez(tmp_path / "rgb.npz", images=np.zeros((2, 3, 4, 4), np.uint8), labels=[2, 0])
    assert datasets.load(str(tmp_path / "rgb.npz"), "train").images.shape == (2, 3, 4, 4)


GOOD = np.zeros((2, 3, 4), np.uint8)
BAD_NPZ = [
    ({"images": GOOD}, "must hold the array 'labels', and it is missing"),
    ({"labels": [0, 1]}, "must hold the array 'images', and it is missing"),
    ({"images": GOOD.astype(float), "labels": [0, 1]}, "images must be uint8 [N, H, W] or [N, C, H, W], not float64 [2, 3, 4]; np.rint(255 * images).astype(np.uint8) if they run from 0 to 1"),
    ({"images": GOOD + 16.0, "labels": [0, 1]}, "images must be uint8 [N, H, W] or [N, C, H, W], not float64 [2, 3, 4]; images.astype(np.uint8), as they are whole numbers of 8 bits"),
    ({"images": GOOD + 0.5, "labels": [0, 1]}, "images must be uint8 [N, H, W] or [N, C, H, W], not float64 [2, 3, 4]; np.rint(255 * images).astype(np.uint8) if they run from 0 to 1"),
    ({"images": GOOD[0], "labels": [0, 1, 2]}, "images must be uint8 [N, H, W] or [N, C, H, W], not uint8 [3, 4]; flat ones need images.reshape(-1, 2, 2)"),
    ({"images": GOOD[:0], "labels": np.zeros(0, int)}, "images must be uint8 [N, H, W] or [N, C, H, W], not uint8 [0, 3, 4]"),
    ({"images": GOOD, "labels": [0, 1, 2]}, "labels must be 2 integers, not int64 [3]"),
    ({"images": GOOD, "labels": [0, -1]}, "labels must be from 0 to 255, not from -1 to 0"),
    ({"images": GOOD, "labels": [0, 3_000_000_000]}, "labels must be from 0 to 255, not from 0 to 3000000000"),
    ({"images": GOOD, "labels": [0.0, 1.0]}, "labels must be 2 integers, not float64 [2]"),
    ({"images": GOOD, "labels": [[0, 1]]}, "labels must be 2 integers, not int64 [1, 2]"),
]  # fmt: skip


@pytest.mark.parametrize("arrays, message", BAD_NPZ, ids=range(len(BAD_NPZ)))
def test_bad_npz(tmp_path, arrays, message):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    with pytest.raises(UserError) as caught:
        datasets.load(str(path))
    assert str(caught.value) == f"{path}: {message}"


def test_npz_that_is_none(tmp_path):
    path = tmp_path / "bad.npz"
    with pytest.raises(UserError, match="no such data set file"):
        datasets.load(str(path))
    path.write_bytes(b"PK\x03\x04 no zip file")
    with pytest.raises(UserError, match=r"must be an \.npz file of plain arrays"):
        datasets.load(str(path))
    np.savez(path, images=np.array([{"a": 1}]), labels=[0])
    with pytest.raises(UserError, match=r"must be an \.npz file of plain arrays"):
        datasets.load(str(path))


def test_truncated_npz(tmp_path):
    np.savez_compressed(tmp_path / "good.npz", images=GOOD, labels=[0, 1])
    data = (tmp_path / "good.npz").read_bytes()
    for length in range(0, len(data), 29):
        (tmp_path / "bad.npz").write_bytes(data[:length])
        with pytest.raises(UserError):
            datasets.load(str(tmp_path / "bad.npz"))


def test_flipped_bytes_of_npz(tmp_path):
    rng = np.random.default_rng(0)
    np.savez_compressed(tmp_path / "good.npz", images=rng.integers(0, 256, (9, 5, 5), np.uint8), labels=np.arange(9))  # fmt: skip
    data = (tmp_path / "good.npz").read_bytes()
    for position in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[position] ^= 0x55
        (tmp_path / "bad.npz").write_bytes(damaged)
        try:
            datasets.load(str(tmp_path / "bad.npz"))
        except UserError as error:
            assert "\n" not in str(error)


def test_npy_under_the_name_of_npz(tmp_path):
    with (tmp_path / "bad.npz").open("wb") as file:
        np.save(file, GOOD)
    with pytest.raises(UserError, match=r"must be an \.npz file of plain arrays"):
        datasets.load(str(tmp_path / "bad.npz"))


def test_a_name_derived_from_a_file_is_made_fit(tmp_path):
    np.savez(tmp_path / "my\u00a0data\x1b.npz", images=GOOD, labels=[0, 1])
    assert datasets.load(str(tmp_path / "my\u00a0data\x1b.npz")).name == "my_data_"


@pytest.mark.parametrize(
    ("shape", "looks"),
    [
        ((8, 8, 3), True), ((28, 28, 1), True), ((24, 36, 4), True), ((3, 8, 8), False),
        ((1, 28, 28), False), ((16, 4, 4), False), ((8, 8, 2), False), ((4, 1, 1), False),
    ],
)  # fmt: skip
def test_channels_last_is_recognized(shape, looks):
    assert datasets.looks_channels_last(shape) is looks
