"""Folders of pictures and the archives of CIFAR-10: what is read, and one line for all else."""
# ruff: noqa: E501 - a table of rules reads best with one rule, and its whole message, a line

import io
import os
import pickle
import tarfile
import urllib.error
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sstdp_hw import UserError
from sstdp_hw.data import cifar10, datasets

RNG = np.random.default_rng(0)


def picture(path, *, mode="RGB", size=(6, 4), **options):
    """A picture of random pixels, ``size`` wide and high; its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 256, (size[1], size[0], 3), np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    image.save(path, **options)
    return np.asarray(image)


@pytest.fixture
def folder(tmp_path):
    """Two classes, three training pictures and one test picture of each."""
    base = tmp_path / "pets"
    for kind in ("cat", "dog"):
        for number in range(3):
            picture(base / "train" / kind / f"{number}.png")
        picture(base / "test" / kind / "0.jpg")
    return base


def test_pictures_come_in_a_fixed_order_with_classes_mixed(tmp_path):
    base, wanted = tmp_path / "many", {}
    for kind in ("b", "a"):
        for number in range(40):
            pixels = picture(base / "train" / kind / f"{number}.png")
            wanted[pixels.tobytes()] = ("a", "b").index(kind)
    picture(base / "test" / "a" / "x.JPEG")
    train = datasets.load(str(base), "train")
    assert (train.name, train.class_names) == ("many", ("a", "b"))
    assert train.images.shape == (80, 3, 4, 6) and train.images.dtype == np.uint8
    found = {image.transpose(1, 2, 0).tobytes(): label for image, label in zip(train.images, train.labels, strict=True)}  # fmt: skip
    assert found == wanted
    assert 5 < train.labels[:20].sum() < 15, "a part of them holds both classes"
    assert train.digest == datasets.load(str(base), "train").digest
    assert datasets.load(str(base)).images.shape == (1, 3, 4, 6)


def test_grey_pictures_have_one_channel(tmp_path):
    pixels = picture(tmp_path / "train" / "a" / "0.png", mode="L")
    picture(tmp_path / "test" / "a" / "0.png", mode="L")
    train = datasets.load(str(tmp_path), "train")
    assert np.array_equal(train.images, pixels[None, None])


def spoil(name):
    """Put something wrong into the folder of pictures."""

    def apply(base):
        path = base / "train" / "dog" / "1.png"
        if name == "size":
            picture(path, size=(6, 5))
        elif name == "grey among coloured":
            picture(path, mode="L")
        elif name == "empty class":
            (base / "train" / "bird").mkdir()
        elif name == "class in test only":
            picture(base / "test" / "bird" / "0.png")
        elif name == "no classes":
            for file in (base / "train").rglob("*.png"):
                file.rename(base / "train" / f"{file.parent.name}{file.name}")
            for kind in ("cat", "dog"):
                (base / "train" / kind).rmdir()
        elif name == "no train":
            (base / "train").rename(base / "training")
        elif name == "text":
            path.write_text("no picture")
        elif name == "cut short":
            path.write_bytes(path.read_bytes()[:60])
        elif name == "16 bits":
            Image.fromarray(np.zeros((4, 6), np.uint16)).save(path)
        elif name == "CMYK":
            picture(base / "train" / "dog" / "1.jpg", mode="CMYK")
        else:
            picture(path, mode=name)

    return apply


SPOILED = [
    ("size", "train/dog/1.png: must be RGB of 6x4 like "),
    ("grey among coloured", "train/dog/1.png: must be RGB of 6x4 like "),
    ("empty class", "train/bird: must hold pictures (.png, .jpg, .jpeg), and holds none"),
    ("class in test only", "test/bird: its class must have training pictures, too, in "),
    ("no classes", "train: must hold 1 to 256 folders, one for each class, not 0"),
    ("no train", "train: no such folder; pictures must lie in train/CLASS and test/CLASS"),
    ("text", "train/dog/1.png: must be a readable picture ("),
    ("cut short", "train/dog/1.png: must be a readable picture ("),
    ("16 bits", "train/dog/1.png: must be grey or RGB of 8 bits, not of the mode I;16; convert it"),
    ("CMYK", "train/dog/1.jpg: must be grey or RGB of 8 bits, not of the mode CMYK; convert it"),
    ("P", "train/dog/1.png: must be grey or RGB of 8 bits, not of the mode P; convert it"),
    ("1", "train/dog/1.png: must be grey or RGB of 8 bits, not of the mode 1; convert it"),
    ("RGBA", "train/dog/1.png: must be grey or RGB of 8 bits, not of the mode RGBA; convert it"),
]  # fmt: skip


@pytest.mark.parametrize("name, message", SPOILED, ids=[rule[0] for rule in SPOILED])
def test_what_is_wrong_is_one_line(folder, name, message):
    spoil(name)(folder)
    with pytest.raises(UserError) as caught:
        datasets.load(str(folder), "train")
        datasets.load(str(folder), "test")
    (line,) = str(caught.value).splitlines()
    # Which of two pictures is the odd one depends on their order.
    wanted = f"{folder}/{message}" if "like" not in message else " must be "
    assert wanted in line, line


def test_a_name_that_is_nothing(tmp_path):
    with pytest.raises(UserError, match=r"or a folder of pictures or recordings, not 'nothing'"):
        datasets.load("nothing")


@pytest.fixture
def archives(monkeypatch, tmp_path):
    """Small archives in both layouts of CIFAR-10, with checksums of their own."""
    monkeypatch.setattr(cifar10, "PER_FILE", 4)
    monkeypatch.setenv("SSTDP_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    parts = {
        name: (RNG.integers(0, 256, (4, 3072), np.uint8), RNG.integers(0, 10, 4))
        for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
    }

    def write(name, contents, where=tmp_path / "cifar10"):
        where.mkdir(exist_ok=True)
        with tarfile.open(where / name, "w:gz") as archive:
            for member, content in contents.items():
                entry = tarfile.TarInfo(member)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        monkeypatch.setitem(cifar10.MD5, name, cifar10.md5((where / name).read_bytes()))

    def binary():
        write(cifar10.BINARY, {
            f"cifar-10-batches-bin/{name}.bin": np.column_stack([labels, pixels]).astype(np.uint8).tobytes()
            for name, (pixels, labels) in parts.items()
        })  # fmt: skip

    def python(**changes):
        write(cifar10.PYTHON, {
            f"cifar-10-batches-py/{name}": pickle.dumps({b"data": pixels, b"labels": labels.tolist(), **changes}, protocol=3)
            for name, (pixels, labels) in parts.items()
        })  # fmt: skip

    return parts, binary, python, tmp_path / "cifar10"


@pytest.mark.parametrize("layout", ["binary", "python"])
def test_cifar10_from_either_archive(archives, layout):
    parts, binary, python, _ = archives
    {"binary": binary, "python": python}[layout]()
    train, test = datasets.load("cifar10", "train"), datasets.load("cifar10", "test")
    assert train.images.shape == (20, 3, 32, 32) and test.images.shape == (4, 3, 32, 32)
    assert np.array_equal(train.images[4:8].reshape(4, -1), parts["data_batch_2"][0])
    assert np.array_equal(test.labels, parts["test_batch"][1]) and test.labels.dtype == np.int64
    assert test.class_names[:2] == ("airplane", "automobile")


def test_a_damaged_archive_is_told(archives):
    _, binary, _, folder = archives
    binary()
    path = folder / cifar10.BINARY
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        UserError, match=r"cifar-10-binary\.tar\.gz: must have md5 \w+, not \w+; remove"
    ):
        datasets.load("cifar10")


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/evil",)


def test_an_archive_that_would_run_something_is_told(archives):
    _, _, python, _ = archives
    python(x=Evil())
    with pytest.raises(UserError, match=r"must be the CIFAR-10 archive, and is not \(it asks for"):
        datasets.load("cifar10")
    assert not Path("/tmp/evil").exists()


def test_without_archive_and_network(archives, monkeypatch):
    def blocked(*_arguments, **_options):
        raise urllib.error.URLError("no network in this test")

    monkeypatch.setattr("urllib.request.urlopen", blocked)
    with pytest.raises(
        UserError, match=r"cifar10: cifar-10-binary\.tar\.gz is neither in SSTDP_DATA"
    ):
        datasets.load("cifar10")


def test_what_is_downloaded_is_kept(archives, monkeypatch):
    _, binary, _, folder = archives
    binary()
    content = (folder / cifar10.BINARY).read_bytes()
    (folder / cifar10.BINARY).unlink()
    asked = []

    def opened(url, timeout):
        asked.append(url)
        return io.BytesIO(content)

    monkeypatch.setattr("urllib.request.urlopen", opened)
    first, again = datasets.load("cifar10"), datasets.load("cifar10")
    assert asked == [cifar10.PAGE + cifar10.BINARY]
    assert first.digest == again.digest


@pytest.fixture
def jpeg(folder, tmp_path, monkeypatch):
    """The folder that SSTDP_DATA names; the one of pictures lies elsewhere, and the cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SSTDP_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def pack(archive, *parts):
    with tarfile.open(archive, "w:xz") as opened:
        for part in parts:
            opened.add(part, arcname=part.name)


