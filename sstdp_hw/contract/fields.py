"""Bit fields as plain tables: hardware layouts, the manifest, models and software are made of the
same ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np


class Field(NamedTuple):
    """One field of a word.

    Parameters
    ----------
    name : str
    offset, width : int
        Its lowest bit, and how many there are.
    meaning : str
    """

    name: str
    offset: int
    width: int
    meaning: str = ""


Fields = tuple[Field, ...]


def in_row(entries: Iterable[tuple[str, int, str]]) -> Fields:
    """Fields of (name, width, meaning) one behind another, lowest bits first."""
    found, offset = [], 0
    for name, width, meaning in entries:
        found.append(Field(name, offset, width, meaning))
        offset += width
    return tuple(found)


def total_width(fields: Fields) -> int:
    """Bits up to the end of the last field."""
    return max(field.offset + field.width for field in fields)


def pack(fields: Fields, values: Mapping[str, Any]) -> Any:
    """The word that holds the values; fields without a value are zero.

    Parameters
    ----------
    values : mapping of str to int or int64 array
        By name of the field; arrays of one shape give an array of words.

    Raises
    ------
    KeyError
        If there is no field of a name.
    ValueError
        If a value does not fit its field.
    """
    places = {field.name: field for field in fields}
    word = 0
    for name, value in values.items():
        _, offset, width, _ = places[name]
        if np.any(value >> width != 0):
            raise ValueError(f"{name} must fit {width} bits, not {value}")
        word = word | value << offset
    return word


def unpack(fields: Fields, word: Any) -> dict[str, Any]:
    """The values in a word, an int or an int64 array of any shape: the inverse of `pack`."""
    return {name: word >> offset & (1 << width) - 1 for name, offset, width, _ in fields}


def to_json(fields: Fields) -> list[dict[str, Any]]:
    """Fields as the manifest has them."""
    return [{"name": name, "lsb": offset, "width": width} for name, offset, width, _ in fields]


def from_json(entries: Sequence[Mapping[str, Any]]) -> Fields:
    """Fields of a manifest: the inverse of `to_json`, but for their meaning."""
    return tuple(Field(entry["name"], entry["lsb"], entry["width"]) for entry in entries)
