"""Reads what the harness wrote down at the probes of the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sstdp_hw.contract.fields import from_json, unpack
from sstdp_hw.network.layers import Array

NOBODY = 1 << 30  # stands for an index that no pixel or neuron has
_UNKNOWN = str.maketrans("xXzZ", "0000")


def read_spikes(path: Path, probes: Sequence[dict[str, Any]]) -> Array:
    """Every spike as (probe, tag of the image, step, neuron): int64 [K, 4], in order of time.

    Neuron -1 is the end of an image. Bits that a simulator of four states does not know may be in
    an end, whose tag alone counts; a spike that has some is nobody's.

    Parameters
    ----------
    path : Path
        One line per event or group: number of the probe, payload in hexadecimal.
    probes : sequence of dict
        Of the manifest.
    """
    fields = [from_json(probe["fields"]) for probe in probes]
    spikes: list[list[int]] = []
    with path.open(encoding="ascii") as lines:
        for line in lines:
            number, _, payload = line.partition(" ")
            probe = int(number)
            known = payload.translate(_UNKNOWN)
            item = unpack(fields[probe], int(known, 16))
            head = [probe, item["tag"], item["step"]]
            neurons = _neurons(item, probes[probe])
            if known != payload and neurons != [-1]:
                neurons = [NOBODY]
            spikes.extend([*head, neuron] for neuron in neurons)
    return np.array(spikes, np.int64).reshape(-1, 4)


def _neurons(item: dict[str, int], probe: dict[str, Any]) -> list[int]:
    """The neurons that an event or a group stands for; -1 for the end of the image.

    The probe's ``indices`` or its ``map`` name what an index stands for, where it is not the neuron
    itself.
    """
    if item.get("end") or item.get("final"):
        return [-1]
    if "index" in item:
        indices: list[int] | None = probe.get("indices")
        if indices is None:
            return [item["index"]]
        neuron = indices[item["index"]] if item["index"] < len(indices) else -1
        return [NOBODY if neuron < 0 else neuron]
    fired = item["fired"]
    found = [item["base"] + lane for lane in range(fired.bit_length()) if fired >> lane & 1]
    return [_mapped(index, probe["map"]) for index in found] if "map" in probe else found


def _mapped(index: int, numbering: dict[str, Any]) -> int:
    """The neuron in C order behind an index ``y * row + x * column + channel``."""
    channels, height, width = numbering["shape"]
    y, rest = divmod(index, numbering["row"])
    x, channel = divmod(rest, numbering["column"])
    if channel >= channels or y >= height or x >= width:
        return NOBODY
    return int((channel * height + y) * width + x)
