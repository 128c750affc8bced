"""The compiled passes of normalized networks: built once by g++, kept in the cache."""

from __future__ import annotations

import ctypes
import hashlib
import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path

from sstdp_hw.base.caches import cache_folder
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import written_whole

SOURCES = ("forward.cpp", "backward.cpp")
HEADERS = ("layer.h",)
COMPILER = "g++"
# On x86-64 the instructions that every processor since about 2015 has. Products may be fused with
# sums, always in the same places.
LEVEL = "x86-64-v3" if platform.machine() in ("x86_64", "AMD64") else "native"
FLAGS = ("-O3", f"-march={LEVEL}", "-std=c++20", "-fno-math-errno", "-shared", "-fPIC", "-pthread")


class CompilerMissing(UserError):
    """There is no compiler, or it does not work."""


@cache
def library() -> ctypes.CDLL:
    """The compiled passes.

    Raises
    ------
    CompilerMissing
        If g++ is not there or cannot compile them.
    """
    compiler = shutil.which(COMPILER)
    if compiler is None:
        raise CompilerMissing(
            f"Backend native must have {COMPILER} to train normalized networks, and finds none; "
            "install it, or use --backend torch"
        )
    here = Path(__file__).parent
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout
    parts = [(here / name).read_bytes() for name in (*HEADERS, *SOURCES)]
    key = hashlib.sha256(repr((parts, FLAGS, version)).encode()).hexdigest()[:16]
    path = cache_folder() / "normalized" / f"{key}.so"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as temporary:
            _compile(compiler, here, temporary)
    loaded = ctypes.CDLL(str(path))
    for name in ("forward", "backward"):
        getattr(loaded, name).restype = None
    return loaded


def _compile(compiler: str, here: Path, target: Path) -> None:
    sources = [str(here / name) for name in SOURCES]
    command = [compiler, *FLAGS, "-o", str(target), *sources]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[0][:200]
        raise CompilerMissing(
            f"Backend native must compile its passes with {COMPILER}, and cannot ({reason}); "
            "mend it, or use --backend torch"
        )
