"""The rules of a manifest: what every reader may rely on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from ..base.errors import UserError
from ..blocks.hardware import (
    ARCHITECTURES,
    BUSES,
    NAME,
    NO_BUS,
    PIXELS_PER_BEAT,
    STREAMING,
    TOP,
    WIDEST_MEMBRANE,
)
from ..blocks.inputs import INPUTS, PixelInput
from ..blocks.weight_store import ROM, STORES
from ..network.chain import shortened
from .ports import Port, ports

FORMAT_VERSION = 1


def check_manifest(manifest: dict[str, Any], path: Path) -> None:
    """Refuse a manifest in which a field that is used is missing or breaks its rule.

    Parameters
    ----------
    manifest : dict
    path : Path
        Where it was read, for the refusal.

    Raises
    ------
    UserError
    """
    fields = _Fields(manifest, path)
    version = fields.integer("format_version", low=0)
    if version != FORMAT_VERSION:
        fields.refuse("format_version", f"must be {FORMAT_VERSION}", version)
    top = fields.text("top")
    if top != TOP and not (top.endswith(f"_{TOP}") and NAME.fullmatch(top)):
        fields.refuse("top", f"must be {TOP!r}, with a prefix or without", top)
    for name in ("name", "verilog", "verilog_sha256", "network.file", "network.digest"):
        fields.text(name)
    fields.integer("network.inputs", low=1)
    for lanes in fields.listed("configuration.lanes", int):
        if isinstance(lanes, bool) or lanes < 1:
            fields.refuse("configuration.lanes", "must be integers of at least 1", lanes)
    pixels_per_beat = fields.integer("configuration.pixels_per_beat", low=1)
    if pixels_per_beat not in PIXELS_PER_BEAT:
        *most, largest = map(str, PIXELS_PER_BEAT)
        rule = f"must be {', '.join(most)} or {largest}"
        fields.refuse("configuration.pixels_per_beat", rule, pixels_per_beat)
    if not isinstance(early_exit := fields.get("configuration.early_exit"), bool):
        fields.refuse("configuration.early_exit", "must be true or false", early_exit)
    if not isinstance(name := fields.manifest["configuration"].get("name", ""), str):
        fields.refuse("configuration.name", "must be a string", name)
    architecture = fields.manifest["configuration"].get("architecture", STREAMING)
    if architecture not in ARCHITECTURES:
        rule = f"must be {' or '.join(ARCHITECTURES)}"
        fields.refuse("configuration.architecture", rule, architecture)
    bus = fields.manifest["configuration"].get("bus", NO_BUS)
    if bus not in (NO_BUS, *BUSES):
        fields.refuse("configuration.bus", f"must be {' or '.join(BUSES)}", bus)
    for name in ("file", "sha256", "top") if bus else ():
        fields.text(f"bus.{name}")
    weights = fields.manifest["configuration"].get("weights", ROM.kind)
    if not isinstance(weights, str) or weights not in STORES:
        *most_stores, last_store = STORES
        rule = f"must be {', '.join(most_stores)} or {last_store}"
        fields.refuse("configuration.weights", rule, weights)
    if STORES[weights].loaded:
        fields.text("memories.shape_digest")
        fields.integer("configuration.spram", low=0)
        fields.integer("memories.words", low=1)
        for width in fields.listed("configuration.membrane_width", int):
            if isinstance(width, bool) or not 1 <= width <= WIDEST_MEMBRANE:
                rule = f"must be integers between 1 and {WIDEST_MEMBRANE}"
                fields.refuse("configuration.membrane_width", rule, width)
    memory_width, base_port = 0, False
    if STORES[weights].external:
        memory_width = fields.integer("configuration.memory_width", low=1)
        for name in ("weight_buffer", "base_address", "potential_memory"):
            fields.integer(f"configuration.{name}", low=0)
        fields.text("external_memory.sha256")
        base_port = fields.manifest["configuration"].get("base_port", False)
        if not isinstance(base_port, bool):
            fields.refuse("configuration.base_port", "must be true or false", base_port)
        if "batch" in fields.manifest["configuration"]:
            fields.integer("configuration.batch", low=1)
    input_width = INPUTS[_input_kind(fields)].width(pixels_per_beat)
    known = ports(
        input_width, loaded=STORES[weights].loaded, memory_width=memory_width, base_port=base_port
    )
    _check_ports(fields, known)
    for number, layer in enumerate(fields.listed("layers", dict)):
        if not isinstance(found := layer.get("memories"), dict):
            fields.refuse(f"memories of layer {number}", "must be an object", found)
    for number, probe in enumerate(fields.listed("probes", dict)):
        if not isinstance(found := probe.get("layer"), str):
            fields.refuse(f"layer of probe {number}", "must be a string", found)


def _input_kind(fields: _Fields) -> str:
    """The kind of input; manifests from before there were several do not tell it."""
    if "input" not in fields.manifest["network"]:
        return PixelInput.kind
    kind = fields.text("network.input.kind")
    if kind not in INPUTS:
        fields.refuse("network.input.kind", f"must be {' or '.join(INPUTS)}", kind)
    return kind


class _Fields:
    """Typed access to the manifest; a refusal names file, field, rule and value."""

    def __init__(self, manifest: dict[str, Any], path: Path) -> None:
        self.manifest, self.path = manifest, path

    def refuse(self, field: str, rule: str, found: object) -> NoReturn:
        raise UserError(
            f"{self.path}: {field} {rule}, not {shortened(repr(found))}; generate again"
        )

    def get(self, field: str) -> Any:
        value: Any = self.manifest
        for key in field.split("."):
            if not isinstance(value, dict) or key not in value:
                raise UserError(f"{self.path}: {field} is missing; generate again")
            value = value[key]
        return value

    def text(self, field: str) -> str:
        value = self.get(field)
        if not isinstance(value, str) or not value.isprintable():
            self.refuse(field, "must be a printable string", value)
        return value

    def integer(self, field: str, *, low: int) -> int:
        value = self.get(field)
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            self.refuse(field, f"must be an integer of at least {low}", value)
        return value

    def listed(self, field: str, kind: type) -> list[Any]:
        value = self.get(field)
        if not isinstance(value, list) or not all(isinstance(entry, kind) for entry in value):
            names = {dict: "objects", int: "integers"}
            self.refuse(field, f"must be a list of {names[kind]}", value)
        return value


def _check_ports(fields: _Fields, known: tuple[Port, ...]) -> None:
    """The ports that a board or a testbench connects must be there, as wide as they must be."""
    listed = fields.listed("ports", dict)
    found = {str(port.get("name")): (port.get("direction"), port.get("width")) for port in listed}
    for name, direction, width in known:
        if found.get(name) != (direction, width):
            fields.refuse(
                f"port {name}", f"must be an {direction} of width {width}", found.get(name)
            )
