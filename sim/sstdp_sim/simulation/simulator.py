"""Compiles the accelerator with its harness once and runs shards of packets through it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from find_libpython import find_libpython

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import write_json, written_whole
from sstdp_hw.blocks.hardware import TOP, AcceleratorParameters
from sstdp_hw.contract.file_names import VERILOG_FILE
from sstdp_hw.contract.memory_image import memory_image
from sstdp_hw.network.layers import Array

from .activity import FLAGS, TRACED, Activity, check_activity, keep_activity
from .compiled_cache import CompiledCache
from .coverage import Coverage
from .environment import temporary_folder
from .harness import (
    ANSWERS_FILE,
    HARNESS_TOP,
    PACKETS_FILE,
    PERIOD_NS,
    RESET,
    SPIKES_FILE,
    START,
    harness_verilog,
)
from .loading_harness import LOADS_FILE
from .loads import Load, Loads, Patch, what_happened
from .memory_harness import MEMORY_FILE, External
from .packets import Answers, Packets, Part, Traffic
from .runner import VERILATOR_OPTIONS, failure_told, run_job, runner_of
from .spikes import read_spikes

SIMULATORS = ("verilator", "icarus")
WAVES = {"verilator": ".vcd", "icarus": ".fst"}  # what each writes, by suffix
QUIET_CYCLES = 64
NO_SPIKES = np.zeros((0, 4), np.int64)


def check_simulator(name: str) -> None:
    """Refuse a simulator that there is no flow for, or that is not installed."""
    if name not in SIMULATORS:
        raise UserError(f"Simulator must be {' or '.join(SIMULATORS)}, not {name!r}")
    if name == "icarus" and shutil.which("iverilog") is None:
        raise UserError(
            "Simulator icarus: iverilog is not installed; install it or use --simulator verilator"
        )
    if given := os.environ.get("LIBPYTHON_LOC"):
        if not Path(given).is_file():
            raise UserError(f"LIBPYTHON_LOC must name Python's shared library, not {given!r}")
    elif find_libpython() is None:
        raise UserError(
            f"Simulator {name}: Python's shared library is needed to run inside a simulator and "
            "was not found; install the package libpython3-dev (Debian, Ubuntu)"
        )


def check_waves(simulator: str, waves: Path) -> None:
    """Refuse a waveform file of a format that the simulator does not write."""
    if not waves.name or waves.is_dir():
        raise UserError(f"{waves}: must be a file name, not a folder")
    if waves.suffix != WAVES[simulator]:
        other = next((name for name, suffix in WAVES.items() if suffix == waves.suffix), None)
        advice = f", or take --simulator {other}" if other else ""
        raise UserError(
            f"{waves}: a waveform of {simulator} must be {WAVES[simulator]}, not "
            f"{waves.suffix or 'without a suffix'}; name it "
            f"{waves.with_suffix(WAVES[simulator])}{advice}"
        )


def design_of(
    verilog: str, parameters: AcceleratorParameters, *, images: int = 1, **options: Any
) -> dict[str, Any]:
    """The arguments of `Simulation` for `Simulation.of`; they can be sent to another machine."""
    if parameters.store.loaded and options.get("memories") is None:
        options["memories"] = memory_image(parameters)
    if parameters.store.external and options.get("external") is None:
        options["external"] = External.of(parameters)
    return {
        "verilog": verilog, "beat_bytes": parameters.input.data_width // 8,
        "max_beats": images * parameters.beats, "top": parameters.top, **options,
    }  # fmt: skip


def tools_of(simulator: str) -> dict[str, str]:
    """Versions of what a result rests on."""
    names = {"cocotb": version("cocotb")}
    if simulator == "verilator":
        names["verilator"] = version("verilator")
    else:
        told = subprocess.run(["iverilog", "-V"], capture_output=True, text=True, check=False)
        names["icarus"] = told.stdout.partition("\n")[0].strip()
    return names


class Simulation:
    """A compiled simulation; use as a context manager, the temporary files go with it.

    Parameters
    ----------
    verilog : str
        Text of the accelerator.
    beat_bytes, max_beats : int
        Bytes of a beat, and beats of a packet at most.
    top : str
        Its module.
    simulator : str
        One of `SIMULATORS`.
    waves : path, optional
        Where to write a waveform, .vcd from Verilator and .fst from Icarus; allowed for one shard
        only.
    activity : path, optional
        Where to write switching activity, .saif; Verilator only, for one shard, without a waveform.
        What it tells is `traced` then.
    probes : sequence of dict
        Probes of the manifest to watch.
    coverage : Coverage, optional
        Gets what every run covers; Verilator only.
    memories : uint32 array, optional
        Where weights are loaded: the image of the memories that every run begins with, unless it is
        given others.
    external : External, optional
        Where weights stand in an external memory: that memory.

    Raises
    ------
    UserError
        If the simulator is missing or rejects the Verilog, or does not write such a waveform.
    """

    def __init__(
        self,
        verilog: str,
        *,
        beat_bytes: int,
        max_beats: int,
        top: str = TOP,
        simulator: str = "verilator",
        waves: Path | None = None,
        activity: Path | None = None,
        probes: Sequence[dict[str, Any]] = (),
        coverage: Coverage | None = None,
        memories: Array | None = None,
        external: External | None = None,
    ) -> None:
        check_simulator(simulator)
        if waves is not None:
            check_waves(simulator, waves)
        if activity is not None:
            check_activity(simulator, activity, waves)
        self.simulator, self.waves, self.coverage = simulator, waves, coverage
        self.activity = activity
        self.traced: Activity | None = None
        self.probes = list(probes)
        self._folder = temporary_folder()
        self.folder = Path(self._folder.name)
        self.max_beats, self.beat_bytes = max_beats, beat_bytes
        self.memories, self.external = memories, external
        harness = harness_verilog(
            max_beats, beat_bytes, self.probes, top, loaded=memories is not None,
            memory_width=external.width if external else 0,
            memory_base=external.base if external else None,
        )  # fmt: skip
        self._sources = []
        sources = {VERILOG_FILE: verilog, "harness.v": harness}
        if external is not None:
            sources["memory.v"] = external.verilog
        if activity is not None:
            sources = {"traced.vlt": TRACED, **sources}
        for name, text in sources.items():
            self._sources.append(self.folder / name)
            self._sources[-1].write_text(text, encoding="utf-8")
        try:
            self._compile()
        except BaseException:
            self._folder.cleanup()
            raise

    @classmethod
    def of(
        cls, verilog: str, parameters: AcceleratorParameters, *, images: int = 1, **options: Any
    ) -> Simulation:
        """A simulation for packets as long as so many whole samples of the accelerator's
        network; memories are loaded, unless given, with what the parameters' network has."""
        return cls(**design_of(verilog, parameters, images=images, **options))

    def __enter__(self) -> Simulation:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._folder.cleanup()

    @property
    def traces(self) -> bool:
        """Whether Verilator is to trace anything."""
        return self.waves is not None or self.activity is not None

    def _compile(self) -> None:
        log = self.folder / "build.log"
        build = self.folder / "build"
        arguments: list[str] = []
        cache: CompiledCache | None = None
        if self.simulator == "verilator":
            arguments = [*VERILATOR_OPTIONS]
            if self.coverage is not None:
                arguments += [
                    "--coverage-line",
                    "--coverage-toggle",
                    "--coverage-max-width",
                    "4096",
                ]
            if self.activity is not None:
                arguments += FLAGS
            texts = [source.read_bytes() for source in self._sources]
            waves = ["trace"] if self.traces else []
            cache = CompiledCache(build, HARNESS_TOP, texts, arguments + waves)
        alone = contextlib.nullcontext() if cache is None else cache.alone()
        with failure_told(self.simulator, "compiling", log), alone:
            if cache is not None and cache.restore():
                return
            runner_of(self.simulator).build(
                sources=self._sources,
                hdl_toplevel=HARNESS_TOP,
                build_dir=build,
                build_args=arguments,
                always=True,
                waves=self.traces,
                log_file=log,
            )
            if cache is not None:
                cache.keep()

    def run(self, packets: Packets, **options: Any) -> Answers:
        """Play packets in one simulator process and collect the answers; options as of `play`."""
        return self.play(packets, **options)[0]

    def play(
        self,
        packets: Packets,
        *,
        mutants: Sequence[int] = (0,),
        parts: Sequence[Part] = (),
        answers: int | None = None,
        loads: Loads | None = None,
        patches: Mapping[int, Patch] | None = None,
        traffic: Traffic = Traffic(),  # noqa: B008 - frozen
        timeout_cycles: int,
        progress: Callable[[int], None] | None = None,
    ) -> list[Answers]:
        """Play packets once per mutant, or in parts, in one simulator process, with a reset in
        between.

        Parameters
        ----------
        mutants : sequence of int
            Which fault of the Verilog is at work (`mutants.instrument`); 0 is none.
        parts : sequence of Part, optional
            What is played of the packets, one part after the other; without probes.
        answers : int, optional
            How many to wait for; by default one per packet.
        loads : Loads, optional
            What the memories are loaded with, and when; by default ``memories``, once.
        patches : mapping of int to Patch, optional
            By mutant, what is flipped in every image of the memories.
        timeout_cycles : int
            Longest wait for one answer. When it passes, what came so far is returned.
        progress : callable, optional
            Called with the number of answers since the last call.

        Raises
        ------
        UserError
            If the simulator process fails.
        """
        shard = Path(tempfile.mkdtemp(prefix="shard-", dir=self.folder))
        assert packets.data.shape[1] == self.max_beats * self.beat_bytes, "of this harness"
        (shard / PACKETS_FILE).write_bytes(packets.to_bytes())
        wanted = len(packets) if answers is None else answers
        settings = {
            "packets": len(packets),
            "wanted": wanted,
            "timeout_cycles": timeout_cycles,
            "quiet_cycles": QUIET_CYCLES,
            "isolated": int(traffic.isolated),
            "gap_chance": traffic.gap_chance,
            "stall_chance": traffic.stall_chance,
            "stall_cycles": traffic.stall_cycles,
            "random_seed": traffic.seed,
        }
        if self.external is not None:
            (shard / MEMORY_FILE).write_text(self.external.contents, encoding="ascii")
            settings |= {
                "memory_latency": traffic.memory_latency,
                "memory_stalls": traffic.memory_stalls,
                "memory_faults": traffic.memory_faults,
            }
        runs = [{"mutant": mutant} for mutant in mutants]
        if parts:
            assert not self.probes, "spikes of one part are not told from those of the next"
            runs = [part.settings() for part in parts]
        if loads is None:
            loads = Loads([] if self.memories is None else [Load(self.memories)])
        if self.memories is not None:
            (shard / LOADS_FILE).write_bytes(loads.to_bytes())
            settings |= {"loads": loads.records, "waits": int(loads.waits)}
            runs = [
                run | (patches or {}).get(run.get("mutant", 0), Patch()).settings() for run in runs
            ]
        job = {
            "settings": settings | {"mutant": 0, "first": 0}, "runs": runs, "period_ns": PERIOD_NS,
        }  # fmt: skip
        write_json(shard / "job.json", job)
        answer = shard / "answer.json"
        done = threading.Event()
        reporter = threading.Thread(target=_report, args=(answer, progress, done), daemon=True)
        reporter.start()
        try:
            with failure_told(self.simulator, "the run", shard / "run.log"):
                ended = run_job(
                    self.simulator, "sstdp_sim.simulation.testbench", HARNESS_TOP,
                    self.folder / "build", shard, waves=self.traces,
                )["runs"]  # fmt: skip
                table = np.fromfile(shard / ANSWERS_FILE, np.int64, sep=" ").reshape(-1, 3)
                spikes = read_spikes(shard / SPIKES_FILE, self.probes) if self.probes else NO_SPIKES
        finally:
            done.set()
            reporter.join()
        if self.waves is not None:
            self._keep_waves(shard)
        if self.activity is not None:
            self.traced = keep_activity(self._trace(shard, self.activity.suffix), self.activity)
        if self.coverage is not None:
            self.coverage.add(shard / "coverage.dat")
        shutil.rmtree(shard, ignore_errors=True)
        starts = np.flatnonzero(table[:, 0] == START)
        tables = np.split(table, starts)[1:]
        return [
            _answers(table, run.get("wanted", wanted), found, spikes, loads)
            for table, run, found in zip(tables, runs, ended, strict=True)
        ]

    def _keep_waves(self, shard: Path) -> None:
        assert self.waves is not None, "checked by the caller"
        with written_whole(self.waves) as temporary:
            shutil.move(self._trace(shard, self.waves.suffix), temporary)

    def _trace(self, shard: Path, suffix: str) -> Path:
        """The file that the simulator traced to."""
        for folder in (shard, self.folder / "build"):
            for found in folder.glob(f"**/*{suffix}"):
                return found
        raise UserError(f"Simulator {self.simulator}: no {suffix} file was written")


def _report(answer: Path, progress: Callable[[int], None] | None, done: threading.Event) -> None:
    """Pass on what the simulator process writes about its progress."""
    reported = 0
    while progress is not None and not done.wait(0.5):
        with contextlib.suppress(OSError, ValueError):
            now = int(Path(f"{answer}.progress").read_text())
            progress(now - reported)
            reported = now


def _answers(
    table: Array, wanted: int, found: dict[str, Any], spikes: Array, loads: Loads
) -> Answers:
    """Answers of one run from what the harness wrote down."""
    effect, refused, table = what_happened(table[1:], loads)
    resets = np.flatnonzero(table[:, 0] == RESET)
    before = resets - np.arange(len(resets)), table[resets, 1]
    table = np.delete(table, resets, axis=0)[:wanted]
    return Answers(
        words=table[:, 0],
        cycles=table[:, 2],
        first_beats=table[:, 1],
        extra=found["answered"] > wanted,
        violated=found["violated"],
        spikes=spikes,
        resets=np.stack(before, axis=1),
        loads=effect,
        refused=refused,
    )
