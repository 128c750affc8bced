"""Compiles an accelerator with its registers once and plays jobs to it, each in a process."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import read_json, write_json
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.file_names import BUS_FILE, VERILOG_FILE

from ..simulation.compiled_cache import CompiledCache
from ..simulation.environment import temporary_folder, tool_environment
from ..simulation.runner import VERILATOR_OPTIONS, last_line, runner_of
from ..simulation.simulator import check_simulator

SIMULATOR = "verilator"


class BusSimulation:
    """A compiled simulation of a generated folder with a bus; use as a context manager.

    Parameters
    ----------
    directory : GeneratedDirectory
    texts : mapping of str to str, optional
        Text of a file of Verilog in place of the folder's, by its name: for faults.

    Raises
    ------
    UserError
        If the folder has no bus, or Verilator is missing or rejects the Verilog.
    """

    def __init__(
        self, directory: GeneratedDirectory, texts: Mapping[str, str] | None = None
    ) -> None:
        check_simulator(SIMULATOR)
        self.bus, self.top = directory.bus, directory.front.top
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
        try:
            with tool_environment():
                if cache.restore():
                    return
                runner_of(SIMULATOR).build(
                    sources=sources, hdl_toplevel=self.top, build_dir=build,
                    build_args=[*VERILATOR_OPTIONS], always=True, log_file=log,
                )  # fmt: skip
        except (SystemExit, RuntimeError, OSError, ValueError) as error:
            raise UserError(
                f"Simulator {SIMULATOR}: compiling failed: {last_line(log, error)}"
            ) from None
        cache.keep()

    def play(self, kind: str, **job: Any) -> dict[str, Any]:
        """Play a job of `testbench.JOBS` and tell what came of it.

        Raises
        ------
        UserError
            If the simulator process fails.
        """
        folder = Path(tempfile.mkdtemp(prefix="job-", dir=self.folder))
        answer, log = folder / "answer.json", folder / "run.log"
        write_json(folder / "job.json", {"kind": kind, "bus": self.bus, **job})
        try:
            with tool_environment():
                runner_of(SIMULATOR).test(
                    test_module="sstdp_sim.bus.testbench",
                    hdl_toplevel_lang="verilog",
                    hdl_toplevel=self.top,
                    build_dir=self.folder / "build",
                    test_dir=folder,
                    results_xml=str(folder / "results.xml"),
                    extra_env={
                        "SSTDP_JOB": str(folder / "job.json"),
                        "SSTDP_ANSWER": str(answer),
                        "COCOTB_LOG_LEVEL": "WARNING",
                    },
                    log_file=log,
                )
            if not answer.is_file():
                raise RuntimeError("the simulator ended without an answer")
            found: dict[str, Any] = read_json(answer, "answer")
        except (SystemExit, RuntimeError, OSError, ValueError) as error:
            raise UserError(
                f"Simulator {SIMULATOR}: the run failed: {last_line(log, error)}"
            ) from None
        return found
