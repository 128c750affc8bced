"""Results of tasks on disk as they come: what was interrupted goes on where it was.

They lie in the cache, under a hash of all that they depend on, until the whole is written. So they
are of use to the same command alone, and to it whatever engine it takes.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.caches import cache_folder
from ..base.errors import UserError
from ..base.files import sha256, written_whole
from ..base.progress import say
from ..base.tables import counted
from .identity import identity
from .work import Session

_KEPT = 20  # interrupted runs of a kind that wait to be taken up
_DIGEST = 64  # digits of the SHA-256 in front of every result


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


@dataclass(frozen=True)
class Kept:
    """What is finished of one run.

    Parameters
    ----------
    kind : str
        Of the run; names the folder.
    key : str
        `key_of` all that the results depend on.
    pack, unpack : callable
        A result as bytes, and from them; ``unpack`` raises `ValueError` or `KeyError` if it cannot.
        By default as JSON.
    """

    kind: str
    key: str
    pack: Callable[[Any], bytes] = _json
    unpack: Callable[[bytes], Any] = json.loads

    @property
    def folder(self) -> Path:
        return cache_folder() / self.kind / self.key

    def find(self, name: str) -> Any | None:
        """The result of a task; None if it is not there, or damaged."""
        try:
            data = (self.folder / name).read_bytes()
            digest, packed = data[:_DIGEST].decode(), data[_DIGEST:]
            return self.unpack(packed) if sha256(packed) == digest else None
        except (OSError, ValueError, KeyError):
            return None

    def keep(self, name: str, made: Any) -> None:
        """A disk that is full is no reason to end: the run goes on without."""
        data = self.pack(made)
        with (
            contextlib.suppress(OSError, UserError),
            written_whole(self.folder / name) as temporary,
        ):
            temporary.write_bytes(sha256(data).encode() + data)

    def tell(self, run: str, tasks: Iterable[str] | None = None) -> None:
        """Say that a run goes on, if anything of it is there: of these tasks, or of all."""
        with contextlib.suppress(OSError):
            there = {path.name for path in self.folder.iterdir()}
            if count := len(there if tasks is None else there.intersection(tasks)):
                say(f"{run}: {counted(count, 'task')} done before are kept, and it goes on there")

    def discard(self, tasks: Iterable[str] | None = None) -> None:
        """All is written; or what came of these tasks is, and another run may wait for others."""
        if tasks is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):  # others are there
                for name in tasks:
                    (self.folder / name).unlink(missing_ok=True)
                self.folder.rmdir()
        with contextlib.suppress(OSError):
            others = sorted(self.folder.parent.iterdir(), key=lambda path: path.stat().st_mtime)
            for path in others[:-_KEPT]:
                shutil.rmtree(path, ignore_errors=True)


def key_of(tools: tuple[str, ...], plain: dict[str, Any], *data: bytes) -> str:
    """Hash of plain values and data, of the package with its sources, and of the tools."""
    plain = plain | {"who": identity(tools)}
    return sha256(json.dumps(plain, sort_keys=True, default=str).encode(), *data)


def kept_map(
    session: Session, kept: Kept | None, names: Sequence[str], items: Sequence[Any], *,
    given: Any = None, units: Sequence[int] | None = None,
) -> list[Any]:  # fmt: skip
    """As `Session.map`, but tasks that are kept, under these names, are not done again."""
    results = {
        number: found
        for number, name in enumerate(names)
        if kept is not None and (found := kept.find(name)) is not None
    }
    missing = [number for number in range(len(items)) if number not in results]

    def keep(place: int, made: Any) -> None:
        number = missing[place]
        results[number] = made
        if kept is not None:
            kept.keep(names[number], made)

    session.map(
        [items[number] for number in missing], given=given, done=keep,
        units=None if units is None else [units[number] for number in missing],
    )  # fmt: skip
    return [results[number] for number in range(len(items))]
