"""The image of an accelerator's memories: what the stream of weights carries, and its status.

Words of 32 bits, each with its lowest byte first:

    0        format: `FORMAT`
    1, 2     digest of the shape, low half first: `shape_digest`
    3 ...    the memories, `sstdp_hw.blocks.memory_map`
    last     CRC-32 of all bytes before it, as in zip and Ethernet

docs/streams.md has the same for who sends it.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..blocks.hardware import AcceleratorParameters
from ..blocks.memory_map import memory_map, payload
from ..blocks.pipeline import LOAD_LATENCY, WORD_BITS
from ..network.layers import Array
from .fields import Fields, in_row

#: The letters SSW and the version of the format.
FORMAT = int.from_bytes(b"SSW\x01", "little")
FORMAT_VERSION = FORMAT >> 24
HEADER_WORDS, CRC_WORDS = 3, 1

STATUS_WIDTH = 32
#: Why an image of the memories was refused.
REFUSALS = ("none", "format", "shape", "length", "crc")

#: The output ``weights_status``.
STATUS: Fields = in_row(
    (
        ("loaded", 1, "whole, right memories are there: images are answered"),
        ("loading", 1, "an image of the memories was begun and has not ended"),
        ("load", 1, "bit 18 of the answers that these memories give"),
        ("zero", 1, ""),
        ("refused", 4, "why the last one was refused: " + ", ".join(
            f"{number} {name}" for number, name in enumerate(REFUSALS)
        )),
        ("zero_high", 8, ""),
        ("ended", 16, "images of the memories that have ended since the reset, modulo 65,536"),
    )
)  # fmt: skip


def shape(parameters: AcceleratorParameters) -> dict[str, Any]:
    """All that an image of the memories depends on beside the values in it: plain JSON."""
    network, weighted = parameters.network, dict(parameters.network.weighted)
    layers: list[list[Any]] = []
    for index, layer in enumerate(network.layers):
        layers.append([layer.kind, layer.geometry()])
        if index in weighted:
            found = weighted[index]
            layers[-1] += [list(found.weight.shape), found.weight_width]
    return {
        "format": FORMAT,
        "t_max": network.t_max,
        "input": [network.input_kind, list(network.input_shape), network.planes],
        "pixels_per_beat": parameters.pixels_per_beat,
        "layers": layers,
        "lanes": list(parameters.lanes),
        "regions": [[each.name, each.rows, each.width] for each in memory_map(parameters)],
    }


def shape_digest(parameters: AcceleratorParameters) -> str:
    """The first 8 bytes, in hexadecimal, of the SHA-256 of `shape`."""
    text = json.dumps(shape(parameters), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def header(parameters: AcceleratorParameters) -> list[int]:
    """The words in front of the memories."""
    digest = int(shape_digest(parameters), 16)
    return [FORMAT, digest & 0xFFFF_FFFF, digest >> 32]


def words_of_an_image(parameters: AcceleratorParameters) -> int:
    """Words of an image of the memories, from the first to the last."""
    regions = memory_map(parameters)
    return HEADER_WORDS + sum(region.words for region in regions) + CRC_WORDS


def loading_cycles(parameters: AcceleratorParameters) -> int:
    """Cycles from the first one in which an image of the memories is offered to the first one in
    which an image may enter, if no image is in flight and no word is late."""
    return words_of_an_image(parameters) + LOAD_LATENCY


def memory_image(parameters: AcceleratorParameters) -> Array:
    """The image of the memories of an accelerator whose weights are loaded: uint32 [words]."""
    words = np.concatenate([np.array(header(parameters), np.uint32), payload(parameters)])
    return with_crc(words)


def with_crc(words: Array) -> Array:
    """The words, and behind them their CRC."""
    found: Array = np.append(words, np.uint32(crc(words))).astype(np.uint32)
    return found


def crc(words: Array) -> int:
    """CRC-32 of the words."""
    return zlib.crc32(words.astype("<u4").tobytes())


def to_bytes(words: Array) -> bytes:
    """The words as a file has them."""
    return words.astype("<u4").tobytes()


def crc_of_change(words: int, place: int, bit: int) -> int:
    """What a flipped bit of word ``place``, of ``words`` before the CRC, changes in the CRC."""
    changed = np.zeros(words, np.uint32)
    before = crc(changed)
    changed[place] = 1 << bit
    return before ^ crc(changed)


def memory_json(parameters: AcceleratorParameters) -> dict[str, Any]:
    """What the manifest says of the memories that are loaded."""
    return {
        "format_version": FORMAT_VERSION,
        "header": header(parameters),
        "shape_digest": shape_digest(parameters),
        "words": words_of_an_image(parameters),
        "regions": [
            {
                "name": region.name, "rows": region.rows, "width": region.width,
                "first_word": HEADER_WORDS + region.first, "words_per_row": region.columns,
            }
            for region in memory_map(parameters)
        ],
        "crc": "CRC-32 of all words before it, bytes in the order of the file (zlib)",
        "cycles": loading_cycles(parameters),
    }  # fmt: skip


def refusal(status: Mapping[str, int]) -> str:
    """The name of a status' refusal."""
    number = int(status["refused"])
    return REFUSALS[number] if number < len(REFUSALS) else f"code {number}"


__all__ = [
    "FORMAT", "HEADER_WORDS", "REFUSALS", "STATUS", "STATUS_WIDTH", "WORD_BITS", "crc",
    "crc_of_change", "header", "loading_cycles", "memory_image", "memory_json", "refusal",
    "shape", "shape_digest", "to_bytes", "with_crc", "words_of_an_image",
]  # fmt: skip
