"""The network file: the one thing that passes from training to hardware.

A safetensors file with the tensors ``encoder`` (uint8 [256] or [planes, 256]; none if the input is
spikes) and, for every weighted layer N, ``layers.N.weight`` and ``layers.N.threshold``, and one
metadata entry ``sstdp_hw`` with the JSON that docs/network-format.md describes. Reading checks
every rule; what `Network` holds is always valid.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from ..base.errors import UserError
from ..base.files import sha256
from .chain import PIXELS, LayerChain
from .header import HeaderReader
from .layers import Array, Layer, Shape, WeightedLayer, fits_width
from .tensor_file import read_tensors, write_tensors

FORMAT_VERSIONS = (1, 2)
FILE_NAME = "network.safetensors"  # in a run folder
FLOAT_FILE_NAME = "float.safetensors"  # beside it, as training wrote it
LAYER_FIELDS = frozenset({"weight_width"})
WEIGHT_DTYPES = ("int8", "int16", "int32")
MAX_WEIGHT_WIDTH = 32


@dataclass(frozen=True, eq=False)
class Network(LayerChain):
    """A quantized network, checked against every rule of the file format on construction.

    Parameters
    ----------
    name : str
    t_max : int
        Number of time steps, 1 to 255; a spike time equal to it means silent.
    input_shape : (channels, height, width)
    class_names : tuple of str
    encoder : uint8 array [256] or [planes, 256], or None
        Spike time of each pixel value; with planes, channel c of the image becomes the spike
        channels ``c * planes + p``, each by the table of its plane. None: the input is spike times.
    layers : tuple of Layer
    provenance : dict
        Free JSON: data set, accuracies, scales, training command, versions.
    source : str
        What errors call this network: the path it was read from.

    Raises
    ------
    UserError
        If a rule is broken: names the source, the field, the rule and the value found.
    """

    name: str
    t_max: int
    input_shape: Shape
    class_names: tuple[str, ...]
    encoder: Array | None
    layers: tuple[Layer, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
    source: str = "network"

    def __post_init__(self) -> None:
        self.take(WEIGHT_DTYPES, ("int32",))
        self.check_frame()
        if self.encoder is not None and self.planes == 1:  # one form for one network
            object.__setattr__(self, "encoder", self.encoder.reshape(256))
        for index, layer in enumerate(self.layers):
            if isinstance(layer, WeightedLayer):
                self.check_weights(index, layer, WEIGHT_DTYPES, ("int32",))
                self._check_width(f"layers.{index}", layer)
            self.check_geometry(index, layer)
        self.check_chain()

    def _check_width(self, subject: str, layer: WeightedLayer) -> None:
        if not 1 <= layer.weight_width <= MAX_WEIGHT_WIDTH:
            self.refuse(
                f"{subject}.weight_width",
                f"must be between 1 and {MAX_WEIGHT_WIDTH}, not {layer.weight_width}",
            )
        if not fits_width(layer.weight, layer.weight_width):
            rule = "be -1 or +1" if layer.weight_width == 1 else "fit in weight_width"
            self.refuse(
                f"{subject}.weight",
                f"must {rule} ({layer.weight_width} bit), and spans "
                f"{layer.weight.min()} to {layer.weight.max()}",
            )

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all that the hardware depends on; name and provenance do not count."""
        header = self._header()
        for free in ("name", "provenance", "class_names"):
            del header[free]
        tensors = self._tensors()
        parts = [json.dumps(header, sort_keys=True).encode()]
        for key in sorted(tensors):
            parts += [key.encode(), tensors[key].astype("<i8").tobytes()]
        return sha256(*parts)

    def _header(self) -> dict[str, Any]:
        entries: list[dict[str, Any]] = []
        for layer in self.layers:
            entry: dict[str, Any] = {"kind": layer.kind, **layer.geometry()}
            if isinstance(layer, WeightedLayer):
                entry |= {"weight_width": layer.weight_width}
            entries.append(entry)
        # The oldest version that can hold the network.
        version: dict[str, Any] = {"format_version": 1}
        if self.planes > 1 or self.input_kind != PIXELS:
            version = {"format_version": 2, "input": {"kind": self.input_kind}}
        return {
            **version,
            "name": self.name,
            "t_max": self.t_max,
            "input_shape": list(self.input_shape),
            "class_names": list(self.class_names),
            "layers": entries,
            "provenance": self.provenance,
        }

    def _tensors(self) -> dict[str, Array]:
        tensors = {} if self.encoder is None else {"encoder": self.encoder}
        for index, layer in self.weighted:
            tensors[f"layers.{index}.weight"] = layer.weight
            tensors[f"layers.{index}.threshold"] = layer.threshold
        return tensors

    def save(self, path: Path | str) -> None:
        """Write the network file, whole or not at all."""
        write_tensors(path, self._tensors(), self._header())

    @classmethod
    def load(cls, path: Path | str) -> Network:
        """Read and check a network file; ``path`` is the file or the run folder that holds it.

        Raises
        ------
        UserError
            If the file is missing, damaged or breaks a rule, or if it is a float network.
        """
        path = network_file(path)
        tensors, header = read_tensors(path, "network")
        if is_float(tensors, header):
            _refuse_float(path)
        reader = HeaderReader(str(path), tensors, header, LAYER_FIELDS)
        version = reader.get("format_version", int, "an integer")
        if version not in FORMAT_VERSIONS:
            rule = " or ".join(map(str, FORMAT_VERSIONS))
            reader.refuse("format_version", f"must be {rule}, not {version}")
        kind = reader.input_kind() if version > 1 else PIXELS
        network = cls(**reader.frame(kind), layers=reader.layers())
        reader.check_all_read()
        return network


def located(path: Path | str, name: str) -> Path:
    """The file called ``name`` of a run folder; any other path as it is."""
    path = Path(path)
    return path / name if path.is_dir() else path


def network_file(path: Path | str) -> Path:
    """The network file that a user means by ``path``: the file itself, or that of a run folder.

    Raises
    ------
    UserError
        If a run folder holds a float network only.
    """
    file = located(path, FILE_NAME)
    if file != Path(path) and not file.is_file() and (Path(path) / FLOAT_FILE_NAME).is_file():
        _refuse_float(Path(path) / FLOAT_FILE_NAME)
    return file


def is_float(tensors: dict[str, Array], header: dict[str, Any]) -> bool:
    """Whether a file is what `sstdp_hw.network.float_network` writes, as far as one look tells."""
    weights = [tensor for name, tensor in tensors.items() if name.endswith(".weight")]
    return "format_version" not in header and any(weight.dtype.kind == "f" for weight in weights)


def _refuse_float(path: Path) -> NoReturn:
    target = path.with_name(FILE_NAME) if path.name == FLOAT_FILE_NAME else Path(FILE_NAME)
    raise UserError(
        f"{path}: must be a network of integers, and is a float network; quantize it first: "
        f"sstdp-hw quantize {path} --weight-width 4 --out {target}"
    )
