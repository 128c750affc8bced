"""Reads a NIR file (HDF5) into plain dicts, whoever wrote it.

The format can do much that a network does not need and that a reader must not follow: links to
other files, data that lies outside, groups that contain themselves, a few bytes that unpack to
terabytes. So everything is looked at before it is read. The dicts are those of ``NIRNode.to_dict``
of the package `nir`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..base.errors import UserError
from ..network.chain import printable, shortened

if TYPE_CHECKING:
    import h5py

DEEPEST = 16  # groups in groups; a graph in a graph takes two
MOST_OBJECTS = 20_000
MOST_BYTES = 1 << 28  # unpacked, in the whole file: 784-400-10 in float64 has 2.5 million
LONGEST_STRING = 1 << 16
UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, MemoryError,
    IndexError, OverflowError, NotImplementedError, RecursionError,
)  # fmt: skip
NUMBERS = "iufb"


def read_graph(path: Path | str) -> dict[str, Any]:
    """The graph in a NIR file as nested dicts; arrays, numbers and strings at their ends.

    Raises
    ------
    UserError
        If the file is missing, damaged, no NIR file, or more than a network needs.
    """
    import h5py

    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such NIR file")
    try:
        # Not locked: a file on a disk that is only read can be read, too.
        with h5py.File(path, "r", locking=False) as file:
            reader = _Reader(path)
            node = reader.child(file, "node") if "node" in file else None
            if not isinstance(node, dict):
                reader.refuse("must hold the group 'node', as nir.write makes it, and does not")
            return node
    except UNREADABLE as error:
        reason = shortened(" ".join(printable(str(error)).split()))
        raise UserError(f"{path}: must be a whole NIR file, that is HDF5 ({reason})") from None


class _Reader:
    """Reads groups and data sets, and counts what was read."""

    def __init__(self, path: Path) -> None:
        self.path, self.objects, self.bytes = path, 0, 0

    def refuse(self, text: str) -> NoReturn:
        raise UserError(f"{self.path}: {text}")

    def child(self, group: h5py.Group, name: str, depth: int = 0) -> Any:
        """What a group has under a name."""
        import h5py

        place = shortened(printable(f"{group.name.rstrip('/')}/{name}"))
        self.objects += 1
        if depth > DEEPEST or self.objects > MOST_OBJECTS:
            self.refuse(
                f"{place} must be in at most {DEEPEST} groups and among {MOST_OBJECTS} objects"
            )
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            self.refuse(f"{place} must lie in the file itself, and is a link")
        found = group[name]
        if isinstance(found, h5py.Group):
            # What frameworks note about a node is free, and nothing here reads it.
            names = [] if name == "metadata" else list(found)
            return {key: self.child(found, key, depth + 1) for key in names}
        if not isinstance(found, h5py.Dataset):
            self.refuse(f"{place} must be a group or data, not {type(found).__name__}")
        return self.content(found, place)

    def content(self, data: h5py.Dataset, place: str) -> Any:
        """The numbers or the text of a data set."""
        import h5py

        if data.external or data.is_virtual:
            self.refuse(f"{place} must have its data in the file itself")
        if data.shape is None:
            self.refuse(f"{place} must hold something, and is empty")
        text = h5py.check_string_dtype(data.dtype)
        if text is None and data.dtype.kind not in NUMBERS:
            self.refuse(f"{place} must be numbers or text, not {shortened(data.dtype)}")
        size = max(data.dtype.itemsize, 16 if text else 1)
        chunk = math.prod(data.chunks) if data.chunks else 0
        self.bytes += max(math.prod(data.shape), chunk) * size
        if self.bytes > MOST_BYTES:
            self.refuse(
                f"{place} must fit in {MOST_BYTES >> 20} MiB with all before it, and has "
                f"{list(data.shape)} elements"
            )
        value = data[()]
        return _text(value) if text else np.asarray(value)


def _text(value: Any) -> Any:
    """Text of HDF5 as str; in an array, as nested lists of them."""
    if isinstance(value, np.ndarray):
        return [_text(item) for item in value]
    decoded = value.decode("utf-8") if isinstance(value, bytes) else str(value)
    if len(decoded) > LONGEST_STRING:
        raise ValueError(f"text of {len(decoded)} characters")
    return decoded
