"""Where data sets lie: the folder that SSTDP_DATA names, then the cache, else the network."""

from __future__ import annotations

import hashlib
import os
import urllib.request
from pathlib import Path

from ..base.caches import cache_folder, read_folders
from ..base.errors import UserError
from ..base.files import written_whole


def folders(*subfolders: str) -> list[Path]:
    """Where data may lie, in order of preference."""
    bases = []
    if "SSTDP_DATA" in os.environ:
        bases.append(Path(os.environ["SSTDP_DATA"]))
    bases += read_folders()
    return [base / sub for base in bases for sub in (*subfolders, "")]


def cache_named() -> str:
    """The cache as errors name it."""
    return " or ".join(map(str, read_folders())) or "a cache (the user has no home folder)"


def download(dataset: str, name: str, url: str, next_step: str) -> bytes:
    """The content of a file that lies nowhere on this machine.

    Raises
    ------
    UserError
        If there is no network, with ``next_step``: what to do then.
    """
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            content: bytes = response.read()
    except OSError as error:
        raise UserError(
            f"Data set {dataset}: {name} is neither in SSTDP_DATA nor in {cache_named()}, and "
            f"downloading it failed ({error}); {next_step}"
        ) from None
    return content


def keep(dataset: str, name: str, content: bytes) -> Path:
    """Put a file that was downloaded and checked into the cache."""
    target = cache_folder() / dataset / name
    with written_whole(target) as temporary:
        temporary.write_bytes(content)
    return target


def md5(content: bytes) -> str:
    """The checksum that data sets publish; it tells damage, not malice."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
