"""Who works with a folder or an output now: locks that end with their owner, however it ends.

`flock` on the folder itself: nothing is left behind, a folder that is only read can be locked too,
and the kernel lets go when the owner is killed. docs/decisions/0011-snapshots-and-locks.md.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .destination import beside, followed, make_folder
from .errors import UserError
from .programs import refuse_stopped

_LOOK_SECONDS = 0.2


@contextmanager
def reading(folder: Path | str) -> Iterator[None]:
    """Hold a folder as it is: others may read it, too, and nobody replaces it or trains into it.

    A folder that is missing is not held; whoever reads it tells so.

    Raises
    ------
    UserError
        If another process has it for `writing`.
    """
    try:
        held = _locked(Path(folder), os.O_RDONLY | os.O_DIRECTORY, fcntl.LOCK_SH)
    except OSError:
        yield
        return
    if held is None:
        raise UserError(f"{folder}: must not change while it is read, {_BUSY}")
    try:
        yield
    finally:
        os.close(held)


@contextmanager
def writing(folder: Path | str) -> Iterator[None]:
    """Have a folder alone; it is made if it is missing, and taken away again if it stays empty.

    Raises
    ------
    UserError
        If another process works with it, or it cannot be made.
    """
    path = followed(Path(folder))
    try:
        made = not path.exists()
        make_folder(path)
        held = _locked(path, os.O_RDONLY | os.O_DIRECTORY, fcntl.LOCK_EX)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from None
    if held is None:
        raise UserError(f"{folder}: must be written by one process at a time, {_BUSY}")
    try:
        yield
    finally:
        if made:
            with suppress(OSError):
                path.rmdir()
        os.close(held)


@contextmanager
def output(path: Path | str) -> Iterator[None]:
    """Be the only writer of the file or folder ``path``, which is replaced as a whole.

    What is replaced cannot carry the lock, so an empty file ``.NAME.lock`` beside it does. After a
    SIGKILL it stays, unlocked, and the next owner takes it away.

    Raises
    ------
    UserError
        If another process writes it, or nothing can be written there.
    """
    place = followed(Path(path))
    try:
        made = not place.parent.exists()
        lock = beside(place, "lock")
        held = _locked(lock, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None
    if held is None:
        raise UserError(f"{path}: must be written by one process at a time, {_BUSY}")
    try:
        yield
    finally:
        with suppress(OSError):
            lock.unlink()  # while it is locked: who has it open looks again, see `_locked`
            if made:
                place.parent.rmdir()  # nothing was written after all
        os.close(held)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Make the file ``path`` of a cache, which others on this machine make, too: they wait, and
    find it then. The lock, ``.NAME.lock`` beside it, ends with its owner; where none can be had,
    all make it."""
    lock = None
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT)
    try:
        while lock is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                refuse_stopped()
                time.sleep(_LOOK_SECONDS)
            except OSError:
                break  # a file system without locks
        yield
    finally:
        if lock is not None:
            os.close(lock)


_BUSY = "and another sstdp-hw works with it; wait for its end, or choose another place"


def _locked(path: Path, flags: int, mode: int) -> int | None:
    """A locked descriptor of ``path``, or None if another process has it.

    If the name stands for something else once the lock is there, as after a folder was replaced or
    a lock file was taken away, that is locked instead.
    """
    while True:
        held = os.open(path, flags, 0o644)
        try:
            fcntl.flock(held, mode | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(held), os.stat(path)):
                return held
        except BlockingIOError:
            os.close(held)
            return None
        except FileNotFoundError:
            pass
        except OSError:
            return held  # a file system without such locks: the check of what was read remains
        except BaseException:
            os.close(held)
            raise
        os.close(held)
