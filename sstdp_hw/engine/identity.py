"""What the answers of a machine rest on: versions of Python, of this package and of the tools, and
the sources. Whoever differs may answer differently."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from ..base.files import sha256

PACKAGES = ("sstdp_hw", "sstdp_rtl", "sstdp_sim", "sstdp_train")
#: What is compared whatever the tools.
OWN = {"python", "sstdp-hw", "sources of sstdp-hw"}
_SOURCES = ("*.py", "*.v", "*.json", "*.cpp", "*.h")


def identity(tools: tuple[str, ...]) -> dict[str, str]:
    """By name, of this process; ``tools`` are distributions."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in ("sstdp-hw", *tools):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "nothing"
    return found | {"sources of sstdp-hw": _sources()}


def difference(here: Mapping[str, str], there: Mapping[str, str]) -> str | None:
    """The first that is not the same, in words."""
    for name, value in here.items():
        if there.get(name, "nothing") != value:
            return f"{name} must be {value}, as here, not {there.get(name, 'nothing')}"
    return None


@cache
def _sources() -> str:
    """Of the packages that are installed, by their first digits; a development version keeps its
    number while it changes."""
    parts: list[bytes] = []
    for package in PACKAGES:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            continue
        folder = Path(spec.origin).parent
        for file in sorted(file for pattern in _SOURCES for file in folder.rglob(pattern)):
            parts += [file.relative_to(folder).as_posix().encode(), file.read_bytes()]
    return sha256(*parts)[:12]
