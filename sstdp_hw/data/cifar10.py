"""CIFAR-10 (Krizhevsky 2009) from its official archives: 32x32 pictures in colour, ten classes.

Both archives are taken, the binary version and the one for Python, as they were published; the
checksums are those of their author's page. The binary version is downloaded if there is neither.
"""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import UserError
from ..network.layers import Array
from .places import download, folders, keep, md5
from .samples import Samples, Split

NAME = "cifar10"
PAGE = "https://www.cs.toronto.edu/~kriz/"
BINARY, PYTHON = "cifar-10-binary.tar.gz", "cifar-10-python.tar.gz"
MD5 = {BINARY: "c32a1d4ab5d03f1284b67883e8d87530", PYTHON: "c58f30108f718f92721af3b95e74349a"}
CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
SHAPE = (3, 32, 32)
PER_FILE = 10_000
PIXELS = int(np.prod(SHAPE))


def load(split: Split) -> Samples:
    """50,000 training or 10,000 test images, in the order of the archive."""
    path, content = _archive()
    reader = _binary if path.name == BINARY else _python
    parts = ["test_batch"]
    if split == "train":
        parts = [f"data_batch_{number}" for number in range(1, 6)]
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            images, labels = zip(*(reader(archive, part) for part in parts), strict=True)
    except (tarfile.TarError, OSError, EOFError, ValueError, KeyError, pickle.PickleError) as error:
        raise UserError(f"{path}: must be the CIFAR-10 archive, and is not ({error})") from None
    return Samples(
        NAME, np.concatenate(images).reshape(-1, *SHAPE), np.concatenate(labels), CLASSES
    )


def _archive() -> tuple[Path, bytes]:
    """Path and content of an archive, checked against its md5."""
    for folder in folders(NAME):
        for name in (BINARY, PYTHON):
            if (folder / name).is_file():
                return folder / name, _checked(folder / name, (folder / name).read_bytes(), name)
    content = download(
        NAME, BINARY, PAGE + BINARY,
        f"put {BINARY} or {PYTHON} of {PAGE}cifar.html into a folder and set SSTDP_DATA",
    )  # fmt: skip
    content = _checked(Path(PAGE + BINARY), content, BINARY)
    return keep(NAME, BINARY, content), content


def _checked(path: Path, content: bytes, name: str) -> bytes:
    if (found := md5(content)) != MD5[name]:
        raise UserError(f"{path}: must have md5 {MD5[name]}, not {found}; remove the file")
    return content


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    opened = archive.extractfile(name)
    if opened is None:
        raise ValueError(f"{name} is no file")
    return opened.read()


def _binary(archive: tarfile.TarFile, part: str) -> tuple[Array, Array]:
    """A byte for the label, then the pixels, plane by plane."""
    content = _member(archive, f"cifar-10-batches-bin/{part}.bin")
    rows = np.frombuffer(content, np.uint8).reshape(-1, 1 + PIXELS)
    return _whole(rows[:, 1:], rows[:, 0])


def _python(archive: tarfile.TarFile, part: str) -> tuple[Array, Array]:
    content = _member(archive, f"cifar-10-batches-py/{part}")
    batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    return _whole(np.asarray(batch[b"data"]), np.asarray(batch[b"labels"]))


def _whole(pixels: Array, labels: Array) -> tuple[Array, Array]:
    if pixels.shape != (PER_FILE, PIXELS) or pixels.dtype != np.uint8 or labels.max() > 9:
        raise ValueError(f"a batch of {list(pixels.shape)}")
    return pixels, labels.astype(np.int64)


class _Unpickler(pickle.Unpickler):
    """Numpy arrays and nothing else, whatever a file asks for."""

    ALLOWED = frozenset({"_reconstruct", "ndarray", "dtype"})

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] != "numpy" or name not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        if name == "_reconstruct":
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        return getattr(np, name)
