"""The float network that training writes and quantization reads: ``RUN/float.safetensors``.

The same container as the network file, with float32 weights and thresholds. A layer that was
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
from .chain import LayerChain
from .layers import Array, Conv2d, Dense, Flatten, Layer, Pool2d, Shape
from .network import FLOAT_FILE_NAME, located, read_tensors, write_tensors

FILE_NAME = FLOAT_FILE_NAME
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
    encoder: Array
    layers: tuple[Layer, ...]
    scales: tuple[float | None, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
    source: str = "float network"

    def __post_init__(self) -> None:
        self.take(FLOAT_DTYPES, FLOAT_DTYPES)
        self._take_scales()
        self.check_frame()
        for index, layer in enumerate(self.layers):
            if isinstance(layer, Conv2d | Dense):
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

    def _check_finite(self, index: int, layer: Dense | Conv2d) -> None:
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
        tensors = {"encoder": self.encoder}
        entries: list[dict[str, Any]] = []
        for index, (layer, scale) in enumerate(zip(self.layers, self.scales, strict=True)):
            entry: dict[str, Any] = {"kind": layer.kind}
            if isinstance(layer, Conv2d | Dense):
                tensors[f"layers.{index}.weight"] = layer.weight.astype(np.float32)
                tensors[f"layers.{index}.threshold"] = layer.threshold.astype(np.float32)
                entry |= {"weight_width": layer.weight_width, "scale": scale}
            if isinstance(layer, Conv2d):
                entry |= {"stride": list(layer.stride), "padding": list(layer.padding)}
            if isinstance(layer, Pool2d):
                entry |= {"kernel": list(layer.kernel)}
            entries.append(entry)
        header = {
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
        try:
            layers, scales = [], []
            for index, entry in enumerate(header["layers"]):
                layers.append(_layer(entry, tensors, index))
                scales.append(entry.get("scale"))
            return cls(
                name=header["name"],
                t_max=header["t_max"],
                input_shape=tuple(header["input_shape"]),
                class_names=tuple(header["class_names"]),
                encoder=tensors["encoder"],
                layers=tuple(layers),
                scales=tuple(scales),
                provenance=header["provenance"],
                source=str(path),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"{path}: must be a float network as `sstdp-hw train` writes it, and has no valid "
                f"{error}"
            ) from None


def _layer(entry: dict[str, Any], tensors: dict[str, Array], index: int) -> Layer:
    kind = entry["kind"]
    if kind == "flatten":
        return Flatten()
    if kind == "pool2d":
        return Pool2d((entry["kernel"][0], entry["kernel"][1]))
    weight, threshold = tensors[f"layers.{index}.weight"], tensors[f"layers.{index}.threshold"]
    if kind == "dense":
        return Dense(weight, threshold, entry["weight_width"])
    if kind == "conv2d":
        stride, padding = entry["stride"], entry["padding"]
        return Conv2d(
            weight, threshold, entry["weight_width"],
            (stride[0], stride[1]), (padding[0], padding[1]),
        )  # fmt: skip
    raise ValueError(f"layer kind {kind!r}")
