"""Runs a build plan: cache, synthesis, place and route, pack; leaves whole results or nothing."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from sstdp_hw.base import locks
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import folder_written_whole, read_json, write_json, written_whole
from sstdp_hw.base.fpga_tools import Tool, ToolFailed, find_tool, run_tool
from sstdp_hw.base.progress import progress, say
from sstdp_hw.contract.file_names import BUILD_FOLDER, UTILISATION_FILE
from sstdp_hw.engine.local import Local
from sstdp_hw.engine.work import Engine
from sstdp_hw.report.run_report import MISSED

from .cache import Cache, default_cache
from .family import CELLS, NETLIST, Packing, PlaceAndRoute
from .netlist import SYNTHESIS_LOG, make_netlist
from .placing import Placed, Placing, names, placing_work
from .plan import BuildPlan
from .report import (
    BadReport,
    PlacedReport,
    mapped_resources,
    overfull,
    read_memories,
    read_placed_report,
)
from .result import BuildResult, SeedResult


def run_plan(
    plan: BuildPlan, *, force: bool = False, cache: Path | None = None, engine: Engine | None = None
) -> BuildResult:
    """Build, or find in the cache, and write the result to ``DIR/build/<target>/``; if the clock is
    missed and a bitstream of this design lies there, beside it.

    Parameters
    ----------
    force : bool
        Build even if the cache has the result.
    cache : Path, optional
        Folder of the cache; `default_cache` if not given.
    engine : Engine, optional
        Who places and routes; by default this machine, one seed after the other.

    Raises
    ------
    UserError
        If a tool is missing or fails, the design does not fit, or the folder is in use or was
        changed meanwhile.
    """
    output = plan.accelerator.path / BUILD_FOLDER / plan.target
    with locks.reading(plan.accelerator.path), locks.output(output):
        return _build(plan, output, force, Cache(cache or default_cache()), engine or Local(1))


def _build(plan: BuildPlan, output: Path, force: bool, store: Cache, engine: Engine) -> BuildResult:
    tools = {name: find_tool(name) for name in plan.tools}
    key = plan.key(list(tools.values()))
    if not force and (entry := store.find(key)):
        result = _load(entry)
        if result is not None:
            say(f"{plan.target}: nothing changed since it was built, taken from the cache.")
            return _publish(plan, replace(result, cached=True), entry, output)
    with tempfile.TemporaryDirectory(prefix="sstdp-build-") as name:
        work, products = Path(name, "work"), Path(name, "products")
        work.mkdir()
        products.mkdir()
        try:
            result = _Run(plan, tools, work, products, engine).build(key)
        except ToolFailed as failure:
            raise _explain(plan, failure, output) from None
        except BadReport as error:
            raise UserError(f"{plan.target}: {error}; is the tool another version?") from None
        write_json(products / UTILISATION_FILE, result.to_json())
        store.store(key, products)
        return _publish(plan, result, products, output)


def _load(entry: Path) -> BuildResult | None:
    try:
        return BuildResult.from_json(read_json(entry / UTILISATION_FILE, "result"))
    except (UserError, KeyError, TypeError, ValueError, AttributeError) as error:
        say(f"The cache entry {entry} cannot be read ({error}); building again.")
        return None


def _publish(plan: BuildPlan, result: BuildResult, files: Path, output: Path) -> BuildResult:
    """Put the files of a result into its folder, all or nothing."""
    if plan.pack and not result.bitstream and _holds_bitstream(output, plan):
        say(f"{output}: keeps the bitstream of an earlier build, which reached its clock.")
        output = output.with_name(output.name + MISSED)
    plan.accelerator.refuse_changed()
    result = replace(result, folder=str(output))
    with folder_written_whole(output, marker=UTILISATION_FILE) as temporary:
        for name in _files_of(result, files):
            shutil.copyfile(files / name, temporary / name)
        write_json(temporary / UTILISATION_FILE, result.to_json())
    return result


def _holds_bitstream(output: Path, plan: BuildPlan) -> bool:
    """Whether there is a bitstream of the same design."""
    verilog = plan.accelerator.identity["verilog_sha256"]
    try:
        earlier = BuildResult.from_json(read_json(output / UTILISATION_FILE, "result"))
        return (
            earlier.design.get("verilog_sha256") == verilog
            and earlier.bitstream is not None
            and (output / str(earlier.bitstream["file"])).is_file()
        )
    except (UserError, KeyError, TypeError, ValueError, AttributeError):
        return False  # no result, or one of another version


def _files_of(result: BuildResult, files: Path) -> list[str]:
    logs = [path.name for path in files.iterdir() if path.suffix in (".log", ".rpt")]
    return sorted(logs) + ([result.bitstream["file"]] if result.bitstream else [])


def _explain(plan: BuildPlan, failure: ToolFailed, output: Path) -> UserError:
    """One line for a tool's failure; its log is kept beside where the result would have been."""
    family = plan.device.family
    placing = family.place is not None and failure.tool.name == family.place.tool
    full = overfull(failure.text, family) if placing else []
    if full:
        return UserError(
            f"{plan.accelerator.name} does not fit {plan.target}: {'; '.join(full)}; "
            "take a larger device or fewer lanes"
        )
    log = output.with_name(f"{output.name}.{failure.tool.name}.failed.log")
    with written_whole(log) as temporary:
        temporary.write_text(failure.text, encoding="utf-8")
    return UserError(f"{plan.accelerator.name} for {plan.target}: {failure} (its log: {log})")


@dataclass(frozen=True)
class _Placed:
    """What place and route gives to a result; as it is here, nothing was placed."""

    used: dict[str, int] = field(default_factory=dict)
    available: dict[str, int] = field(default_factory=dict)
    fmax_mhz: float | None = None
    fmax_best_mhz: float | None = None
    timing_met: bool | None = None
    seeds: tuple[SeedResult, ...] = ()
    bitstream: dict[str, object] | None = None
    pack_seconds: float = 0.0


