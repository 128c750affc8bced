"""How a simulator is compiled and called, whatever it simulates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import read_json
from sstdp_hw.base.programs import run_program

from .environment import tool_environment

# The design is linted by tests of its own; here speed counts. The runner makes every signal of the
# design visible to Python, which doubles the code; the ports of the top alone are enough.
VERILATOR_OPTIONS = (
    "-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-TIMESCALEMOD", "-O3",
    "--x-assign", "fast", "--x-initial", "fast", "--output-split", "20000",
    "--no-public-flat-rw", "--public-depth", "1", "-CFLAGS", "-O1",
)  # fmt: skip


def runner_of(name: str) -> Any:
    """cocotb's runner of a simulator, with programs that can be ended."""
    from cocotb_tools.runner import get_runner

    runner: Any = get_runner(name)

    def execute(commands: Sequence[Sequence[str]], cwd: Path, log: TextIO) -> None:
        for command in commands:
            status = run_program(command, cwd, runner.env, heard=log.write)
            if status != 0:
                raise RuntimeError(f"{Path(command[0]).name} ended with status {status}")

    runner._execute_cmds = execute  # its own waits for the first process of a command alone
    return runner


@contextmanager
def failure_told(simulator: str, what: str, log: Path) -> Iterator[None]:
    """The environment of a simulator's tools; ``what`` failed in it becomes one line.

    Raises
    ------
    UserError
        With what the log says.
    """
    try:
        with tool_environment():
            yield
    except (SystemExit, RuntimeError, OSError, ValueError) as error:
        raise UserError(f"Simulator {simulator}: {what} failed: {last_line(log, error)}") from None


def run_job(
    simulator: str, module: str, top: str, build: Path, folder: Path, *, waves: bool = False
) -> dict[str, Any]:
    """Let the test bench ``module`` do ``job.json`` of a folder, which gets ``run.log``; what its
    ``answer.json`` says."""
    answer = folder / "answer.json"
    runner_of(simulator).test(
        test_module=module,
        hdl_toplevel_lang="verilog",
        hdl_toplevel=top,
        build_dir=build,
        test_dir=folder,
        results_xml=str(folder / "results.xml"),
        waves=waves,
        extra_env={
            "SSTDP_JOB": str(folder / "job.json"),
            "SSTDP_ANSWER": str(answer),
            "COCOTB_LOG_LEVEL": "WARNING",
        },
        log_file=folder / "run.log",
    )
    if not answer.is_file():
        raise RuntimeError("the simulator ended without an answer")
    found: dict[str, Any] = read_json(answer, "answer")
    return found


def last_line(log: Path, error: BaseException) -> str:
    """What the log says about a failure: its first error line, else its last line."""
    if not log.is_file():
        return str(error)
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not re.match(r"make.*: (Entering|Leaving) directory", line)]
    # A line of make with `***` names the target, and the reason stands before it.
    reason = r"(?!.*\*\*\*).*(error|not found|no such file)"
    # What Python says of an exception stands below lines of source, which may name errors, too.
    raised = r"[\w.]*(Error|Exception): "
    for told in (rf"%Error|{raised}|.*\berror: ", reason, r".*\*\*\*"):
        if found := [line for line in lines if re.match(told, line, re.IGNORECASE)]:
            return found[0][:300]
    return f"{error}; its last words: {lines[-1][:300]}" if lines else str(error)
