"""Folders of recordings of event cameras, as spike times; N-MNIST among them.

Two layouts: ``Train/CLASS/*`` and ``Test/CLASS/*``, capital or not, as N-MNIST is published, and
``train.txt`` and ``test.txt``, which give the class of every file ``N.bs2``, as parts of it are
passed on.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from ..base.errors import UserError
from ..network.chain import MAX_CLASSES, SPIKES, printable
from .event_files import READERS, read_events
from .first_spikes import Binning, first_spikes
from .places import cache_named, folders
from .samples import Samples, Split

NMNIST = "nmnist"
#: Where N-MNIST may lie in SSTDP_DATA or the cache.
NMNIST_FOLDERS = ("nmnist", "N-MNIST", "NMNIST", "nmnist-small")
#: The first of the three movements in which a digit was seen.
NMNIST_BINNING = Binning(steps=16, window=100.0, size=(34, 34), start=0.0)

Files = list[tuple[Path, int]]


def load_nmnist(split: Split, options: dict[str, str]) -> Samples:
    """One split of N-MNIST; options as of `Binning`."""
    binning = Binning.given(options, NMNIST_BINNING, NMNIST)
    for folder in folders(*NMNIST_FOLDERS):
        if holds_recordings(folder):
            return load(folder, split, binning, NMNIST)
    raise UserError(
        f"Data set {NMNIST}: its folders Train and Test are in none of {', '.join(NMNIST_FOLDERS)} "
        f"of SSTDP_DATA or {cache_named()}; get N-MNIST from "
        "https://www.garrickorchard.com/datasets/n-mnist, unpack it there and set SSTDP_DATA"
    )


def holds_recordings(folder: Path) -> bool:
    """Whether a folder is laid out as one of recordings."""
    if not folder.is_dir():
        return False
    if (folder / "train.txt").is_file() and (folder / "test.txt").is_file():
        return True
    train = _inside(folder, "train")
    return train is not None and any(
        path.suffix.lower() in READERS for part in train.iterdir() if part.is_dir()
        for path in part.iterdir()
    )  # fmt: skip


def load(folder: Path, split: Split, binning: Binning, name: str | None = None) -> Samples:
    """One split of a folder of recordings, in a fixed order in which the classes are mixed.

    Raises
    ------
    UserError
        If the layout is another, a file is damaged, or an event lies beyond the sensor.
    """
    listed = (folder / f"{split}.txt").is_file()
    files, names = _listed(folder, split) if listed else _in_classes(folder, split)
    if not files:
        raise UserError(f"{folder}: must hold recordings for {split}, and holds none")
    times = np.stack([first_spikes(read_events(path), binning, str(path)) for path, _ in files])
    labels = np.array([label for _, label in files], np.int64)
    name = printable(folder.resolve().name) if name is None else name
    return Samples(name, times, labels, names, SPIKES, binning.steps)


def _inside(folder: Path, name: str) -> Path | None:
    """A folder of this name, capital or not."""
    found = [folder / each for each in (name, name.capitalize()) if (folder / each).is_dir()]
    return found[0] if found else None


def _in_classes(folder: Path, split: Split) -> tuple[Files, tuple[str, ...]]:
    train, part = _inside(folder, "train"), _inside(folder, split)
    if train is None or part is None:
        raise UserError(f"{folder}: must hold train/CLASS and test/CLASS with recordings")
    names = tuple(sorted(path.name for path in train.iterdir() if path.is_dir()))
    if not 1 <= len(names) <= MAX_CLASSES:
        raise UserError(
            f"{train}: must hold 1 to {MAX_CLASSES} folders, one for each class, not {len(names)}"
        )
    strange = {path.name for path in part.iterdir() if path.is_dir()} - set(names)
    if strange:
        raise UserError(
            f"{part / min(strange)}: its class must have training recordings, too, in "
            f"{train / min(strange)}, and has none"
        )
    files = [
        (path, label)
        for label, name in enumerate(names)
        for path in sorted((part / name).glob("*"))
        if path.suffix.lower() in READERS
    ]
    # A fixed shuffle by name: the first hundred are of all classes.
    files.sort(key=lambda file: hashlib.sha256(
        f"{names[file[1]]}/{file[0].name}".encode(errors="surrogateescape")
    ).digest())  # fmt: skip
    return files, names


def _listed(folder: Path, split: Split) -> tuple[Files, tuple[str, ...]]:
    found = {part: _list(folder / f"{part}.txt") for part in ("train", "test")}
    classes = 1 + max(label for rows in found.values() for _, label in rows)
    return found[split], tuple(map(str, range(classes)))


def _list(path: Path) -> Files:
    """Files and classes of a list: a number and a class a line."""
    files: Files = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: must be a list of recordings ({error})") from None
    for number, line in enumerate(lines, 1):
        parts = line.split()
        if not parts or line.startswith("#"):
            continue
        if len(parts) != 2 or not all(part.isdecimal() for part in parts):
            raise UserError(
                f"{path}: line {number} must be a recording's number and its class, not {line!r}"
            )
        if int(parts[1]) >= MAX_CLASSES:
            raise UserError(
                f"{path}: line {number} must have a class below {MAX_CLASSES}, not {parts[1]}"
            )
        file = path.parent / f"{parts[0]}.bs2"
        if not file.is_file():
            raise UserError(f"{file}: no such file, though {path.name} names it")
        files.append((file, int(parts[1])))
    if not files:
        raise UserError(f"{path}: must name recordings, and names none")
    return files
