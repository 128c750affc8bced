"""Where caches lie, and what stands in for a place that cannot be written.

Containers run as users without a home, homes are full or read-only. Nothing that is kept in a cache
is needed; but some libraries stop where they cannot write theirs, or write it into a folder that
they call ``~``. Who is about to need a cache asks here first: where there is no place for one, a
temporary folder takes its part, for this process and those that it starts.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from .errors import UserError
from .progress import say

_OWN = "sstdp-hw"
_XDG = "XDG_CACHE_HOME"
# Names the temporary folder to the processes that this one starts.
_STAND_IN = "SSTDP_HW_STAND_IN_CACHE"


def cache_folder() -> Path:
    """Where this program keeps its own: ``$XDG_CACHE_HOME/sstdp-hw``, by default
    ``~/.cache/sstdp-hw``; a temporary folder if nothing can be written there."""
    home = _home()
    if home is not None and can_write(home / _OWN):
        return home / _OWN
    return _stand_in(home) / _OWN


def read_folders() -> list[Path]:
    """Where this program may have kept something; also where it cannot write."""
    home, other = _home(), os.environ.get(_STAND_IN)
    return [folder / _OWN for folder in (home, other and Path(other)) if folder]


def provide_cache(variable: str) -> None:
    """See to it that a library that keeps its cache in the user's home can do so.

    Parameters
    ----------
    variable : str
        Environment variable that names the folder of that library. It is set, if it is not, where
        the home cannot be written. The library must not have been imported before.
    """
    home = _home()
    given = os.environ.get(variable)
    if can_write(Path(given)) if given else home is not None and can_write(home / _OWN):
        return
    place = _stand_in(Path(given), variable) if given else _stand_in(home)
    os.environ[variable] = str(place / variable.lower())


def wasm_cache() -> Path:
    """Where the FPGA tools of the wheels keep their machine code: ``$YOWASP_CACHE_DIR``, by default
    a folder beside `cache_folder`.

    Without it every call would compile its tool again, up to a minute. What lies where nothing can
    be written is used.
    """
    home = _home()
    given = os.environ.get("YOWASP_CACHE_DIR")
    # Absolute, because each tool runs in a folder of its own.
    place = Path(given).absolute() if given else home and home / "YoWASP"
    if place is not None and can_write(place):
        return place
    new = _stand_in(place, "YOWASP_CACHE_DIR" if given else _XDG) / "YoWASP"
    if place is not None:
        _link_files(place, new)
    return new


def _home() -> Path | None:
    """The folder of all programs' caches; None if the user has no home."""
    asked = os.environ.get(_XDG, "")
    if os.path.isabs(asked):  # others are to be ignored, says the XDG base directory specification
        return Path(asked)
    with contextlib.suppress(RuntimeError):
        home = Path.home()
        if home.is_absolute():
            return home / ".cache"
    return None


@cache
def can_write(folder: Path) -> bool:
    """Whether files can be made in the folder, which is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _stand_in(missing: Path | None, variable: str = _XDG) -> Path:
    """A temporary folder for all caches; it is said once that there is no other."""
    given = os.environ.get(_STAND_IN)
    if given and can_write(Path(given)):
        return Path(given)
    try:
        folder = Path(tempfile.mkdtemp(prefix="sstdp-hw-cache-"))
    except OSError as error:
        raise UserError(
            f"A folder for temporary files must be writable, and none is ({error}); set TMPDIR"
        ) from None
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[_STAND_IN] = str(folder)
    told = "the user has no home folder" if missing is None else f"{missing} cannot be written"
    say(
        f"No cache is kept: {told}. Set {variable} to a folder that can be written, or some steps "
        "take longer each time."
    )
    return folder


def _link_files(old: Path, new: Path) -> None:
    """Show the files below ``old`` below ``new``, where others can be added."""
    for file in old.rglob("*"):
        link = new / file.relative_to(old)
        if file.is_file() and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)
