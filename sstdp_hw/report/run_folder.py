"""What later steps put beside the float network of a run, and what becomes of it when another float
network takes its place.

`evaluate RUN` and its like take the integers where there are some: those of an earlier float
network would answer for the new one.
"""

from __future__ import annotations

from pathlib import Path

from ..base.destination import reason
from ..base.errors import UserError
from ..network.network import FILE_NAME
from .run_report import EVALUATE, QUANTIZE

#: Of the float network, and no longer true without it. The network goes last: as long as it is
#: there, what it answers is told with it. The accelerator's folder stays, for a bitstream may have
#: taken hours; `report` leaves it out.
DERIVED = (EVALUATE, QUANTIZE, FILE_NAME)


def derived(run: Path) -> list[str]:
    """The files in a run folder that were made from its float network."""
    return [name for name in DERIVED if (run / name).exists()]


def remove(run: Path, names: list[str]) -> None:
    """Remove files of an earlier run.

    Raises
    ------
    UserError
        If one cannot be removed.
    """
    for name in names:
        try:
            (run / name).unlink()
        except OSError as error:
            raise UserError(
                f"{run / name}: cannot be removed, and is of the earlier run: "
                f"{reason(error, run / name)}"
            ) from None


def removal_told(run: Path, names: list[str]) -> str | None:
    """A line that tells which results went; None for none."""
    gone = [name for name in names if name in DERIVED]
    return f"{run}: removed what belonged to the earlier run: {', '.join(gone)}" if gone else None
