"""The network file: the one thing that passes from training to hardware.

A safetensors file with the tensors ``encoder`` (uint8[256]) and, for every weighted layer N,
``layers.N.weight`` and ``layers.N.threshold``, and one metadata entry ``sstdp_hw`` with the JSON
that docs/network-format.md describes. Reading checks every rule; what `Network` holds is always
valid.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np

from .. import ready
from ..base.errors import UserError
from ..base.files import sha256, written_whole
from .chain import EXTENTS, LayerChain, shortened
from .chain import MAX_T as MAX_T
from .layers import Array, Conv2d, Dense, Flatten, Layer, Pool2d, Shape, fits_width

FORMAT_VERSION = 1
FILE_NAME = "network.safetensors"  # in a run folder
FLOAT_FILE_NAME = "float.safetensors"  # beside it, as training wrote it
METADATA_KEY = "sstdp_hw"
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
    encoder : uint8 array [256]
        Spike time of each pixel value.
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
    encoder: Array
    layers: tuple[Layer, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
    source: str = "network"

    def __post_init__(self) -> None:
        self.take(WEIGHT_DTYPES, ("int32",))
        self.check_frame()
        for index, layer in enumerate(self.layers):
            if isinstance(layer, Conv2d | Dense):
                self.check_weights(index, layer, WEIGHT_DTYPES, ("int32",))
                self._check_width(f"layers.{index}", layer)
            self.check_geometry(index, layer)
        self.check_chain()

    def _check_width(self, subject: str, layer: Dense | Conv2d) -> None:
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
            entry: dict[str, Any] = {"kind": layer.kind}
            if isinstance(layer, Conv2d):
                entry |= {"stride": list(layer.stride), "padding": list(layer.padding)}
            if isinstance(layer, Pool2d):
                entry |= {"kernel": list(layer.kernel)}
            if isinstance(layer, Conv2d | Dense):
                entry |= {"weight_width": layer.weight_width}
            entries.append(entry)
        return {
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "t_max": self.t_max,
            "input_shape": list(self.input_shape),
            "class_names": list(self.class_names),
            "layers": entries,
            "provenance": self.provenance,
        }

    def _tensors(self) -> dict[str, Array]:
        tensors = {"encoder": self.encoder}
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
        return _NetworkReader(str(path), tensors, header).read()


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


def write_tensors(path: Path | str, tensors: dict[str, Array], header: dict[str, Any]) -> None:
    """Write tensors and one metadata entry, whole or not at all; same input, same bytes."""
    from safetensors.numpy import save

    try:
        text = json.dumps(header, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: provenance must be JSON of finite numbers ({error})") from None
    data = save(
        {name: np.ascontiguousarray(tensor) for name, tensor in sorted(tensors.items())},
        metadata={METADATA_KEY: text},
    )
    with written_whole(path) as temporary:
        temporary.write_bytes(data)


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def read_tensors(path: Path | str, what: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read all tensors of a safetensors file and the JSON object of its ``sstdp_hw`` metadata.

    ``path`` may be ``ready:NAME``; ``what`` names the file's role in errors ("network").
    """
    from safetensors import SafetensorError, safe_open

    file = ready.located(path)
    if not file.is_file():
        raise UserError(f"{path}: no such {what} file")
    try:
        with safe_open(str(file), framework="numpy") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, ValueError, AttributeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path}: the {what} must be a whole safetensors file of numpy types ({reason})"
        ) from None
    if METADATA_KEY not in metadata:
        raise UserError(
            f"{path}: the {what} must have the metadata entry {METADATA_KEY!r}, not "
            f"{sorted(metadata) or 'none'}"
        )
    try:
        header = json.loads(metadata[METADATA_KEY], parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: metadata {METADATA_KEY} must be JSON ({error})") from None
    if not isinstance(header, dict):
        raise UserError(
            f"{path}: metadata {METADATA_KEY} must be a JSON object, not {type(header).__name__}"
        )
    return tensors, header


class _NetworkReader:
    """Turns untrusted tensors and JSON into a `Network`, refusing with one line."""

    LAYER_KEYS: ClassVar[dict[str, tuple[set[str], set[str]]]] = {  # kind -> required, optional
        "dense": ({"weight_width"}, set()),
        "conv2d": ({"weight_width"}, {"stride", "padding"}),
        "pool2d": ({"kernel"}, set()),
        "flatten": (set(), set()),
    }

    def __init__(self, source: str, tensors: dict[str, Array], header: dict[str, Any]) -> None:
        self.source, self.tensors, self.header = source, dict(tensors), header

    def _refuse(self, subject: str, rule_and_value: str) -> NoReturn:
        raise UserError(f"{self.source}: {subject} {rule_and_value}")

    def _get(self, key: str, kind: type, rule: str) -> Any:
        if key not in self.header:
            self._refuse(key, "must be present in the metadata, and is missing")
        value = self.header[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            self._refuse(key, f"must be {rule}, not {_shown(value)}")
        return value

    def _integers(self, subject: str, value: Any, count: int) -> tuple[int, ...]:
        if (
            not isinstance(value, list)
            or len(value) != count
            or not all(type(item) is int and 0 <= item < EXTENTS for item in value)
        ):
            self._refuse(subject, f"must be {count} integers below {EXTENTS}, not {_shown(value)}")
        return tuple(value)

    def _tensor(self, name: str) -> Array:
        if name not in self.tensors:
            self._refuse(name, "must be present as a tensor, and is missing")
        return self.tensors.pop(name)

    def read(self) -> Network:
        version = self._get("format_version", int, "an integer")
        if version != FORMAT_VERSION:
            self._refuse("format_version", f"must be {FORMAT_VERSION}, not {version}")
        names = self._get("class_names", list, "a list of strings")
        if not all(isinstance(name, str) for name in names):
            self._refuse("class_names", f"must be a list of strings, not {_shown(names)}")
        entries = self._get("layers", list, "a list of objects")
        provenance = self.header.get("provenance", {})
        if not isinstance(provenance, dict):
            self._refuse("provenance", f"must be an object, not {_shown(provenance)}")
        network = Network(
            name=self._get("name", str, "a string"),
            t_max=self._get("t_max", int, "an integer"),
            input_shape=self._integers("input_shape", self._get("input_shape", list, "a list"), 3),
            class_names=tuple(names),
            encoder=self._tensor("encoder"),
            layers=tuple(self._layer(index, entry) for index, entry in enumerate(entries)),
            provenance=provenance,
            source=self.source,
        )
        if self.tensors:
            self._refuse("tensors", f"must each belong to a layer, not {sorted(self.tensors)[0]!r}")
        return network

    def _layer(self, index: int, entry: Any) -> Layer:
        subject = f"layers.{index}"
        kind = entry.get("kind") if isinstance(entry, dict) else None
        if not isinstance(kind, str) or kind not in self.LAYER_KEYS:
            self._refuse(
                subject,
                f"must be an object with kind {' or '.join(self.LAYER_KEYS)}, not {_shown(entry)}",
            )
        required, optional = self.LAYER_KEYS[kind]
        keys = set(entry) - {"kind"}
        if missing := required - keys:
            self._refuse(f"{subject}.{min(missing)}", "must be present, and is missing")
        if unknown := keys - required - optional:
            self._refuse(subject, f"must have no field {min(unknown)!r} in a {kind} layer")
        if kind == "flatten":
            return Flatten()
        if kind == "pool2d":
            height, width = self._integers(f"{subject}.kernel", entry["kernel"], 2)
            return Pool2d((height, width))
        width_found = entry["weight_width"]
        if type(width_found) is not int:
            self._refuse(
                f"{subject}.weight_width", f"must be an integer, not {_shown(width_found)}"
            )
        weight, threshold = self._tensor(f"{subject}.weight"), self._tensor(f"{subject}.threshold")
        if kind == "dense":
            return Dense(weight, threshold, width_found)
        stride = self._integers(f"{subject}.stride", entry.get("stride", [1, 1]), 2)
        padding = self._integers(f"{subject}.padding", entry.get("padding", [0, 0]), 2)
        return Conv2d(
            weight, threshold, width_found, (stride[0], stride[1]), (padding[0], padding[1])
        )


def _shown(value: Any) -> str:
    """A value as one short line, whatever an untrusted file put there."""
    return shortened(json.dumps(value))
