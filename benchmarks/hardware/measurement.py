"""Measures one configuration: generate, co-simulate twice, build, and keep what is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sstdp_sim
from sstdp_hw import contract
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import read_json, sha256, write_json
from sstdp_hw.base.progress import progress
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.data.datasets import Samples
from sstdp_hw.network.network import Network
from sstdp_rtl import BuildResult, implement
from sstdp_rtl.generator.generate import generate
from sstdp_sim.comparison.cosimulation import cosimulate
from sstdp_sim.simulation.packets import Traffic

from .configurations import Entry

SEEDS = (1, 2, 3)
# The second run measures latency: every image alone in the chain.
RUNS = {"back_to_back": Traffic(), "isolated": Traffic(isolated=True)}

Figures = dict[str, Any]


def measure(entry: Entry, samples: Samples, out: Path, seeds: tuple[int, ...] = SEEDS) -> Figures:
    """All figures of an entry, see `figures`.

    A simulation is kept in ``out`` with the hashes of all that went in, a build in the cache of
    `implement`; what is there already with the same inputs is not done again.

    Raises
    ------
    UserError
        If network, configuration and device do not fit, or a tool fails.
    """
    folder = out / entry.name
    generate(Network.load(entry.network), entry.hardware, folder / "accelerator")
    directory = GeneratedDirectory.load(folder / "accelerator")
    simulated = {
        run: _simulated(directory, samples, run, traffic, folder / f"{run}.json")
        for run, traffic in RUNS.items()
    }
    built = implement(
        directory.path, device=entry.device, speed=entry.speed, clock_mhz=entry.clock_mhz,
        seeds=seeds,
    )  # fmt: skip
    return figures(entry, simulated, built)


def _simulation_code() -> str:
    """Hash of the sources that decide what a simulation finds."""
    packages = [Path(package.__file__).parent for package in (sstdp_sim, contract)]
    files = (
        path
        for package in packages
        for path in sorted(package.rglob("*"))
        if path.suffix in (".py", ".v")  # templates too
    )
    return sha256(*(path.read_bytes() for path in files))


def _simulated(
    directory: GeneratedDirectory, samples: Samples, run: str, traffic: Traffic, record: Path
) -> Figures:
    """Result of one co-simulation in one process, as `Report.result`."""
    made_of = {
        "verilog": directory.manifest["verilog_sha256"],
        "network": directory.network.digest,
        "samples": samples.digest,
        "code": _simulation_code(),
    }
    if record.is_file():
        kept = read_json(record, "record")
        if kept.get("made_of") == made_of:
            return dict(kept["result"])
    title = f"{record.parent.name}: {len(samples)} images {run.replace('_', ' ')}"
    with progress(title, len(samples)) as advance:
        report = cosimulate(
            directory, samples.images, samples.labels, traffic=traffic, progress=advance
        )
    write_json(record, {"made_of": made_of, "result": report.result})
    return report.result


def figures(entry: Entry, simulated: dict[str, Figures], built: BuildResult) -> Figures:
    """What the table shows, per image of the test set at the clock of the slowest seed.

    Keys: ``accuracy``, ``images``, ``mismatches`` (both runs), ``cycles`` and ``latency_cycles``
    (``mean``, ``min``, ``max``; latency of an image alone, from its first beat to its answer),
    ``queued_latency_cycles`` (the same back to back), ``efficiency``, ``lut``, ``ff``, ``bram``,
    ``fmax_mhz``, ``fmax_of_seeds``, ``us_per_image``, ``latency_us`` (mean), ``latency_us_max``,
    ``images_per_second``, ``simulated_per_second`` (of processor time, so that other work on the
    machine does not count), ``simulated_per_second_of_wall_clock``, ``compile_seconds``.

    Raises
    ------
    UserError
        If an image got no answer, so that there is nothing to tell.
    """
    steady, alone = simulated["back_to_back"], simulated["isolated"]
    cycles, latency = steady["cycles_per_image"], alone["latency_cycles"]
    if steady["efficiency"] is None or latency is None:
        raise UserError(f"{entry.name}: every image must be answered; {steady['first_mismatch']}")
    clock = built.fmax_mhz
    return {
        "accuracy": steady["hardware_accuracy"],
        "images": steady["images"],
        "mismatches": steady["mismatches"] + alone["mismatches"],
        "protocol_findings": steady["protocol_findings"] + alone["protocol_findings"],
        "cycles": cycles,
        "latency_cycles": latency,
        "queued_latency_cycles": steady["latency_cycles"],
        "efficiency": steady["efficiency"],
        "lut": built.lut,
        "ff": built.ff,
        "bram": built.bram,
        "fmax_mhz": clock,
        "fmax_of_seeds": {str(seed.seed): seed.fmax_mhz for seed in built.seeds},
        "us_per_image": cycles["mean"] / clock,
        "latency_us": latency["mean"] / clock,
        "latency_us_max": latency["max"] / clock,
        "images_per_second": 1e6 * clock / cycles["mean"],
        "simulated_per_second": steady["images_per_processor_second"],
        "simulated_per_second_of_wall_clock": steady["images_per_second"],
        "compile_seconds": steady["seconds"]["compile"],
        "tools": {**steady["tools"], **built.tools},
    }
