"""Where the study of a run stands: `python -m benchmarks.study` writes it above its runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...base.errors import UserError
from ...base.files import read_json
from ..run_report import pick

FILE = "study.json"
#: Folders above a run's in which its study can be: entry, seed and weights stand between.
LEVELS = 4


def find_study(run: Path) -> dict[str, Any] | None:
    """What the study wrote that ``run`` is one of, with ``own``, the names of its entry and
    weights; None if the run is of no study.

    Raises
    ------
    UserError
        If the file is damaged.
    """
    run = run.resolve()
    for folder in list(run.parents)[:LEVELS]:
        path = folder / FILE
        if not path.is_file():
            continue
        found = read_json(path, "study")
        place = run.relative_to(folder).as_posix()
        rows = found.get("rows")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise UserError(f"{path}: must have a list of rows; run the study again")
        for row in rows:
            if any(pick(seed, "folder") == place for seed in row.get("seeds") or ()):
                return found | {"own": (row.get("entry"), row.get("run"))}
    return None
