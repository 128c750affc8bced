"""Builds the points of a front, several at once. What the build cache has is not built again, so an
exploration that was cut off goes on where it was."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from sstdp_hw.base import locks
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.fpga_tools import distribution_of
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.blocks.weight_store import ROM, STORES
from sstdp_hw.contract.file_names import BUILD_FOLDER
from sstdp_hw.engine.local import Local
from sstdp_hw.engine.work import Advance, Engine, Work
from sstdp_hw.models.exploration import EstimatedPoint
from sstdp_hw.network.network import Network

from ..generator.generate import generate
from ..synthesis.cache import INDEX, Cache, default_cache
from ..synthesis.implement import cached, implement
from ..synthesis.targets import find_device


@dataclass(frozen=True)
class Built:
    """What place and route found for a point; ``error`` in words if it did not get there."""

    lut: int = 0
    ff: int = 0
    bram: int = 0
    fmax_mhz: float = 0.0
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON-serializable dictionary."""
        return {"error": self.error} if self.error else {**vars(self)}


def build_points(
    network: Network,
    points: list[EstimatedPoint],
    out: Path,
    *,
    device: str,
    jobs: int,
    cache: Path | None = None,
    done: Callable[[int], None] | None = None,
    engine: Engine | None = None,
) -> list[Built]:
    """Generate each point into a folder of its own below ``out``, and build it.

    A point that fails, because it does not fit the device for example, spoils no other. All points
    are of ``network`` as it is here, whatever becomes of its file.

    A cluster fills the build cache here, from which everything is then written as if it had been
    built here.

    Raises
    ------
    UserError
        If another process works with ``out``.
    """
    chosen = [point.configuration for point in points]
    shared = network, out, device, cache
    built: dict[int, Built] = {}
    remote = engine is not None and engine.remote
    # Processes, since elaboration computes; quiet ones: builds report their own progress.
    with locks.writing(out):
        if engine is not None and remote:
            with Local(jobs).session(_GENERATING, shared) as session:
                known = session.map(chosen)
            built = fetch_points(network, chosen, known, device, cache, engine, done)
        left = [number for number in range(len(chosen)) if number not in built]
        with Local(jobs).session(_HERE, shared) as session:
            # Behind a cluster accelerators are there, and progress was told.
            items = [(chosen[number], remote) for number in left]
            made = session.map(items, advance=None if remote else done)
    built |= dict(zip(left, made, strict=True))
    return [built[number] for number in range(len(chosen))]


def folder_name(configuration: Configuration) -> str:
    """Folder of a point: "lanes-16-10-pixels-2"."""
    lanes = "-".join(map(str, configuration.lanes or ()))
    suffix = "" if configuration.early_exit else "-no-early-exit"
    if configuration.weights != ROM.kind:
        suffix += f"-{configuration.weights}"
    if configuration.sequential:
        suffix += f"-{configuration.architecture}"
    if STORES[configuration.weights].external:
        sizes = (
            configuration.memory_width, configuration.weight_buffer, configuration.potential_memory,
        )  # fmt: skip
        suffix += f"-{'-'.join(map(str, sizes))}"
        if configuration.batch > 1:
            suffix += f"-batch-{configuration.batch}"
    return f"lanes-{lanes}-pixels-{configuration.pixels_per_beat}{suffix}"


#: Network, folder of all points, device, folder of the build cache.
Shared = tuple[Network, Path, str, Path | None]


def _generate(shared: Shared, configuration: Configuration, _advance: Advance) -> Built | bool:
    """Whether the cache has what `generate` writes; or why it writes nothing."""
    network, out, device, cache = shared
    try:
        folder = out / folder_name(configuration)
        generate(network, configuration, folder)
        return cached(folder, device=device, cache=cache)
    except UserError as error:
        return Built(error=str(error))


_GENERATING = Work(nullcontext, _generate, programs=False, unit="accelerator")


def _build(shared: Shared, item: tuple[Configuration, bool], _advance: Advance) -> Built:
    """Of a configuration, and whether its accelerator is there already."""
    network, out, device, cache = shared
    configuration, there = item
    try:
        folder = out / folder_name(configuration)
        if not there:
            generate(network, configuration, folder)
        result = implement(folder, device=device, cache=cache)
    except UserError as error:
        return Built(error=str(error))
    except KeyboardInterrupt:  # all is cleared away; the pool would begin with the next point
        os._exit(130)
    return Built(result.lut, result.ff, result.bram, result.fmax_mhz)


_HERE = Work(nullcontext, _build, programs=False, unit="build")


@dataclass(frozen=True)
class Entry:
    """An entry of the build cache on its way: its key and files; or why there is none."""

    key: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    error: str | None = None


def fetch_points(
    network: Network, chosen: list[Configuration], known: list[Built | bool], device: str,
    cache: Path | None, engine: Engine, done: Callable[[int], None] | None,
) -> dict[int, Built]:  # fmt: skip
    """Have a cluster build what the cache has not, as ``known``, and put it there as it comes; the
    points that cannot be built, by number."""
    store = Cache(cache or default_cache())
    built = {number: found for number, found in enumerate(known) if isinstance(found, Built)}
    missing = [number for number, found in enumerate(known) if found is False]
    if done:
        done(known.count(True))

    def keep(place: int, entry: Entry) -> None:
        if entry.error is not None:
            built[missing[place]] = Built(error=entry.error)
            return
        with tempfile.TemporaryDirectory(prefix="sstdp-build-") as name:
            for file, data in entry.files.items():
                Path(name, file).write_bytes(data)
            store.store(entry.key, Path(name))

    if not missing:
        return built
    family = find_device(device).family
    tools = ("yosys",) if family.place is None else ("yosys", family.place.tool)
    work = Work(nullcontext, _build_entry, ("amaranth", *map(distribution_of, tools)), unit="build")
    with engine.session(work, (network, device)) as session:
        session.map([chosen[number] for number in missing], advance=done, done=keep)
    return built


_elaborating = Lock()  # of the threads of a worker, one at a time


def _build_entry(
    shared: tuple[Network, str], configuration: Configuration, _advance: Advance
) -> Entry:
    """On a worker: build in a folder that goes again, and read what its own cache has then."""
    network, device = shared
    with tempfile.TemporaryDirectory(prefix="sstdp-build-") as name:
        folder = Path(name, "accelerator")
        try:
            with _elaborating:
                generate(network, configuration, folder)
            result = implement(folder, device=device)
        except UserError as error:
            text = str(error)
            if name in text:  # of a log that is there alone: it fails, with that log, and is told
                raise
            return Entry(error=text)
        files = folder / BUILD_FOLDER / result.target
        entry = Cache(default_cache()).find(result.cache_key)
        source = files if entry is None else entry
        found = {file.name: file.read_bytes() for file in source.iterdir()}
    return Entry(result.cache_key, {n: d for n, d in found.items() if n != INDEX})
