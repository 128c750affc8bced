"""Where an output really goes: links are followed, devices and pipes are written to."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

from .errors import UserError


def reason(error: OSError | RuntimeError, *own: Path) -> str:
    """What the system says, without the name of a file of ``own``, which the user never named."""
    if isinstance(error, OSError) and error.strerror:
        named = error.filename is not None and str(error.filename) not in map(str, own)
        return str(error) if named else error.strerror
    return str(error)


def followed(path: Path) -> Path:
    """What ``path`` stands for, behind links; there may be nothing yet.

    Raises
    ------
    UserError
        If links lead in a circle, or a folder on the way must not be read.
    """
    try:
        return path.resolve() if path.is_symlink() else path
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle, before Python 3.13
        raise UserError(
            f"{path}: must lead to a place to write to: {reason(error, path)}"
        ) from None


def make_folder(path: Path) -> None:
    """Make a folder and those above it, if missing.

    Raises
    ------
    UserError
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: its folder cannot be made: {reason(error, path)}") from None


def beside(path: Path, suffix: str) -> Path:
    """A hidden name in the folder of ``path``, which is made if missing; on the same disk, so that
    a rename does.

    Raises
    ------
    UserError
        If ``path`` names nothing in a folder, as "." does, or the folder cannot be made.
    """
    if path.name in ("", ".."):
        raise UserError(f"{path}: must be a file name, not a folder")
    make_folder(path.parent)
    return path.with_name(f".{path.name}.{suffix}")


def check_folder(folder: Path, output: Path | None = None) -> None:
    """Refuse a folder that cannot be written, or made, before work is spent on what goes there.

    Parameters
    ----------
    folder : Path
    output : Path, optional
        What the user named, if it was not the folder.

    Raises
    ------
    UserError
    """
    named = output or folder
    try:
        place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        fits = place.is_dir() and os.access(place, os.W_OK)
    except OSError as error:  # a name that is too long, a folder that must not be looked into
        raise UserError(f"{named}: must have a folder to write into: {reason(error)}") from None
    if not fits:
        raise UserError(f"{named}: {place} must be a folder to write into; choose another place")


def check_file(path: Path) -> None:
    """As `check_folder`, for the folder of an output file."""
    if is_stream(path):
        return
    target = followed(path)
    if target.is_dir() or not target.name:
        raise UserError(f"{path}: must be a file name, not a folder")
    check_folder(target.parent, path)


def is_stream(path: Path) -> bool:
    """Whether an output must be written to what is there, instead of replacing it: a terminal, a
    pipe, /dev/null, or an open file of this process (/dev/stdout)."""
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return _descriptor(path) is not None or not (stat.S_ISREG(kind) or stat.S_ISDIR(kind))


def pour(source: Path, path: Path) -> None:
    """Write the content of a file to the stream ``path``; raises OSError.

    An open file of this process is written to where it stands: opened by its name, a file that
    stdout was redirected to would be written over from its start.
    """
    descriptor = _descriptor(path)
    if descriptor is not None and sys.stdout is not None:
        sys.stdout.flush()  # what was said before comes before
    target: int | Path = path if descriptor is None else os.dup(descriptor)
    with open(source, "rb") as file, open(target, "wb") as stream:
        shutil.copyfileobj(file, stream)


def _descriptor(path: Path) -> int | None:
    """The number N of /dev/fd/N, /proc/self/fd/N, or of a link to one of them, as /dev/stdout."""
    own = (f"/proc/{os.getpid()}/fd", f"/proc/{os.getpid()}/task/")
    for _ in range(40):  # as many links as Linux follows
        folder = os.path.realpath(path.parent)
        if path.name.isdecimal() and (folder == own[0] or folder.startswith(own[1])):
            return int(path.name)
        if not path.is_symlink():
            return None
        path = Path(folder, os.readlink(path))
    return None
