"""The folder that `sstdp-hw generate` wrote, read and checked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ..base.errors import UserError
from ..base.files import file_digest, parse_json, read_bytes, refuse_changed
from ..blocks.bus_front import BusFrontParameters
from ..blocks.hardware import NO_BUS, STREAMING, AcceleratorParameters, Configuration
from ..blocks.weight_store import EXTERNAL, ROM, STORES
from ..network.chain import PIXELS, shortened
from ..network.network import Network
from .external_memory import external_image, external_json
from .file_names import MANIFEST_FILE
from .fitting import fitted
from .manifest import check_manifest
from .memory_image import memory_image, shape_digest, to_bytes


@dataclass(frozen=True)
class GeneratedDirectory:
    """A generated accelerator, as it was when it was read: what happens to the folder later
    changes nothing here.

    Parameters
    ----------
    path : Path
    manifest : dict
        As `check_manifest` leaves it.
    verilog : str
        The text that the manifest vouches for.
    digests : dict
        SHA-256 of the files that were read, by name.
    loaded : Network, optional
        What is loaded instead of the network that was generated, see `with_loaded`.

    Raises
    ------
    UserError
        On `load`, if a file is missing or does not belong to the manifest.
    """

    path: Path
    manifest: dict[str, Any]
    verilog: str
    digests: dict[str, str] = field(default_factory=dict)
    loaded: Network | None = None

    @classmethod
    def load(cls, path: Path | str, *, with_network: bool = True) -> GeneratedDirectory:
        """Read a folder; a build needs no network."""
        path = Path(path)
        if not path.is_dir():
            raise UserError(f"{path}: no such folder; write one with `sstdp-hw generate`")
        if not (path / MANIFEST_FILE).is_file():
            raise UserError(
                f"{path}: not an accelerator folder, it has no {MANIFEST_FILE}; "
                "write one with `sstdp-hw generate`"
            )
        told = read_bytes(path / MANIFEST_FILE, "manifest")
        manifest = parse_json(told, path / MANIFEST_FILE, "manifest")
        check_manifest(manifest, path / MANIFEST_FILE)
        verilog, digest = manifest["verilog"], manifest["verilog_sha256"]
        file = inside(path, verilog)
        data = read_bytes(file, "Verilog")
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise UserError(
                f"{file}: its SHA-256 must be the verilog_sha256 of {MANIFEST_FILE}, "
                f"{digest[:12]}..., not {found[:12]}...; it was edited or cut short: generate again"
            )
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{file}: must be text ({error}); generate again") from None
        digests = {MANIFEST_FILE: hashlib.sha256(told).hexdigest(), verilog: found}
        if with_network:
            network = manifest["network"]["file"]
            digests[network] = file_digest(inside(path, network))
        directory = cls(path, manifest, text, digests)
        if with_network:
            _ = directory.generated  # now: later the file may be another
        return directory

    def refuse_changed(self, next_step: str = "run it again") -> None:
        """Refuse if a file of the folder is no longer as it was read; whoever writes a result into
        the folder calls this last.

        Raises
        ------
        UserError
        """
        read = {self.path / name: digest for name, digest in self.digests.items()}
        refuse_changed(read, next_step)

    @property
    def top(self) -> str:
        """The top module."""
        return str(self.manifest["top"])

    @property
    def name(self) -> str:
        """The network's."""
        return str(self.manifest["name"])

    @property
    def input_kind(self) -> str:
        """What an inference begins with: a key of `sstdp_hw.blocks.inputs.INPUTS`."""
        return str(self.manifest["network"].get("input", {"kind": PIXELS})["kind"])

    @property
    def inputs(self) -> int:
        """Pixels of an image, or inputs that events can name."""
        return int(self.manifest["network"]["inputs"])

    @property
    def pixels_per_beat(self) -> int:
        return int(self.manifest["configuration"]["pixels_per_beat"])

    @property
    def memory_bytes(self) -> int:
        """Bytes of an image of the memories, or of the external one; 0 if weights are constants."""
        if self.external:
            return int(self.manifest["external_memory"]["bytes"])
        return 4 * int(self.manifest["memories"]["words"]) if self.loads else 0

    def memory_image(self) -> bytes:
        """What a host sends to a board, of the folder's network or of what is loaded instead."""
        if self.external:
            return external_image(self.parameters)
        return to_bytes(memory_image(self.parameters))

    @property
    def identity(self) -> dict[str, Any]:
        """Which design this is, for a result file."""
        return {
            "name": self.name,
            "network_digest": self.manifest["network"]["digest"],
            "verilog_sha256": self.manifest["verilog_sha256"],
            "inputs": self.inputs,
            "pixels_per_beat": self.pixels_per_beat,
        }

    @property
    def loads(self) -> bool:
        """Whether weights are loaded into the accelerator."""
        return bool(STORES[self.manifest["configuration"].get("weights", ROM.kind)].loaded)

    @property
    def external(self) -> bool:
        """Whether weights stand in an external memory."""
        return bool(STORES[self.manifest["configuration"].get("weights", ROM.kind)].external)

    @property
    def bus(self) -> str:
        """The bus that it stands behind, one of `sstdp_hw.blocks.hardware.BUSES`; or none."""
        return str(self.manifest["configuration"].get("bus", NO_BUS))

    @property
    def front(self) -> BusFrontParameters:
        """Sizes of registers and queues.

        Raises
        ------
        UserError
            If there are none.
        """
        if not self.bus:
            raise UserError(
                f"{self.path}: must have registers of a bus; generate it with --bus axi-lite or "
                "--bus wishbone"
            )
        return BusFrontParameters(self.parameters)

    def bus_verilog(self) -> str:
        """The text of registers and queues, as the manifest vouches for it.

        Raises
        ------
        UserError
            If there are none, or the file is another.
        """
        top, entry = self.front.top, self.manifest["bus"]
        if entry["top"] != top:
            raise UserError(
                f"{self.path / MANIFEST_FILE}: bus.top must be {top!r}, as configuration says, not "
                f"{shortened(repr(entry['top']))}; generate again"
            )
        file = inside(self.path, entry["file"])
        data = read_bytes(file, "Verilog")
        found = hashlib.sha256(data).hexdigest()
        if found != entry["sha256"]:
            raise UserError(
                f"{file}: its SHA-256 must be the bus.sha256 of {MANIFEST_FILE}, "
                f"{shortened(entry['sha256'])}, not {found[:12]}...; it was edited or cut short: "
                "generate again"
            )
        return data.decode("ascii")

    def with_loaded(self, network: Network) -> GeneratedDirectory:
        """The accelerator with another network in its memories.

        Raises
        ------
        UserError
            If it does not fit.
        """
        found = replace(self, loaded=network)
        _ = found.parameters
        return found

    @property
    def network(self) -> Network:
        """The network that the reference runs: what was loaded, or what was generated."""
        return self.generated if self.loaded is None else self.loaded

    @cached_property
    def generated(self) -> Network:
        """The network in the folder, checked to be the one that was generated."""
        entry = self.manifest["network"]
        network = Network.load(inside(self.path, entry["file"]))
        if network.digest != entry["digest"]:
            raise UserError(
                f"{self.path / entry['file']}: must be the network of the manifest (digest "
                f"{entry['digest'][:12]}...), not {network.digest[:12]}...; generate again"
            )
        return network

    @cached_property
    def parameters(self) -> AcceleratorParameters:
        """Network and configuration, for the cost model, and what the memories hold."""
        return self._hardware if self.loaded is None else fitted(self._hardware, self.loaded)

    @cached_property
    def _hardware(self) -> AcceleratorParameters:
        found = self.manifest["configuration"]
        configuration = Configuration(
            tuple(found["lanes"]), found["pixels_per_beat"], found["early_exit"],
            name=found.get("name", ""), weights=found.get("weights", ROM.kind),
            membrane_width=tuple(found["membrane_width"]) if self.loads else None,
            spram=found.get("spram", 0), architecture=found.get("architecture", STREAMING),
            bus=self.bus, **self._memory_configuration(),
        )  # fmt: skip
        parameters = AcceleratorParameters(self.generated, configuration)
        # The Verilog names its own configuration, and its checksum vouches for that line.
        if f"\n// {parameters.summary}\n" not in self.verilog:
            raise UserError(
                f"{self.path / MANIFEST_FILE}: configuration must be the one of the Verilog, not "
                f"{parameters.summary}; generate again"
            )
        if self.top != parameters.top:
            raise UserError(
                f"{self.path / MANIFEST_FILE}: top must be {parameters.top!r}, as configuration "
                f"says, not {self.top!r}; generate again"
            )
        if self.external:
            self._check_external_memory(parameters)
        if self.loads:
            told, right = self.manifest["memories"]["shape_digest"], shape_digest(parameters)
            if told != right:
                raise UserError(
                    f"{self.path / MANIFEST_FILE}: memories.shape_digest must be {right}, not "
                    f"{shortened(repr(told))}; generate again"
                )
        return parameters

    def _check_external_memory(self, parameters: AcceleratorParameters) -> None:
        """Refuse if the manifest says anything else of the memory than the plan of its tiles."""
        told, right = self.manifest["external_memory"], external_json(parameters)
        if found := difference("external_memory", told, right):
            name, one, other = (shortened(text) for text in found)
            raise UserError(
                f"{self.path / MANIFEST_FILE}: {name} must be {other}, not {one}; generate again"
            )

    def _memory_configuration(self) -> dict[str, Any]:
        """What was chosen of an external memory; nothing if there is none."""
        if not self.external:
            return {}
        names = ("memory_width", "weight_buffer", "base_address", "potential_memory")
        found = self.manifest["configuration"]
        told = {name: found[name] for name in names}
        return told | {
            name: found.get(name, getattr(EXTERNAL, name)) for name in ("base_port", "batch")
        }


