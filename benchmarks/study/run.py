"""A whole study: train what is missing, then write its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sstdp_hw import __version__
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import write_json, written_whole
from sstdp_hw.base.progress import say
from sstdp_hw.engine.local import Local
from sstdp_hw.engine.work import Engine
from sstdp_hw.report.document import markdown

from . import plot
from .chain import FAILED, Chain, Data, Record, look
from .declaration import Run, Study
from .schedule import Key, carry_out_all, key_of
from .table import rows_of, section


def run_study(
    study: Study,
    out: Path | str,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    jobs: int = 2,
    only: tuple[str, ...] = (),
    epochs: int | None = None,
    device: str = "cpu",
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Run a study and write ``study.json`` and ``study.md`` (and the plot) to ``out``/its name.

    Parameters
    ----------
    study : Study
    out : path
    seeds : sequence of int
    jobs : int
        Trainings at a time, each on one thread of a process to itself; 0 trains in this process.
    only : tuple of str
        Train these entries only; the table still shows what is there of the others.
    epochs : int, optional
        Replaces the number of every first training.
    device : str
        As for `sstdp_train.train`.
    engine : Engine, optional
        Who trains, in place of ``jobs``.

    Returns
    -------
    dict
        The content of ``study.json``, and under ``died`` one line for each chain of which a
        run could not be done.

    Raises
    ------
    UserError
        If an entry is unknown, its data is missing or the folder cannot be made. A training that
        fails is a row that says so.
    """
    study.check_names(only)
    out = Path(out) / study.name
    data: dict[Key, Data] = {}
    for entry in study.entries:
        if (key := key_of(entry)) not in data:
            data[key] = Data.of(entry, study.test)
    try:  # now, and not in every process
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out}: must be a folder to write into ({error.strerror})") from None
    chains = [
        Chain(entry, seed, out, study.test, epochs, device)
        for seed in seeds  # seeds outside, so that an early look at the table sees every entry
        for entry in study.entries
    ]

    def records(chain: Chain) -> list[Record | None]:
        return look(chain, data[key_of(chain.entry)])

    wanted = [chain for chain in chains if not only or chain.entry.name in only]
    missing = [chain for chain in wanted if None in records(chain)]
    teller = _Teller(
        sum(len(chain.runs) for chain in wanted),
        sum(1 for chain in wanted for record in records(chain) if record is not None),
    )
    died: list[str] = []
    try:
        if missing:
            asked = {key_of(chain.entry) for chain in missing}
            used = {key: each for key, each in data.items() if key in asked}
            died = carry_out_all(
                missing, used, engine or (Local(jobs) if jobs else None), teller.tell
            )
    finally:  # also after an interrupt: what is done is worth a table
        rows = rows_of(study, [(chain, records(chain)) for chain in _by_entry(study, chains)])
        result = {
            "study": study.name,
            "title": study.title,
            "sstdp-hw": __version__,
            "seeds": list(seeds),
            "epochs": epochs,
            "measured_on": "test" if study.test else "validation",
            "rows": rows,
        }
        write_json(out / "study.json", result)
        shown = replace(section(study, rows, seeds), title="Runs")
        with written_whole(out / "study.md") as temporary:
            temporary.write_text(markdown(study.title, [shown]), encoding="utf-8")
        if study.plot:
            plot.draw(study, rows, out)
    return {**result, "died": died}


def _by_entry(study: Study, chains: Sequence[Chain]) -> list[Chain]:
    order = [entry.name for entry in study.entries]
    return sorted(chains, key=lambda chain: order.index(chain.entry.name))


class _Teller:
    """One line per finished run, counted."""

    def __init__(self, total: int, kept: int) -> None:
        self.total, self.done = total, kept
        say(f"{total} runs, {kept} of them there already")

    def tell(self, chain: Chain, run: Run, record: Record) -> None:
        self.done += 1
        say(f"[{self.done}/{self.total}] {chain}, {run.name}: {_outcome(record)}")


def _outcome(record: Record) -> str:
    if record["state"] == FAILED:
        return f"failed: {record['failure']}"
    figures, parts = record["figures"], []
    for name, key in (("validation", "validation_accuracy"), ("test", "test_accuracy")):
        if figures.get(key) is not None:
            parts.append(f"{name} {100 * figures[key]:.2f} %")
    return ", ".join([*parts, f"{figures['seconds']:.0f} s"])
