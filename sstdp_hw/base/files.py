"""Files that are either whole or absent: write under a temporary name, then rename."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .destination import beside, followed, is_stream, pour, reason
from .errors import UserError


@contextmanager
def written_whole(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path; rename it to ``path`` if the block ends well, else remove it.

    A link is followed. What is no regular file, as a terminal, a pipe or /dev/null, is not replaced
    but written to at the end of the block.
    """
    path = Path(path)
    if is_stream(path):
        with _poured(path) as temporary:
            yield temporary
        return
    target = followed(path)
    temporary = beside(target, f"{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {reason(error, temporary)}") from None
    finally:
        with suppress(OSError):  # on a read-only disk; the first error says more
            temporary.unlink(missing_ok=True)


@contextmanager
def _poured(path: Path) -> Iterator[Path]:
    try:
        with tempfile.TemporaryDirectory(prefix="sstdp-output-") as folder:
            temporary = Path(folder, "output")
            yield temporary
            pour(temporary, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {reason(error, path)}") from None


@contextmanager
def folder_written_whole(path: Path | str, *, marker: str, option: str = "--out") -> Iterator[Path]:
    """As `written_whole`, for a folder. A block that removes the folder it was given leaves
    ``path`` as it was.

    An existing folder is replaced only if it is empty or holds the file ``marker``, that is, if
    this program wrote it; else it is refused, so that a slip in ``option`` deletes nobody's work.
    """
    path = Path(path)
    target = followed(path)
    try:
        _refuse_foreign(path, target, marker, option)
        temporary = beside(target, f"{os.getpid()}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {reason(error, target)}") from None
    try:
        yield temporary
        if temporary.exists():
            _exchange(temporary, target)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {reason(error, temporary)}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _refuse_foreign(path: Path, target: Path, marker: str, option: str) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise UserError(f"{path}: must be a folder, not a file; choose another {option}")
    if any(target.iterdir()) and not (target / marker).is_file():
        raise UserError(
            f"{path}: an existing output folder must be empty or hold {marker}, and it holds "
            f"other files; choose another {option}"
        )
    if target.is_mount():
        raise UserError(
            f"{path}: must be a folder that can be replaced as a whole, and is a mount point; "
            "choose a folder in it"
        )


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
    text = json_text(path, value)
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def json_text(path: Path | str, value: Any) -> str:
    """What `write_json` writes; ``path`` is for its refusal."""
    try:
        return json.dumps(value, indent=2, allow_nan=False) + "\n"
    except ValueError as error:
        raise UserError(f"{path}: must hold finite numbers ({error})") from None


def read_json(path: Path | str, what: str) -> dict[str, Any]:
    """Read a JSON object; ``what`` names the file's role in errors ("manifest").

    Raises
    ------
    UserError
        If the file is missing, is not JSON, or holds something else than an object.
    """
    return parse_json(read_bytes(path, what), path, what)


def read_bytes(path: Path | str, what: str) -> bytes:
    """Read a file at once, so that what is used is what can be hashed; ``what`` as in `read_json`.

    Raises
    ------
    UserError
        If it is missing or cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such {what} file") from None
    except OSError as error:
        raise UserError(f"{path}: the {what} cannot be read: {error}") from None


def parse_json(data: bytes, path: Path | str, what: str) -> dict[str, Any]:
    """As `read_json`, of bytes that were read already."""
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
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


def refuse_changed(read: Mapping[Path, str], again: str) -> None:
    """Refuse to vouch for files that are not as they were read.

    Parameters
    ----------
    read : mapping of Path to str
        `file_digest` of each when it was read.
    again : str
        The next step: "simulate again".

    Raises
    ------
    UserError
        If one has changed or is gone.
    """
    for path, digest in read.items():
        try:
            found = file_digest(path)
        except UserError:
            found = ""
        if found != digest:
            raise UserError(
                f"{path}: must stay as it was read, and changed meanwhile; nothing was written, "
                f"{again}"
            )
