"""A folder of pictures: ``train/CLASS/*.png`` and ``test/CLASS/*.jpg``, all of one size."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from ..base.errors import UserError
from ..network.chain import MAX_CLASSES, printable
from ..network.layers import Array
from .samples import Samples, Split

SUFFIXES = (".png", ".jpg", ".jpeg")
#: How pictures are stored that are taken as they are; of any other kind a conversion would have to
#: choose what is lost.
CHANNELS = {"L": 1, "RGB": 3}


def load(folder: Path, split: Split) -> Samples:
    """One split of a folder of pictures, in a fixed order in which the classes are mixed.

    Grey pictures have one channel, coloured ones three. The classes are the folders of ``train``,
    in alphabetical order.

    Raises
    ------
    UserError
        If the layout is another, a class has no pictures, a class is in ``test`` only, a picture
        cannot be read, is not grey or RGB of 8 bits, or has another size than the first.
    """
    names = _classes(folder / "train")
    if split == "test" and (strange := set(_classes(folder / "test")) - set(names)):
        raise UserError(
            f"{folder / 'test' / min(strange)}: its class must have training pictures, too, in "
            f"{folder / 'train' / min(strange)}, and has none"
        )
    files = [
        (label, path)
        for label, name in enumerate(names)
        for path in _pictures(folder / split / name)
    ]
    # A fixed shuffle by name: the first hundred are of all classes.
    files.sort(key=lambda file: _key(f"{names[file[0]]}/{file[1].name}"))
    images: list[Array] = []
    for _, path in files:
        images.append(_read(path))
        if images[-1].shape != images[0].shape:
            raise UserError(
                f"{path}: must be {_told(images[0])} like {files[0][1]}, not {_told(images[-1])}; "
                "resize or convert the pictures"
            )
    labels = np.array([label for label, _ in files], np.int64)
    return Samples(printable(folder.resolve().name), np.stack(images), labels, names)


def _key(name: str) -> bytes:
    return hashlib.sha256(name.encode(errors="surrogateescape")).digest()


def _classes(folder: Path) -> tuple[str, ...]:
    """Names of the class folders, in alphabetical order; each holds a picture."""
    if not folder.is_dir():
        raise UserError(
            f"{folder}: no such folder; pictures must lie in train/CLASS and test/CLASS"
        )
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if not 1 <= len(names) <= MAX_CLASSES:
        raise UserError(
            f"{folder}: must hold 1 to {MAX_CLASSES} folders, one for each class, not {len(names)}"
        )
    for name in names:
        if not _pictures(folder / name):
            raise UserError(
                f"{folder / name}: must hold pictures ({', '.join(SUFFIXES)}), and holds none"
            )
    return tuple(names)


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():  # a class without test pictures
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def _read(path: Path) -> Array:
    """uint8 [C, H, W]."""
    from PIL import Image

    try:
        with Image.open(path) as opened:
            if opened.mode not in CHANNELS:
                raise UserError(
                    f"{path}: must be grey or RGB of 8 bits, not of the mode {opened.mode}; "
                    "convert it"
                )
            pixels = np.asarray(opened)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: must be a readable picture ({error})") from None
    return np.ascontiguousarray(np.atleast_3d(pixels).transpose(2, 0, 1))


def _told(image: Array) -> str:
    channels, height, width = image.shape
    return f"{'grey' if channels == 1 else 'RGB'} of {width}x{height}"
