"""Recordings of event cameras, file by file: N-MNIST's ATIS format, AEDAT 3.1, numpy arrays.

Events are structured arrays of `EVENTS`, as the package tonic gives them, too: column, row, time in
microseconds, polarity (1: brighter).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..base.errors import UserError
from ..base.files import read_bytes
from ..network.layers import Array

EVENTS = np.dtype([("x", "<i4"), ("y", "<i4"), ("t", "<i8"), ("p", "<i1")])

_ATIS_BYTES = 5
#: Row of an ATIS event that is none: the time stamps behind it begin again, so much later.
_ATIS_OVERFLOW_ROW, _ATIS_OVERFLOW = 240, 1 << 13

_AEDAT_31 = b"#!AER-DAT3.1"
_AEDAT_END = b"#!END-HEADER\r\n"
_AEDAT_PACKET = np.dtype(
    [("type", "<i2"), ("source", "<i2"), ("size", "<i4"), ("offset", "<i4"), ("overflow", "<i4"),
     ("capacity", "<i4"), ("count", "<i4"), ("valid", "<i4")]
)  # fmt: skip
_AEDAT_POLARITY = 1  # type of the packets that hold what a pixel saw


def read_events(path: Path) -> Array:
    """The events of one file, by its suffix: an array of `EVENTS`.

    Raises
    ------
    UserError
        If the file is damaged, has no events, or is of a kind that is not read here.
    """
    events = READERS[path.suffix.lower()](path)
    if not len(events):
        raise UserError(f"{path}: must hold at least one event, and holds none")
    return events


def taken(events: Array, source: str) -> Array:
    """A structured array with the fields x, y, t and p, in any order and type, as `EVENTS`."""
    names = getattr(getattr(events, "dtype", None), "names", None)
    if names is None or not {"x", "y", "t", "p"} <= set(names) or events.ndim != 1:
        raise UserError(
            f"{source}: must be a structured array [events] with the fields x, y, t and p, not "
            f"{getattr(events, 'dtype', type(events).__name__)}"
        )
    found = np.empty(len(events), EVENTS)
    for name in ("x", "y", "t", "p"):
        found[name] = events[name]
    return found


def _atis(path: Path) -> Array:
    """ATIS events of 40 bits: x, y, polarity (1 bit), microseconds (23 bits), high byte first."""
    data = read_bytes(path, "recording")
    if len(data) % _ATIS_BYTES:
        raise UserError(
            f"{path}: must be events of {_ATIS_BYTES} bytes, and has {len(data)} bytes; it is cut "
            "short or no ATIS recording"
        )
    rows = np.frombuffer(data, np.uint8).reshape(-1, _ATIS_BYTES).astype(np.int64)
    found = np.empty(len(rows), EVENTS)
    found["x"], found["y"], found["p"] = rows[:, 0], rows[:, 1], rows[:, 2] >> 7
    overflows = found["y"] == _ATIS_OVERFLOW_ROW
    time = (rows[:, 2] & 0x7F) << 16 | rows[:, 3] << 8 | rows[:, 4]
    found["t"] = time + _ATIS_OVERFLOW * np.cumsum(overflows)
    events: Array = found[~overflows]
    return events


def _aedat(path: Path) -> Array:
    """AEDAT 3.1, little-endian: packets, of which those of polarity events count."""
    data = read_bytes(path, "recording")
    if not data.startswith(_AEDAT_31) or _AEDAT_END not in data:
        raise UserError(
            f"{path}: must be AEDAT of version 3.1, not {data[:12]!r}; read it with the package "
            "tonic and save the array of its events as .npy"
        )
    place, found = data.index(_AEDAT_END) + len(_AEDAT_END), []
    while place < len(data):
        if place + _AEDAT_PACKET.itemsize > len(data):
            raise _cut_short(path)
        header = np.frombuffer(data, _AEDAT_PACKET, 1, place)[0]
        place += _AEDAT_PACKET.itemsize
        count, size = int(header["count"]), int(header["size"])
        if count < 0 or size < 1 or place + count * size > len(data):
            raise _cut_short(path)
        if header["type"] == _AEDAT_POLARITY and size == 8:
            words = np.frombuffer(data, "<u4", 2 * count, place).reshape(-1, 2).astype(np.int64)
            words = words[words[:, 0] & 1 == 1]  # events that the camera's filters left
            part = np.empty(len(words), EVENTS)
            part["x"], part["y"] = words[:, 0] >> 17, words[:, 0] >> 2 & 0x7FFF
            part["p"] = words[:, 0] >> 1 & 1
            part["t"] = words[:, 1] | int(header["overflow"]) << 31
            found.append(part)
        place += count * size
    return np.concatenate(found) if found else np.empty(0, EVENTS)


def _cut_short(path: Path) -> UserError:
    return UserError(f"{path}: must be whole AEDAT packets, and the last one is cut short")


def _numpy(path: Path) -> Array:
    try:
        with path.open("rb") as file:
            events = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, TypeError, MemoryError) as error:
        raise UserError(f"{path}: must be an .npy file of a plain array ({error})") from None
    return taken(events, str(path))


#: By the suffix of a file.
READERS: dict[str, Callable[[Path], Array]] = {
    ".bin": _atis,
    ".bs2": _atis,
    ".aedat": _aedat,
    ".npy": _numpy,
}
