"""Compiles an accelerator with its registers once and plays jobs to it, each in a process."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sstdp_hw.base.files import write_json
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.file_names import BUS_FILE, VERILOG_FILE

from ..simulation.compiled_cache import CompiledCache
from ..simulation.environment import temporary_folder
from ..simulation.runner import VERILATOR_OPTIONS, failure_told, run_job, runner_of
from ..simulation.simulator import check_simulator

SIMULATOR = "verilator"


class BusSimulation:
    """A compiled simulation of a generated folder with a bus; use as a context manager.

    Parameters
    ----------
    directory : GeneratedDirectory
    texts : mapping of str to str, optional
        Text of a file of Verilog, by its name: in place of the folder's, for faults, or beside
        them, for a system around the accelerator.
    top : str, optional
        The module of that system; its ports are named like the accelerator's.

    Raises
    ------
    UserError
        If the folder has no bus, or Verilator is missing or rejects the Verilog.
    """

    def __init__(
        self,
        directory: GeneratedDirectory,
        texts: Mapping[str, str] | None = None,
        *,
        top: str | None = None,
    ) -> None:
        check_simulator(SIMULATOR)
        self.bus, self.top = directory.bus, top or directory.front.top
        verilog = {VERILOG_FILE: directory.verilog, BUS_FILE: directory.bus_verilog()}
        self._folder = temporary_folder()
        self.folder = Path(self._folder.name)
        try:
            self._compile(verilog | dict(texts or {}))
        except BaseException:
            self._folder.cleanup()
            raise

    def __enter__(self) -> BusSimulation:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._folder.cleanup()

    def _compile(self, texts: Mapping[str, str]) -> None:
        sources = [self.folder / name for name in texts]
        for source, text in zip(sources, texts.values(), strict=True):
            source.write_text(text, encoding="utf-8")
        build, log = self.folder / "build", self.folder / "build.log"
        data = [text.encode() for text in texts.values()]
        cache = CompiledCache(build, self.top, data, VERILATOR_OPTIONS)
        with failure_told(SIMULATOR, "compiling", log), cache.alone():
            if cache.restore():
                return
            runner_of(SIMULATOR).build(
                sources=sources, hdl_toplevel=self.top, build_dir=build,
                build_args=[*VERILATOR_OPTIONS], always=True, log_file=log,
            )  # fmt: skip
            cache.keep()

    def play(self, kind: str, **job: Any) -> dict[str, Any]:
        """Play a job of `testbench.JOBS` and tell what came of it.

        Raises
        ------
        UserError
            If the simulator process fails.
        """
        folder = Path(tempfile.mkdtemp(prefix="job-", dir=self.folder))
        write_json(folder / "job.json", {"kind": kind, "bus": self.bus, **job})
        with failure_told(SIMULATOR, "the run", folder / "run.log"):
            return run_job(
                SIMULATOR, "sstdp_sim.bus.testbench", self.top, self.folder / "build", folder
            )
