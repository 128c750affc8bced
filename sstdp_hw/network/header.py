"""Reads what both kinds of network file have in common, refusing with one line.

Nothing in a file is trusted: every field is checked for presence and type here, for range by the
network that is made of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

from ..base.errors import UserError
from .chain import INPUT_KINDS, PIXELS, shortened
from .layers import EXTENTS, KINDS, Array, Layer, Pair, WeightedLayer


class HeaderReader:
    """The fields of a file's header and its tensors, each asked for once.

    Parameters
    ----------
    source : str
        What errors call the file.
    tensors : dict of arrays
    header : dict
        The JSON of the file's metadata.
    layer_fields : set of str
        Fields of a weighted layer's entry besides those of its geometry.
    """

    def __init__(
        self, source: str, tensors: dict[str, Array], header: dict[str, Any],
        layer_fields: frozenset[str],
    ) -> None:  # fmt: skip
        self.source, self.tensors, self.header = source, dict(tensors), header
        self.layer_fields = layer_fields

    def refuse(self, subject: str, rule_and_value: str) -> NoReturn:
        raise UserError(f"{self.source}: {subject} {rule_and_value}")

    def get(self, key: str, kind: type, rule: str) -> Any:
        """A field that must be there and of a type, in words ``rule``."""
        if key not in self.header:
            self.refuse(key, "must be present in the metadata, and is missing")
        value = self.header[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            self.refuse(key, f"must be {rule}, not {shown(value)}")
        return value

    def integers(self, subject: str, value: Any, count: int) -> tuple[int, ...]:
        """``count`` integers from 0 to `EXTENTS`."""
        if (
            not isinstance(value, list)
            or len(value) != count
            or not all(type(item) is int and 0 <= item < EXTENTS for item in value)
        ):
            self.refuse(subject, f"must be {count} integers below {EXTENTS}, not {shown(value)}")
        return tuple(value)

    def tensor(self, name: str) -> Array:
        if name not in self.tensors:
            self.refuse(name, "must be present as a tensor, and is missing")
        return self.tensors.pop(name)

    def frame(self, input_kind: str = PIXELS) -> dict[str, Any]:
        """The arguments that both kinds of network take besides their layers."""
        names = self.get("class_names", list, "a list of strings")
        if not all(isinstance(name, str) for name in names):
            self.refuse("class_names", f"must be a list of strings, not {shown(names)}")
        provenance = self.header.get("provenance", {})
        if not isinstance(provenance, dict):
            self.refuse("provenance", f"must be an object, not {shown(provenance)}")
        return {
            "name": self.get("name", str, "a string"),
            "t_max": self.get("t_max", int, "an integer"),
            "input_shape": self.integers("input_shape", self.get("input_shape", list, "a list"), 3),
            "class_names": tuple(names),
            "encoder": self.tensor("encoder") if input_kind == PIXELS else None,
            "provenance": provenance,
            "source": self.source,
        }

    def input_kind(self) -> str:
        """The kind in the field ``input`` of version 2, which may be left out."""
        found = self.header.get("input", {"kind": PIXELS})
        kind = found.get("kind") if isinstance(found, dict) and len(found) == 1 else None
        if not isinstance(kind, str) or kind not in INPUT_KINDS:
            self.refuse(
                "input",
                f"must be an object with kind {' or '.join(INPUT_KINDS)}, not {shown(found)}",
            )
        return kind

    def layers(self) -> tuple[Layer, ...]:
        entries = self.get("layers", list, "a list of objects")
        return tuple(
            LayerEntry(self, f"layers.{index}", entry).layer()
            for index, entry in enumerate(entries)
        )

    def check_all_read(self) -> None:
        """Refuse a tensor that nothing asked for."""
        if self.tensors:
            self.refuse("tensors", f"must each belong to a layer, not {sorted(self.tensors)[0]!r}")


@dataclass(frozen=True)
class LayerEntry:
    """One entry of ``layers``; see `sstdp_hw.network.layers.Entry`."""

    reader: HeaderReader
    subject: str
    content: Any

    KIND: ClassVar[str] = "kind"

    def layer(self) -> Layer:
        """The layer, after a look at which fields are there."""
        kind = self.content.get(self.KIND) if isinstance(self.content, dict) else None
        if not isinstance(kind, str) or kind not in KINDS:
            self.reader.refuse(
                self.subject,
                f"must be an object with kind {' or '.join(KINDS)}, not {shown(self.content)}",
            )
        found = KINDS[kind]
        weighted = issubclass(found, WeightedLayer)
        required = found.required | (self.reader.layer_fields if weighted else set())
        fields = set(self.content) - {self.KIND}
        if missing := required - fields:
            self.reader.refuse(f"{self.subject}.{min(missing)}", "must be present, and is missing")
        if unknown := fields - required - found.optional:
            self.reader.refuse(
                self.subject, f"must have no field {min(unknown)!r} in a {kind} layer"
            )
        return found.from_entry(self)

    def pair(self, key: str, default: Pair | None = None) -> Pair:
        value = self.content.get(key, None if default is None else list(default))
        first, second = self.reader.integers(f"{self.subject}.{key}", value, 2)
        return first, second

    def numbers(self) -> tuple[Array, Array, int]:
        width = self.content["weight_width"]
        if type(width) is not int:
            self.reader.refuse(
                f"{self.subject}.weight_width", f"must be an integer, not {shown(width)}"
            )
        weight = self.reader.tensor(f"{self.subject}.weight")
        return weight, self.reader.tensor(f"{self.subject}.threshold"), width


def shown(value: Any) -> str:
    """A value as one short line, whatever an untrusted file put there."""
    return shortened(json.dumps(value))
