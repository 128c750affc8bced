"""Data sets by name: uint8 images or spike times [N, C, H, W] and integer labels [N], in a fixed
order.

``digits`` comes with scikit-learn; ``mnist``, ``cifar10``, ``cifar10-jpeg`` and
``caltech-face-motorbike`` are looked for in the folder that the environment variable ``SSTDP_DATA``
names, then in the local cache; the first two are downloaded with a checksum when they are in
neither; anything that ends in ``.npz`` is
read as a file, and any other folder as one of pictures or of an event camera's recordings. Behind
the name of recordings stands how they become spike times: ``nmnist:steps=8,window=100``.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from ..base.errors import UserError
from ..network.chain import MAX_CLASSES, MAX_T, PIXELS, SPIKES, printable
from ..network.layers import Array
from ..network.ttfs import PIXEL_VALUES
from . import cifar10, cifar10_jpeg, pictures, recordings
from .first_spikes import Binning, split_options
from .places import cache_named, download, folders, keep, md5
from .samples import Samples as Samples
from .samples import Split

MNIST_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST_MD5 = {  # of the uncompressed files
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
UNREADABLE_NPZ = (
    OSError, ValueError, EOFError, TypeError, KeyError, RuntimeError, MemoryError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_NPZ_ARRAYS = ("images", "spike_times", "labels", "t_max")
COLOURS = (1, 3, 4)  # channels of a picture: grey, RGB, RGB with opacity
CALTECH = "caltech-face-motorbike"
CALTECH_FOLDERS = ("Faces_easy", "Motorbikes")
CALTECH_SIZE = (24, 36)  # height, width: the aspect of most motorbike pictures
CALTECH_TRAIN_PER_CLASS = 200
CALTECH_NAMES = (CALTECH, *(f"{CALTECH}-{number}" for number in range(2, 6)))  # five splits


def load(name: str, split: Split = "test") -> Samples:
    """Load one split of a data set.

    ``digits`` holds out every third image. ``caltech-face-motorbike`` and the same with ``-2`` to
    ``-5`` are five fixed splits of one set of images, with 200 training images per class each. An
    ``.npz`` file has no splits of its own: both are the whole file. A folder holds pictures as
    `sstdp_hw.data.pictures` says, or recordings as `sstdp_hw.data.recordings` does.

    Raises
    ------
    UserError
        If the name is unknown, the data is missing and cannot be fetched, or a file is damaged.
    """
    if name.endswith(".npz"):
        return _npz(Path(name))
    if name in LOADERS:
        return LOADERS[name](split)
    base, options = split_options(name)
    if base == recordings.NMNIST:
        return recordings.load_nmnist(split, options)
    for folder in (Path(name), Path(base)):
        if recordings.holds_recordings(folder):
            return recordings.load(folder, split, Binning.given(options, None, str(folder)))
    if Path(name).is_dir():
        return pictures.load(Path(name), split)
    raise UserError(
        f"Data set must be {', '.join(dict.fromkeys(map(family, LOADERS)))}, {recordings.NMNIST}, "
        f"the path of an .npz file or a folder of pictures or recordings, not {name!r}"
    )


def _digits(split: Split) -> Samples:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.minimum(bunch.images * 16, 255).astype(np.uint8)[:, None]  # 0..16 to 0..255
    held_out = np.arange(len(images)) % 3 == 2
    chosen = held_out if split == "test" else ~held_out
    names = tuple(str(digit) for digit in range(10))
    return Samples("digits", images[chosen], bunch.target[chosen].astype(np.int64), names)


def _mnist(split: Split) -> Samples:
    prefix = "train" if split == "train" else "t10k"
    images = _idx(_mnist_file(f"{prefix}-images-idx3-ubyte"), 3)
    labels = _idx(_mnist_file(f"{prefix}-labels-idx1-ubyte"), 1)
    names = tuple(str(digit) for digit in range(10))
    return Samples("mnist", images[:, None], labels.astype(np.int64), names)


def _mnist_file(name: str) -> tuple[Path, bytes]:
    """Path and uncompressed content of one IDX file, checked against its md5."""
    for folder in folders("mnist"):
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path, _checked(path, path.read_bytes(), name)
    url = f"{MNIST_MIRROR}{name}.gz"
    packed = download("mnist", name, url, "put the four IDX files into a folder and set SSTDP_DATA")
    content = _checked(Path(url), packed, name)
    return keep("mnist", f"{name}.gz", packed), content


def _checked(path: Path, content: bytes, name: str) -> bytes:
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError) as error:
            raise UserError(f"{path}: must be a whole gzip file ({error})") from None
    if (found := md5(content)) != MNIST_MD5[name]:
        raise UserError(
            f"{path}: must have md5 {MNIST_MD5[name]} uncompressed, not {found}; remove the file"
        )
    return content


def _idx(source: tuple[Path, bytes], rank: int) -> Array:
    path, content = source
    sizes = np.frombuffer(content, ">i4", count=rank, offset=4)
    if content[:4] != bytes((0, 0, 8, rank)) or len(content) != 4 + 4 * rank + int(np.prod(sizes)):
        raise UserError(f"{path}: must be an IDX file of {rank} dimensions of bytes")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(sizes)


def family(name: str) -> str:
    """The data set that ``name`` is a split of; any other name as it is."""
    return CALTECH if name in CALTECH_NAMES else name


def looks_like(name: str) -> str:
    """The data set whose recipe fits ``name``."""
    return cifar10.NAME if name == cifar10_jpeg.NAME else family(name)


def _caltech(name: str, split: Split) -> Samples:
    from PIL import Image

    salt = "" if name == CALTECH else f"{name}/"
    for folder in folders("caltech101"):
        if all((folder / kind).is_dir() for kind in CALTECH_FOLDERS):
            break
    else:
        raise UserError(
            "Data set caltech-face-motorbike: the folders Faces_easy and Motorbikes are neither in "
            f"SSTDP_DATA nor in {cache_named()}; unpack Caltech-101 there and set SSTDP_DATA"
        )
    images, labels = [], []
    for label, kind in enumerate(CALTECH_FOLDERS):
        paths = sorted((folder / kind).glob("*.jpg"))
        # A fixed shuffle by file name: file order follows the photographed person.
        paths.sort(key=lambda path: hashlib.sha256(f"{salt}{path.name}".encode()).digest())
        train, test = paths[:CALTECH_TRAIN_PER_CLASS], paths[CALTECH_TRAIN_PER_CLASS:]
        for path in train if split == "train" else test:
            try:
                with Image.open(path) as opened:
                    grey = opened.convert("L").resize(CALTECH_SIZE[::-1], Image.Resampling.BOX)
            except OSError as error:
                raise UserError(f"{path}: must be a readable JPEG file ({error})") from None
            images.append(np.asarray(grey))
            labels.append(label)
    if len(set(labels)) < len(CALTECH_FOLDERS):
        raise UserError(
            f"{folder}: each of {' and '.join(CALTECH_FOLDERS)} must hold more than "
            f"{CALTECH_TRAIN_PER_CLASS} *.jpg files, and one does not"
        )
    return Samples(name, np.stack(images)[:, None], np.array(labels), ("face", "motorbike"))


def _npz(path: Path) -> Samples:
    try:
        # Opened here, because np.load leaves a file that it cannot read open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as opened:
            arrays = {name: opened[name] for name in _NPZ_ARRAYS if name in opened}
    except FileNotFoundError:
        raise UserError(f"{path}: no such data set file") from None
    except UNREADABLE_NPZ as error:
        raise UserError(f"{path}: must be an .npz file of plain arrays ({error})") from None
    if "images" in arrays and "spike_times" in arrays:
        raise UserError(f"{path}: must hold images or spike_times, and holds both")
    name, kind = ("spike_times", SPIKES) if "spike_times" in arrays else ("images", PIXELS)
    for needed in (name, "labels"):
        if needed not in arrays:
            raise UserError(f"{path}: must hold the array {needed!r}, and it is missing")
    images, labels = arrays[name], arrays["labels"]
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or not images.size:
        raise UserError(
            f"{path}: {name} must be uint8 [N, H, W] or [N, C, H, W], not {images.dtype} "
            f"{list(images.shape)}{_hint(images) if kind == PIXELS else ''}"
        )
    t_max = _npz_t_max(path, arrays.get("t_max"), images) if kind == SPIKES else None
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        raise UserError(
            f"{path}: labels must be {len(images)} integers, not {labels.dtype} "
            f"{list(labels.shape)}"
        )
    if labels.min() < 0 or labels.max() >= MAX_CLASSES:
        raise UserError(
            f"{path}: labels must be from 0 to {MAX_CLASSES - 1}, not from {labels.min()} to "
            f"{labels.max()}"
        )
    if images.ndim == 3:
        images = images[:, None]
    names = tuple(str(label) for label in range(int(labels.max()) + 1))
    return Samples(printable(path.stem), images, labels.astype(np.int64), names, kind, t_max)


def _npz_t_max(path: Path, given: Array | None, times: Array) -> int | None:
    """The spike time that means silent, if the file tells."""
    if given is None:
        return None
    if given.dtype.kind not in "iu" or given.size != 1 or not 1 <= int(given.item()) <= MAX_T:
        raise UserError(f"{path}: t_max must be an integer from 1 to {MAX_T}")
    t_max = int(given.item())
    if times.max() > t_max:
        raise UserError(
            f"{path}: spike_times must not exceed its t_max {t_max}, which is silent, not "
            f"{times.max()}"
        )
    return t_max


def _hint(images: Array) -> str:
    """What would make these images fit, if that is easily told."""
    hints = []
    if images.dtype.kind == "f" and images.size and _are_pixels(images):
        hints.append("images.astype(np.uint8), as they are whole numbers of 8 bits")
    elif images.dtype.kind == "f":
        hints.append("np.rint(255 * images).astype(np.uint8) if they run from 0 to 1")
    elif images.dtype != np.uint8 and images.dtype.kind in "iu":
        hints.append("images.astype(np.uint8) if they run from 0 to 255")
    if images.ndim == 2:
        side = math.isqrt(images.shape[1])
        shape = f"{side}, {side}" if side * side == images.shape[1] else "H, W"
        hints.append(f"flat ones need images.reshape(-1, {shape})")
    return f"; {' and '.join(hints)}" if hints else ""


def _are_pixels(images: Array) -> bool:
    """Whether floats are whole numbers of 8 bits, and more than a picture of zeros and ones."""
    high = images.max()
    return bool(1 < high < PIXEL_VALUES and images.min() >= 0 and np.all(images == images // 1))


def looks_channels_last(shape: tuple[int, ...]) -> bool:
    """Whether a shape [C, H, W] reads more like [H, W, C]: colours last, and too many of them first
    to be colours."""
    first, second, last = shape
    return last in COLOURS and first > max(COLOURS) and second > last


LOADERS: dict[str, Callable[[Split], Samples]] = {
    "digits": _digits,
    "mnist": _mnist,
    cifar10.NAME: cifar10.load,
    cifar10_jpeg.NAME: cifar10_jpeg.load,
    **{name: partial(_caltech, name) for name in CALTECH_NAMES},
}
