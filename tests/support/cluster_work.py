"""Tasks for tests of a cluster: its workers must find them, so they stand in a module."""

from __future__ import annotations

import os
from contextlib import nullcontext

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.programs import run_program
from sstdp_hw.engine.work import Work


def _fails(_shared, item, _advance):
    """One that cannot be done anywhere, one that a single worker cannot do."""
    from distributed import get_worker

    name = str(get_worker().name)
    if item == "never" or item == f"not on {name}":
        raise UserError(f"{name} cannot do {item!r}")
    return item.upper()


def _works_for_ever(folder, _item, _advance):
    run_program(
        ["sh", "-c", f"echo $$ > {folder}/fifo; exec sleep 10000"], folder, dict(os.environ),
        heard=print,
    )  # fmt: skip


FAILS = Work(nullcontext, _fails)
WORKS_FOR_EVER = Work(nullcontext, _works_for_ever)
