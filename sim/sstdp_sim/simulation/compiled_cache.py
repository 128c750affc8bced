"""Keeps compiled Verilator simulations: whole programs, and the runtime that all of them link.

A program depends on the Verilog, the flags and the tools, so it is found by a hash of those and a
second simulation of the same accelerator starts at once. The runtime, a few C++ files of Verilator,
takes g++ longer than a small design does; its object files are kept for designs that are new.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

from sstdp_hw.base import locks
from sstdp_hw.base.caches import cache_folder
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import sha256, written_whole

RUNTIME = ("verilated.o", "verilated_vpi.o", "verilated_dpi.o", "verilated_threads.o")
#: Most recently used programs that stay; one is 2 to 5 MB.
KEPT_PROGRAMS = 50


@cache
def _compiler(command: str) -> bytes:
    try:
        return subprocess.run([command, "--version"], capture_output=True, check=False).stdout
    except OSError:
        return b""


def _key(*parts: bytes) -> str:
    """Hash of the parts and of all tools; the program names cocotb's folder, so that counts too."""
    import cocotb_tools.config

    tools = [version("verilator"), version("cocotb"), str(cocotb_tools.config.libs_dir)]
    compiler = _compiler("c++")  # that of Verilator's make file, whatever CXX is
    return sha256(*(tool.encode() for tool in tools), compiler, *parts)


class CompiledCache:
    """Cache for one simulation.

    Parameters
    ----------
    build : Path
        Folder in which it is compiled.
    program : str
        Name of the program in it.
    sources : sequence of bytes
        All Verilog.
    flags : sequence of str
        All that the compilation is given besides.
    """

    def __init__(
        self, build: Path, program: str, sources: Sequence[bytes], flags: Sequence[str]
    ) -> None:
        self.build, self.program = build, build / program
        options = "\0".join(flags).encode()
        folder = cache_folder() / "verilator"
        self._program = folder / "programs" / _key(*sources, options)
        self._runtime = folder / _key(options)[:16]

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Who makes the same program on this machine waits: it is made once."""
        with locks.alone(self._program):
            yield

    def restore(self) -> bool:
        """Whether the program was there; if not, the runtime is put into the folder if it is."""
        self.build.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            shutil.copy(self._program, self.program)
            os.utime(self._program)  # most recently used
            return True
        # The make file of the design, which they also depend on, is written after this.
        newer = time.time() + 600
        for name in RUNTIME:
            with contextlib.suppress(OSError):
                shutil.copyfile(self._runtime / name, self.build / name)
                os.utime(self.build / name, (newer, newer))
        return False

    def keep(self) -> None:
        """Copy program and runtime of a finished build; a cache that cannot be written is none."""
        with contextlib.suppress(OSError, UserError):
            for name in RUNTIME:
                if (self.build / name).is_file() and not (self._runtime / name).is_file():
                    with written_whole(self._runtime / name) as temporary:
                        shutil.copyfile(self.build / name, temporary)
            with written_whole(self._program) as temporary:
                shutil.copy(self.program, temporary)
            programs = sorted(
                (path for path in self._program.parent.iterdir() if not path.name.startswith(".")),
                key=lambda path: path.stat().st_mtime,
            )
            for path in programs[:-KEPT_PROGRAMS]:
                path.unlink(missing_ok=True)
                path.with_name(f".{path.name}.lock").unlink(missing_ok=True)