@pytest.mark.parametrize("packed", [False, True])
def test_cifar10_jpeg_as_a_folder_or_as_its_archive(jpeg, folder, packed):
    wanted = datasets.load(str(folder), "train")
    if packed:
        pack(jpeg / "cifar10-jpeg.tar.xz", folder / "train", folder / "test")
    else:
        folder.rename(jpeg / "cifar10-jpeg")
    found = datasets.load("cifar10-jpeg", "train")
    assert (found.name, found.class_names) == ("cifar10-jpeg", ("cat", "dog"))
    assert np.array_equal(found.images, wanted.images)
    assert np.array_equal(found.labels, wanted.labels)
    if packed:  # it is unpacked once
        (jpeg / "cifar10-jpeg.tar.xz").unlink()
    assert datasets.load("cifar10-jpeg", "train").digest == found.digest
    assert len(datasets.load("cifar10-jpeg")) == 2


def test_cifar10_jpeg_is_missing_cut_short_or_half(jpeg, folder, tmp_path):
    with pytest.raises(UserError, match=r"cifar10-jpeg: neither the folder .* nor .*tar\.xz is in"):
        datasets.load("cifar10-jpeg")
    archive = jpeg / "cifar10-jpeg.tar.xz"
    pack(archive, folder / "train")
    with pytest.raises(UserError, match="must hold train and test, and test is missing"):
        datasets.load("cifar10-jpeg")
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="must be a whole archive"):
        datasets.load("cifar10-jpeg")
    noise = io.BytesIO(np.random.default_rng(0).bytes(100_000))  # so that the damage lies inside
    with tarfile.open(archive, "w:xz") as opened:
        opened.add(folder / "train", arcname="train")
        inside = tarfile.TarInfo("train/noise")
        inside.size = noise.getbuffer().nbytes
        opened.addfile(inside, noise)
    damaged = bytearray(archive.read_bytes())
    middle = slice(len(damaged) // 2, len(damaged) // 2 + 100)
    damaged[middle] = bytes(100)
    archive.write_bytes(damaged)
    with pytest.raises(UserError, match="must be a whole archive"):
        datasets.load("cifar10-jpeg")
    assert not list((tmp_path / "cache").glob("sstdp-hw/cifar10*"))
