"""Reads a generator's output folder and refuses anything that is not one, whole and unedited."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import parse_json, read_bytes, refuse_changed
from sstdp_hw.blocks.hardware import NAME, TOP

MANIFEST = "manifest.json"
FORMAT_VERSION = 1

_AXI_PORTS = {
    # name: (direction, width); a width of None depends on the configuration
    "aclk": ("input", 1),
    "aresetn": ("input", 1),
    "s_axis_tdata": ("input", None),
    "s_axis_tvalid": ("input", 1),
    "s_axis_tready": ("output", 1),
    "s_axis_tlast": ("input", 1),
    "m_axis_tdata": ("output", 32),
    "m_axis_tvalid": ("output", 1),
    "m_axis_tready": ("input", 1),
    "m_axis_tlast": ("output", 1),
}


@dataclass(frozen=True)
class AcceleratorFolder:
    """What a build needs to know of a generated accelerator.

    ``verilog`` holds the bytes whose hash was checked, so that a file that changes while a build
    runs cannot slip in; ``digests`` are those of the files read, by name.
    """

    path: Path
    name: str
    top: str
    network_digest: str
    inputs: int
    pixels_per_beat: int
    verilog: bytes
    verilog_sha256: str
    digests: dict[str, str]

    def refuse_changed(self) -> None:
        """Refuse if the folder no longer holds what was read; whoever writes a result into it calls
        this last.

        Raises
        ------
        UserError
        """
        read = {self.path / name: digest for name, digest in self.digests.items()}
        refuse_changed(read, "build again")

    def to_json(self) -> dict[str, Any]:
        """The identity of the design, for a result file."""
        return {
            "name": self.name,
            "network_digest": self.network_digest,
            "verilog_sha256": self.verilog_sha256,
            "inputs": self.inputs,
            "pixels_per_beat": self.pixels_per_beat,
        }


def read_accelerator(directory: Path | str) -> AcceleratorFolder:
    """Read and check the folder that ``sstdp-hw generate`` wrote.

    Raises
    ------
    UserError
        If the folder is missing, has no manifest, the manifest breaks a rule, or the Verilog is
        missing or is not the one that the manifest was written for.
    """
    path = Path(directory)
    if not path.is_dir():
        raise UserError(f"{path}: no such folder; write one with `sstdp-hw generate`")
    manifest_path = path / MANIFEST
    if not manifest_path.is_file():
        raise UserError(
            f"{path}: not an accelerator folder, it has no {MANIFEST}; "
            "write one with `sstdp-hw generate`"
        )
    told = read_bytes(manifest_path, "manifest")
    fields = _Fields(manifest_path, parse_json(told, manifest_path, "manifest"))
    version = fields.integer("format_version", low=0)
    if version != FORMAT_VERSION:
        fields.refuse("format_version", f"must be {FORMAT_VERSION}", version)
    top = fields.text("top")
    if top != TOP and not (top.endswith(f"_{TOP}") and NAME.fullmatch(top)):
        fields.refuse("top", f"must be {TOP!r}, with a prefix or without", top)
    pixels_per_beat = fields.integer("configuration.pixels_per_beat", low=1)
    if pixels_per_beat not in (1, 2, 4, 8):
        fields.refuse("configuration.pixels_per_beat", "must be 1, 2, 4 or 8", pixels_per_beat)
    _check_ports(fields, pixels_per_beat)
    verilog = _read_verilog(path, fields)
    verilog_sha256 = hashlib.sha256(verilog).hexdigest()
    return AcceleratorFolder(
        path=path,
        name=fields.text("name"),
        top=top,
        network_digest=fields.text("network.digest"),
        inputs=fields.integer("network.inputs", low=1),
        pixels_per_beat=pixels_per_beat,
        verilog=verilog,
        verilog_sha256=verilog_sha256,
        digests={
            MANIFEST: hashlib.sha256(told).hexdigest(),
            fields.text("verilog"): verilog_sha256,
        },
    )


class _Fields:
    """Typed access to the manifest; a refusal names file, field, rule and value."""

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest

    def refuse(self, field: str, rule: str, found: object) -> None:
        shown = repr(found)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        raise UserError(f"{self.path}: {field} {rule}, not {shown}")

    def get(self, field: str) -> Any:
        value: Any = self.manifest
        for key in field.split("."):
            if not isinstance(value, dict) or key not in value:
                raise UserError(f"{self.path}: {field} is missing")
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


def _check_ports(fields: _Fields, pixels_per_beat: int) -> None:
    """The ports that a board top connects must be there with the widths that the format fixes."""
    ports = fields.get("ports")
    if not isinstance(ports, list) or not all(isinstance(port, dict) for port in ports):
        fields.refuse("ports", "must be a list of objects", ports)
    found = {str(port.get("name")): (port.get("direction"), port.get("width")) for port in ports}
    for name, (direction, width) in _AXI_PORTS.items():
        expected = (direction, 8 * pixels_per_beat if width is None else width)
        if found.get(name) != expected:
            fields.refuse(
                f"port {name}", f"must be an {expected[0]} of width {expected[1]}", found.get(name)
            )


def _read_verilog(path: Path, fields: _Fields) -> bytes:
    """The Verilog's bytes. The name comes from a file, so it must not lead out of the folder."""
    name = fields.text("verilog")
    file = path / name
    if name in ("", "..") or Path(name).name != name or "\\" in name:
        fields.refuse("verilog", "must be a plain file name in the same folder", name)
    if file.resolve().parent != path.resolve():
        fields.refuse("verilog", "must not be a link that leads out of the folder", name)
    if not file.is_file():
        raise UserError(f"{file}: no such file, though {MANIFEST} names it; generate again")
    try:
        verilog = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error}") from None
    if hashlib.sha256(verilog).hexdigest() != fields.text("verilog_sha256"):
        raise UserError(
            f"{file}: its SHA-256 must be the verilog_sha256 of {MANIFEST}, and it is not: "
            "the Verilog was edited or cut short; generate it again"
        )
    return verilog