@dataclass
class _Run:
    """One run of the tools; ``products`` receives the files worth keeping."""

    plan: BuildPlan
    tools: dict[str, Tool]
    work: Path
    products: Path
    engine: Engine

    def build(self, key: str) -> BuildResult:
        start = time.monotonic()
        plan, family = self.plan, self.plan.device.family
        steps = 1 + len(plan.seeds) + plan.pack
        with progress(f"Building {plan.accelerator.name} for {plan.target}", steps) as advance:
            synthesis = make_netlist(plan, self.tools["yosys"], self.work)
            shutil.copyfile(self.work / SYNTHESIS_LOG, self.products / SYNTHESIS_LOG)
            advance(1)
            used = mapped_resources(self.work / CELLS, family)
            log = (self.work / SYNTHESIS_LOG).read_text(encoding="utf-8", errors="replace")
            placed = _Placed()
            if family.place is not None:
                placed = self.place_and_pack(family.place, advance)
        seconds = {
            "synthesis": synthesis,
            "place_and_route": sum(seed.seconds for seed in placed.seeds),
            "pack": placed.pack_seconds,
            "total": time.monotonic() - start,
        }
        return BuildResult(
            kind=plan.kind,
            target=plan.target,
            design=plan.accelerator.identity | ({"bus": plan.bus} if plan.bus else {}),
            part=plan.device.part,
            package=plan.device.package,
            speed=plan.device.speed,
            family=family.name,
            **{**used, **placed.used},
            available=placed.available,
            memories=read_memories(log, family),
            clock_mhz=plan.clock_mhz,
            fmax_mhz=placed.fmax_mhz,
            fmax_best_mhz=placed.fmax_best_mhz,
            timing_met=placed.timing_met,
            untimed="" if family.place is None else family.place.untimed,
            seeds=placed.seeds,
            bitstream=placed.bitstream,
            board=plan.board,
            tools={name: tool.version for name, tool in self.tools.items()},
            seconds={name: round(value, 2) for name, value in seconds.items()},
            cache_key=key,
        )

    def place_and_pack(self, place: PlaceAndRoute, advance: Callable[[int], None]) -> _Placed:
        """Place and route with every seed, and a bitstream of the fastest if one is wanted."""
        plan, packing = self.plan, self.plan.packing
        assert plan.clock_mhz is not None
        reports: list[PlacedReport] = []
        seeds: list[SeedResult] = []
        for seed, placed in zip(plan.seeds, self.placed(place, advance), strict=True):
            report, seed_result = self.place_and_route(place, seed, placed)
            reports.append(report)
            seeds.append(seed_result)
        ranked = sorted(seeds, key=lambda seed: seed.fmax_mhz)
        # The bare device is judged by its worst seed, a bitstream is made of the best.
        judged = ranked[-1] if packing else ranked[0]
        timing_met = judged.fmax_mhz >= plan.clock_mhz
        bitstream, pack_seconds = None, 0.0
        if packing and timing_met:
            bitstream, pack_seconds = self.pack(packing, judged.seed)
        advance(int(plan.pack))
        report = reports[seeds.index(judged)]
        return _Placed(
            used=report.used,
            available=report.available,
            fmax_mhz=judged.fmax_mhz,
            fmax_best_mhz=ranked[-1].fmax_mhz,
            timing_met=timing_met,
            seeds=tuple(seeds),
            bitstream=bitstream,
            pack_seconds=pack_seconds,
        )

    def placed(self, place: PlaceAndRoute, advance: Callable[[int], None]) -> list[Placed]:
        """What came of every seed."""
        plan, packing = self.plan, self.plan.packing
        arguments = (
            *(*plan.device.options, "--json", NETLIST),
            # Missed timing is a figure of the result, not a failure of the tool.
            *("--freq", f"{plan.clock_mhz:g}", "--timing-allow-fail"),
            *plan.place_arguments,
        )
        remote = self.engine.remote
        sent = (NETLIST, *plan.files) if remote else ()
        placing = Placing(
            place.tool, arguments, packing.output if packing else None,
            None if remote else self.work, {name: (self.work / name).read_bytes() for name in sent},
        )  # fmt: skip
        with self.engine.session(placing_work(place.tool), placing) as session:
            return session.map(list(plan.seeds), done=lambda *_: advance(1))

    def place_and_route(
        self, place: PlaceAndRoute, seed: int, placed: Placed
    ) -> tuple[PlacedReport, SeedResult]:
        if placed.failed is not None:
            raise ToolFailed(self.tools[place.tool], *placed.failed)
        for name, data in placed.files.items():
            (self.work / name).write_bytes(data)
        log, report_name, _ = names(seed)
        for name in (log, report_name):
            shutil.copyfile(self.work / name, self.products / name)
        report = read_placed_report(self.work / report_name, self.plan.device.family)
        clock = report.clock_of(self.plan.clock_mhz)
        seconds = round(placed.seconds, 2)
        result = SeedResult(seed, round(clock.fmax_mhz, 2), seconds, clock.critical_path)
        return report, result

    def pack(self, packing: Packing, seed: int) -> tuple[dict[str, object], float]:
        log, target = f"{packing.packer}.log", packing.bitstream
        arguments = packing.arguments(self.plan.device, names(seed)[2], target)
        seconds = run_tool(self.tools[packing.packer], arguments, self.work, log=log, writes=target)
        for name in (log, target):
            shutil.copyfile(self.work / name, self.products / name)
        data = (self.work / target).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        return {"file": target, "bytes": len(data), "sha256": digest, "seed": seed}, seconds
