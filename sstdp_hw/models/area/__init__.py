"""LUTs, flip-flops and block RAMs of an accelerator on an ECP5, before any tool runs.

What a block is made of is counted here, bit by bit. How many LUTs and flip-flops one such bit takes
after synthesis is fitted once, by ``python -m benchmarks.area``, to accelerators drawn for it; the
result lies beside this file. Block RAMs need no fit: their shapes are the chip's.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ...blocks.hardware import AcceleratorParameters
from ...network.layers import Array
from .block_ram import block_rams, block_rams_by_block
from .composition import FLIP_FLOPS, LUTS, count_parts, parts_by_block

COEFFICIENTS_FILE = Path(__file__).with_name("coefficients.json")

#: Largest error of a figure that the model is held to, as a share of what synthesis counts.
TOLERANCE = 0.15


@dataclass(frozen=True)
class Area:
    """Units of an ECP5, as ``build`` reports them.

    Parameters
    ----------
    lut : int
        LUT4 equivalents (TRELLIS_COMB): logic, carry cells and LUT RAM.
    ff : int
    bram : int
        Block RAMs of 18 kbit (DP16KD).
    """

    lut: int
    ff: int
    bram: int


def predict_area(parameters: AcceleratorParameters) -> Area:
    """Area of the bare accelerator."""
    return _area(count_parts(parameters), block_rams(parameters))


def area_by_block(parameters: AcceleratorParameters) -> dict[str, Area]:
    """The same block by block, as `parts_by_block` names them; their sum differs by rounding."""
    rams = block_rams_by_block(parameters)
    return {
        name: _area(parts, rams.get(name, 0)) for name, parts in parts_by_block(parameters).items()
    }


def _area(parts: Counter[str], rams: int) -> Area:
    fitted = _coefficients()

    def total(names: tuple[str, ...], kind: str) -> int:
        return round(float(np.dot([parts[name] for name in names], fitted[kind])))

    return Area(total(LUTS, "lut"), total(FLIP_FLOPS, "ff"), rams)


@cache
def _coefficients() -> dict[str, Array]:
    """LUTs and flip-flops per unit of each part, in the order of `LUTS` and `FLIP_FLOPS`."""
    values = json.loads(COEFFICIENTS_FILE.read_text(encoding="utf-8"))["coefficients"]
    return {
        kind: np.array([values[kind][name] for name in names])
        for kind, names in (("lut", LUTS), ("ff", FLIP_FLOPS))
    }


__all__ = [
    "COEFFICIENTS_FILE", "TOLERANCE", "Area", "area_by_block", "block_rams", "count_parts",
    "predict_area",
]  # fmt: skip
