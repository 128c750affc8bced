"""The folder that `sstdp-hw generate` wrote, read and checked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import file_digest, parse_json, read_bytes, refuse_changed
from sstdp_hw.blocks.hardware import AcceleratorParameters, Configuration
from sstdp_hw.network.network import Network

MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True)
class GeneratedDirectory:
    """A generated accelerator, as it was when it was read: what happens to the folder later
    changes nothing here.

    Parameters
    ----------
    path : Path
    manifest : dict
    verilog : str
        The text that the manifest vouches for.
    digests : dict
        SHA-256 of the files that were read, by name.

    Raises
    ------
    UserError
        On `load`, if a file is missing or does not belong to the manifest.
    """

    path: Path
    manifest: dict[str, Any]
    verilog: str
    digests: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path | str) -> GeneratedDirectory:
        path = Path(path)
        told = read_bytes(path / MANIFEST_FILE, "manifest")
        manifest = parse_json(told, path / MANIFEST_FILE, "manifest")
        try:
            verilog, digest = str(manifest["verilog"]), str(manifest["verilog_sha256"])
            version = manifest["format_version"]
            network = str(manifest["network"]["file"])
            _ = manifest["name"], manifest["configuration"]
            _ = [probe["layer"] for probe in manifest["probes"]]
            _ = [layer["memories"] for layer in manifest["layers"]]
        except (KeyError, TypeError) as error:
            raise UserError(
                f"{path / MANIFEST_FILE}: must have the field {error}; generate again"
            ) from None
        if version != 1:
            raise UserError(f"{path / MANIFEST_FILE}: format_version must be 1, not {version!r}")
        data = read_bytes(inside(path, verilog), "Verilog")
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise UserError(
                f"{path / verilog}: must be the file that the manifest describes (sha256 "
                f"{digest[:12]}...), not {found[:12]}...; generate again"
            )
        digests = {
            MANIFEST_FILE: hashlib.sha256(told).hexdigest(),
            verilog: found,
            network: file_digest(inside(path, network)),
        }
        directory = cls(path, manifest, data.decode("utf-8"), digests)
        _ = directory.network  # now: later the file may be another
        return directory

    def refuse_changed(self) -> None:
        """Refuse if a file of the folder is no longer as it was read; whoever writes a result into
        the folder calls this last.

        Raises
        ------
        UserError
        """
        read = {self.path / name: digest for name, digest in self.digests.items()}
        refuse_changed(read, "run it again")

    @cached_property
    def network(self) -> Network:
        """The network that the reference runs, checked to be the one that was generated."""
        entry = self.manifest["network"]
        network = Network.load(inside(self.path, str(entry["file"])))
        if network.digest != entry.get("digest"):
            raise UserError(
                f"{self.path / str(entry['file'])}: must be the network of the manifest (digest "
                f"{str(entry.get('digest'))[:12]}...), not {network.digest[:12]}...; generate again"
            )
        return network

    @cached_property
    def parameters(self) -> AcceleratorParameters:
        """Network and configuration, for the cost model."""
        try:
            found = self.manifest["configuration"]
            configuration = Configuration(
                tuple(found["lanes"]), found["pixels_per_beat"], found["early_exit"],
                found.get("name", ""),
            )  # fmt: skip
            parameters = AcceleratorParameters(self.network, configuration)
        except (KeyError, TypeError) as error:
            raise UserError(
                f"{self.path / MANIFEST_FILE}: configuration must be whole ({error}); "
                "generate again"
            ) from None
        # The Verilog names its own configuration, and its checksum vouches for that line.
        if f"\n// {parameters.summary}\n" not in self.verilog:
            raise UserError(
                f"{self.path / MANIFEST_FILE}: configuration must be the one of the Verilog, not "
                f"{parameters.summary}; generate again"
            )
        if self.manifest.get("top") != parameters.top:
            raise UserError(
                f"{self.path / MANIFEST_FILE}: top must be {parameters.top!r}, as configuration "
                f"says, not {self.manifest.get('top')!r}; generate again"
            )
        return parameters


def inside(folder: Path, name: str, named_by: str = MANIFEST_FILE) -> Path:
    """A file of the folder; a name from an untrusted file must not lead out of it."""
    path = folder / name
    try:
        found = Path(name).name == name and path.is_file()
    except (OSError, ValueError):  # too long; a null character
        found = False
    if not found:
        raise UserError(f"{folder / named_by}: must name a file beside it, not {name!r}")
    return path
