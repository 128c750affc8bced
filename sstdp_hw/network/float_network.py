"""The float network that training writes and quantization reads: ``RUN/float.safetensors``.

The same container as the network file, with weights and thresholds in float32 (float64 where that
would change a value: training writes none, but networks from elsewhere have such). A layer that was
trained for a width carries that ``weight_width`` and the ``scale`` s of its weights (weight = s *
integer); a plain float layer has width 0 and no scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import UserError
from . import given
from .chain import PIXELS, LayerChain
from .header import HeaderReader, shown
from .layers import Array, Layer, Shape, WeightedLayer
from .network import FLOAT_FILE_NAME, located
from .tensor_file import read_tensors, write_tensors

FILE_NAME = FLOAT_FILE_NAME
LAYER_FIELDS = frozenset({"weight_width", "scale"})
FLOAT_DTYPES = ("float32", "float64")


@dataclass(frozen=True, eq=False)
class FloatNetwork(LayerChain):
    """A trained network before quantization; weighted layers hold float32 arrays.

    Parameters
    ----------
    name, t_max, input_shape, class_names, encoder, provenance
        As in `sstdp_hw.network.network.Network`.
    layers : tuple of Layer
        ``weight_width`` is 0 in a layer that was not trained for a width.
    scales : tuple of float or None, one per entry of ``layers``
        Weight value of one integer step, where training fixed it.

    Raises
    ------
    UserError
        If a weight or threshold is not finite, or the layers do not fit.
    """

    name: str
    t_max: int
    input_shape: Shape
    class_names: tuple[str, ...]
    encoder: Array | None
    layers: tuple[Layer, ...]
    scales: tuple[float | None, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
    source: str = "float network"

    def __post_init__(self) -> None:
        self.take(FLOAT_DTYPES, FLOAT_DTYPES)
        self._take_scales()
        self.check_frame()
        for index, layer in enumerate(self.layers):
            if isinstance(layer, WeightedLayer):
                self.check_weights(index, layer, FLOAT_DTYPES, FLOAT_DTYPES)
                self._check_finite(index, layer)
            self.check_geometry(index, layer)
        if len(self.scales) != len(self.layers):
            self.refuse(
                "scales", f"must be one per layer, {len(self.layers)}, not {len(self.scales)}"
            )
        for index, scale in enumerate(self.scales):
            if scale is not None and not (scale > 0 and math.isfinite(scale)):
                self.refuse(f"layers.{index}.scale", f"must be positive and finite, not {scale}")
        self.check_chain()

    def _take_scales(self) -> None:
        try:
            scales = given.sequence(self.scales, "numbers or None")
            taken = tuple(None if scale is None else given.number(scale) for scale in scales)
        except given.Unfit as error:
            self.refuse("scales", str(error))
        object.__setattr__(self, "scales", taken)

    def _check_finite(self, index: int, layer: WeightedLayer) -> None:
        for part, array in (("weight", layer.weight), ("threshold", layer.threshold)):
            bad = int(np.sum(~np.isfinite(array)))
            if bad:
                self.refuse(
                    f"layers.{index}.{part}",
                    f"must be finite, and has {bad} NaN or infinite of {array.size} values; train "
                    "again with a lower learning rate",
                )

    def save(self, path: Path | str) -> None:
        """Write the file, whole or not at all."""
        tensors = {} if self.encoder is None else {"encoder": self.encoder}
        entries: list[dict[str, Any]] = []
        for index, (layer, scale) in enumerate(zip(self.layers, self.scales, strict=True)):
            entry: dict[str, Any] = {"kind": layer.kind}
            if isinstance(layer, WeightedLayer):
                tensors[f"layers.{index}.weight"] = _stored(layer.weight)
                tensors[f"layers.{index}.threshold"] = _stored(layer.threshold)
                entry |= {"weight_width": layer.weight_width, "scale": scale}
            entry |= layer.geometry()
            entries.append(entry)
        header = {
            **({} if self.input_kind == PIXELS else {"input": {"kind": self.input_kind}}),
            "name": self.name,
            "t_max": self.t_max,
            "input_shape": list(self.input_shape),
            "class_names": list(self.class_names),
            "layers": entries,
            "provenance": self.provenance,
        }
        write_tensors(path, tensors, header)

    @classmethod
    def load(cls, path: Path | str) -> FloatNetwork:
        """Read a float network; ``path`` is the file or the run folder that holds it.

        Raises
        ------
        UserError
            If the file is missing, damaged, or holds NaN.
        """
        path = located(path, FILE_NAME)
        tensors, header = read_tensors(path, "float network")
        if "format_version" in header:
            raise UserError(
                f"{path}: must be a float network as `sstdp-hw train` writes it, and is one of "
                "integers already"
            )
        reader = HeaderReader(str(path), tensors, header, LAYER_FIELDS)
        frame = reader.frame(reader.input_kind())
        network = cls(**frame, layers=reader.layers(), scales=_scales(reader))
        reader.check_all_read()
        return network


def _stored(array: Array) -> Array:
    """Numbers as the file has them: float32, unless that would change one of them."""
    with np.errstate(over="ignore"):
        short = array.astype(np.float32)
    return short if np.array_equal(short, array) else array


def _scales(reader: HeaderReader) -> tuple[float | None, ...]:
    """The scale of every layer, None for one without."""
    scales = []
    for index, entry in enumerate(reader.header["layers"]):
        scale = entry.get("scale")
        if scale is not None and (isinstance(scale, bool) or not isinstance(scale, int | float)):
            reader.refuse(f"layers.{index}.scale", f"must be a number or null, not {shown(scale)}")
        scales.append(scale)
    return tuple(scales)
