"""Results that were built before, found by a hash of everything that went in.

An entry is a folder named by its key. It counts only if its index names that key and every file of
the entry is there with the recorded hash; anything else is treated as absent and built again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from pathlib import Path

from sstdp_hw.base.caches import cache_folder
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import folder_written_whole, write_json
from sstdp_hw.base.progress import say

INDEX = "entry.json"
# Far more than one design's seeds and boards, and more than the area model's accelerators; an entry
# is 0.1 to 3 MB, one of these some bytes.
_KEPT = 200


def default_cache() -> Path:
    """``$XDG_CACHE_HOME/sstdp-hw/build``, by default ``~/.cache/sstdp-hw/build``."""
    return cache_folder() / "build"


class Cache:
    """A folder of entries, of which the most recently used are kept.

    Parameters
    ----------
    folder : Path
        Where the entries lie; made when the first is stored.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, key: str) -> Path | None:
        """The folder of a sound entry, or None; a damaged one is reported."""
        entry = self.folder / key
        if not entry.exists():
            return None
        damage = _damage(entry, key)
        if damage:
            say(f"The cache entry {entry} is damaged ({damage}); building again.")
            return None
        with contextlib.suppress(OSError):  # a cache that can only be read
            os.utime(entry)  # most recently used
        return entry

    def store(self, key: str, files: Path) -> None:
        """Copy the files of the folder ``files`` into a new entry.

        A cache that cannot be written is reported and does not spoil the build.
        """
        entry = self.folder / key
        try:
            # It was looked up and found absent or damaged, or a rebuild was asked for.
            shutil.rmtree(entry, ignore_errors=True)
            with folder_written_whole(entry, marker=INDEX) as temporary:
                for file in sorted(files.iterdir()):
                    shutil.copyfile(file, temporary / file.name)
                hashes = {file.name: _file_hash(file) for file in sorted(temporary.iterdir())}
                write_json(temporary / INDEX, {"key": key, "files": hashes})
            self._prune()
        except (OSError, UserError) as error:
            say(f"The result is not kept in the cache: {error}")

    def _prune(self) -> None:
        entries = [path for path in self.folder.iterdir() if (path / INDEX).is_file()]
        entries.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        for entry in entries[_KEPT:]:
            shutil.rmtree(entry, ignore_errors=True)


def _file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _damage(entry: Path, key: str) -> str | None:
    """What is wrong with an entry, or None."""
    try:
        index = json.loads((entry / INDEX).read_text(encoding="utf-8"))
        if index["key"] != key:
            return "it holds another key"
        hashes = dict(index["files"])
        present = {path.name for path in entry.iterdir()} - {INDEX}
        if present != set(hashes):
            return f"its files are {sorted(present)}, not {sorted(hashes)}"
        for name, expected in hashes.items():
            if _file_hash(entry / name) != expected:
                return f"{name} does not match its hash"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{INDEX}: {error!r}"
    return None
