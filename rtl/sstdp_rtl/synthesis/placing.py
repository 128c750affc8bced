"""Place and route of one netlist with several seeds, which do not wait for each other."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sstdp_hw.base.fpga_tools import ToolFailed, distribution_of, find_tool, run_tool
from sstdp_hw.engine.work import Advance, Work


@dataclass(frozen=True)
class Placing:
    """What all seeds share.

    Parameters
    ----------
    tool : str
        The nextpnr.
    arguments : tuple of str
        Its arguments but for the seed and what follows from it.
    configured : str or None
        The option that names the configuration, if a bitstream will be made of it.
    folder : Path or None
        Where the netlist lies; None: in ``files``, for a worker elsewhere.
    files : mapping of str to bytes
    """

    tool: str
    arguments: tuple[str, ...]
    configured: str | None
    folder: Path | None
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Placed:
    """What came of a seed: files by name, unless they lie in the folder already, and seconds; or
    how the tool ended that failed, and what it said."""

    files: Mapping[str, bytes]
    seconds: float = 0.0
    failed: tuple[str, str] | None = None


def placing_work(tool: str) -> Work:
    """For an engine."""
    return Work(_opened, _place, (distribution_of(tool),), unit="seed")


def names(seed: int) -> tuple[str, str, str]:
    """Log, report and configuration of a seed."""
    return f"nextpnr-seed-{seed}.log", f"nextpnr-seed-{seed}.rpt", f"seed-{seed}.config"


@contextmanager
def _opened(placing: Placing) -> Iterator[tuple[Placing, Path]]:
    if placing.folder is not None:
        yield placing, placing.folder
        return
    with tempfile.TemporaryDirectory(prefix="sstdp-build-") as name:
        folder = Path(name)
        for file, data in placing.files.items():
            (folder / file).write_bytes(data)
        yield placing, folder


def _place(opened: tuple[Placing, Path], seed: int, _advance: Advance) -> Placed:
    placing, folder = opened
    log, report, configuration = names(seed)
    wanted = [log, report]
    arguments = ["--quiet", "--log", log, "--report", report, *placing.arguments]
    if placing.configured is not None:
        arguments += [placing.configured, configuration]
        wanted.append(configuration)
    arguments += ["--seed", str(seed)]
    try:
        seconds = run_tool(find_tool(placing.tool), arguments, folder, log=log, writes=report)
    except ToolFailed as failure:
        return Placed({}, failed=(failure.ending, failure.text))
    if placing.folder is not None:
        return Placed({}, seconds)
    return Placed({name: (folder / name).read_bytes() for name in wanted}, seconds)
