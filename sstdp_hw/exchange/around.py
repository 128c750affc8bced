"""What a network is besides a NIR graph: encoder, time steps, image, classes.

NIR has no place for them. They travel in a sidecar, a JSON file beside the graph; or the user tells
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import UserError
from ..base.files import read_json, write_json
from ..network.chain import PIXELS, SPIKES, shortened
from ..network.float_network import FloatNetwork
from ..network.header import HeaderReader
from ..network.layers import Array, Shape, WeightedLayer
from ..network.network import Network
from ..network.ttfs import ttfs_table

VERSION = 1
DECISION = "earliest output spike, then largest margin, then lowest index"


@dataclass(frozen=True, eq=False)
class Around:
    """Encoder and image of a graph.

    Parameters
    ----------
    t_max : int
    encoder : uint8 array [256] or [planes, 256], or None
        None: the input is spikes.
    input_shape : (channels, height, width) or None
        Of the image; None: as the graph's Input has it.
    class_names : tuple of str or None
    name : str or None
    layers : tuple of dict or None
        The entries of the layers that the graph was written from, with width and scale.
    provenance : dict
    source : str
        What errors call where this comes from.
    """

    t_max: int
    encoder: Array | None
    input_shape: Shape | None = None
    class_names: tuple[str, ...] | None = None
    name: str | None = None
    layers: tuple[dict[str, Any], ...] | None = None
    provenance: dict[str, Any] | None = None
    source: str = "import"

    @property
    def input_kind(self) -> str:
        """One of `sstdp_hw.network.chain.INPUT_KINDS`."""
        return SPIKES if self.encoder is None else PIXELS

    @property
    def planes(self) -> int:
        return 1 if self.encoder is None else max(1, self.encoder.size // 256)


def made(t_max: int, cutoff: int = 0) -> Around:
    """The encoder of a training without one of its own; see `ttfs_table`."""
    return Around(t_max, ttfs_table(t_max, cutoff))


def of_network(network: Network | FloatNetwork) -> Around:
    """The encoder of another network."""
    return Around(
        network.t_max, network.encoder, tuple(network.input_shape), network.class_names,
        source=network.source,
    )  # fmt: skip


def sidecar_path(graph: Path | str) -> Path:
    """Where the sidecar of a graph lies."""
    graph = Path(graph)
    return graph.with_name(f"{graph.name}.json")


def write_sidecar(path: Path, network: Network | FloatNetwork) -> None:
    """Write what `read_sidecar` reads."""
    write_json(
        path,
        {
            "sidecar_version": VERSION,
            "name": network.name,
            "t_max": network.t_max,
            "decision": DECISION,
            "input": {"kind": network.input_kind},
            "input_shape": list(network.input_shape),
            "class_names": list(network.class_names),
            "layers": _entries(network),
            **({} if network.encoder is None else {"encoder": network.tables.tolist()}),
            "provenance": network.provenance,
        },
    )


def _entries(network: Network | FloatNetwork) -> list[dict[str, Any]]:
    scales = network.scales if isinstance(network, FloatNetwork) else [1.0] * len(network.layers)
    entries = []
    for layer, scale in zip(network.layers, scales, strict=True):
        entry: dict[str, Any] = {"kind": layer.kind}
        if isinstance(layer, WeightedLayer):
            entry |= {"weight_width": layer.weight_width, "scale": scale}
        entries.append(entry)
    return entries


def read_sidecar(path: Path) -> Around:
    """Read and check a sidecar.

    Raises
    ------
    UserError
        If it breaks a rule.
    """
    content = read_json(path, "sidecar")
    if content.get("sidecar_version") != VERSION:
        found = shortened(repr(content.get("sidecar_version")))
        raise UserError(f"{path}: sidecar_version must be {VERSION}, not {found}")
    if content.get("decision") != DECISION:
        found = shortened(repr(content.get("decision")))
        raise UserError(
            f"{path}: decision must be {DECISION!r}, the one rule there is, not {found}"
        )
    reader = HeaderReader(str(path), {}, content, frozenset())
    kind = reader.input_kind()
    if kind == PIXELS:
        reader.tensors["encoder"] = _tables(path, content.get("encoder"))
    frame = reader.frame(kind)
    return Around(
        t_max=frame["t_max"], encoder=frame["encoder"], input_shape=frame["input_shape"],
        class_names=frame["class_names"], name=frame["name"], layers=_layers(path, content),
        provenance=frame["provenance"], source=str(path),
    )  # fmt: skip


def _tables(path: Path, tables: Any) -> Array:
    try:
        found = np.array(tables)
        if found.dtype.kind in "iu" and found.min() >= 0 and found.max() < 256:
            return found.astype(np.uint8).squeeze(0) if len(found) == 1 else found.astype(np.uint8)
    except (ValueError, TypeError, OverflowError):
        pass
    raise UserError(f"{path}: encoder must be tables of numbers from 0 to 255")


def _layers(path: Path, content: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    layers = content.get("layers")
    if isinstance(layers, list) and all(_is_entry(entry) for entry in layers):
        return tuple(layers)
    raise UserError(f"{path}: layers must be a list of objects with a kind, its width and scale")


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("kind"), str)
        and type(entry.get("weight_width", 0)) is int
        and 0 <= entry.get("weight_width", 0) <= 32
        and type(entry.get("scale")) in (int, float, type(None))
    )
