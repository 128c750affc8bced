"""What later steps put beside the float network of a run, and what becomes of it when another float
network takes its place.

`evaluate RUN` and its like take the integers where there are some: those of an earlier float
network would answer for the new one.
"""

from __future__ import annotations

import itertools
from pathlib import Path

from ..base.destination import reason
from ..base.errors import UserError
from ..network.network import FILE_NAME
from .run_report import ACCELERATOR, EVALUATE, MANIFEST, QUANTIZE

#: Of the float network, and no longer true without it. The network goes last: as long as it is
#: there, what it answers is told with it.
DERIVED = (EVALUATE, QUANTIZE, FILE_NAME)


def derived(run: Path) -> list[str]:
    """The files in a run folder that were made from its float network."""
    return [name for name in DERIVED if (run / name).exists()]


def remove(run: Path, names: list[str]) -> str | None:
    """Remove files of an earlier run, and put its accelerator aside: a bitstream may have taken
    hours, but `report` would show it as the new network's.

    Returns
    -------
    str or None
        A line that tells which results went; None for none.

    Raises
    ------
    UserError
        If one cannot be removed.
    """
    aside, place = None, run
    try:
        if (run / MANIFEST).exists():
            place, aside = run / ACCELERATOR, _free(run)
            place.rename(aside)
        for name in names:
            place = run / name
            place.unlink()
    except OSError as error:
        raise UserError(
            f"{place}: is of the earlier run and cannot be removed: {reason(error, place)}"
        ) from None
    gone = [name for name in names if name in DERIVED]
    told = [f"removed {', '.join(gone)}"] if gone else []
    told += [f"{ACCELERATOR} is {aside.name} now"] if aside else []
    return f"{run}: of the earlier run: {'; '.join(told)}" if told else None


def _free(run: Path) -> Path:
    """The first name for an earlier accelerator that nothing has yet."""
    for number in itertools.count(1):
        found = run / f"{ACCELERATOR}.earlier{'' if number == 1 else f'-{number}'}"
        if not found.exists():
            return found
    raise AssertionError("numbers do not end")
