"""Files that are either whole or absent: write under a temporary name, then rename."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import UserError


def _temporary_beside(path: Path) -> Path:
    """A name in the same folder (rename must not cross file systems), unique to this process."""
    if not path.name:
        raise UserError(f"{path}: must be a file name, not a folder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path}: its folder cannot be made: {error}") from None
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


@contextmanager
def written_whole(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path; rename it to ``path`` if the block ends well, else remove it."""
    path = Path(path)
    temporary = _temporary_beside(path)
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error}") from None
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def folder_written_whole(path: Path | str, *, marker: str) -> Iterator[Path]:
    """As `written_whole`, for a folder.

    An existing folder is replaced only if it is empty or holds the file ``marker``, that is, if
    this program wrote it; else it is refused, so that a slip in ``--out`` deletes nobody's work.
    """
    path = Path(path)
    if path.exists():
        if not path.is_dir():
            raise UserError(f"{path}: must be a folder, not a file; choose another --out")
        if any(path.iterdir()) and not (path / marker).is_file():
            raise UserError(
                f"{path}: an existing output folder must be empty or hold {marker}, and it holds "
                "other files; choose another --out"
            )
    temporary = _temporary_beside(path)
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        yield temporary
        _exchange(temporary, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _exchange(new: Path, path: Path) -> None:
    """Put ``new`` in the place of ``path``. What was there goes last: a stop in between loses
    nothing."""
    if not path.exists():
        os.replace(new, path)
        return
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    os.replace(path, old)
    try:
        os.replace(new, path)
    except BaseException:
        os.replace(old, path)
        raise
    shutil.rmtree(old)


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as indented JSON with a fixed key order; NaN is refused, it is not JSON."""
    try:
        text = json.dumps(value, indent=2, allow_nan=False)
    except ValueError as error:
        raise UserError(f"{path}: must hold finite numbers ({error})") from None
    with written_whole(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path | str, what: str) -> dict[str, Any]:
    """Read a JSON object; ``what`` names the file's role in errors ("manifest").

    Raises
    ------
    UserError
        If the file is missing, is not JSON, or holds something else than an object.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such {what} file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: the {what} must be a JSON file ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: the {what} must be a JSON object, not {type(value).__name__}")
    return value


def sha256(*parts: bytes) -> str:
    """Hexadecimal SHA-256 of the parts, each preceded by its length so that borders count."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, as ``sha256sum`` prints it.

    Raises
    ------
    UserError
        If it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