def difference(name: str, told: object, right: object) -> tuple[str, str, str] | None:
    """The first place where values of JSON differ: its name, what is told there, what is right.
    What is told beside that is not looked at."""
    if told == right:
        return None
    if isinstance(right, dict) and isinstance(told, dict):
        places = ((f"{name}.{key}", told.get(key), value) for key, value in right.items())
        return next((found for place in places if (found := difference(*place))), None)
    if isinstance(right, list) and isinstance(told, list) and len(told) == len(right):
        entries = enumerate(zip(told, right, strict=True))
        places = ((f"{name}[{number}]", *pair) for number, pair in entries)
        return next((found for place in places if (found := difference(*place))), None)
    return name, repr(told), repr(right)


def inside(folder: Path, name: str, named_by: str = MANIFEST_FILE) -> Path:
    """A file of the folder; a name from a file that nobody should trust must not lead out of it.

    Parameters
    ----------
    named_by : str
        The file of the folder that has the name.

    Raises
    ------
    UserError
    """
    file = folder / name
    plain = name not in ("", "..") and Path(name).name == name and "\\" not in name
    if not (plain and name.isprintable() and len(name) <= 255):  # as long as a name may be
        raise UserError(
            f"{folder / named_by}: must name a file beside it, not {shortened(repr(name))}"
        )
    try:
        leads_out, there = file.resolve().parent != folder.resolve(), file.is_file()
    except (OSError, RuntimeError):  # links in a circle
        leads_out, there = False, False
    if leads_out:
        raise UserError(
            f"{file}: must lie in the folder itself, and is a link that leads out of it"
        )
    if not there:
        raise UserError(f"{file}: no such file, though {named_by} names it; make the folder again")
    return file
