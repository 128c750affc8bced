"""From the records of all runs to one table: mean and spread over the seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sstdp_hw.base.tables import number
from sstdp_hw.report.document import Section
from sstdp_hw.report.run_report import pick

from .chain import FAILED, FINISHED, NOT_RUN, Chain, Record
from .declaration import Study

Row = dict[str, Any]
DIFFERENCE = "validation_difference"


@dataclass(frozen=True)
class Column:
    """How one figure is shown: heading, key in the figures, and a function of mean and spread."""

    heading: str
    figure: str
    show: Callable[[float, float | None], str]


def _with_spread(digits: int, factor: float = 1, unit: str = "", sign: str = "") -> Any:
    def show(mean: float, spread: float | None) -> str:
        shown = f"{factor * mean:{sign},.{digits}f}"
        around = "" if spread is None else f" ± {number(factor * spread, digits)}"
        return f"{shown}{around}{unit}"

    return show


COLUMNS = {
    "validation": Column("validation", "validation_accuracy", _with_spread(2, 100, " %")),
    "difference": Column("difference", DIFFERENCE, _with_spread(2, 100, " points", sign="+")),
    "test": Column("test (rule 6)", "test_accuracy", _with_spread(2, 100, " %")),
    "ties": Column(
        "test, ties counted as correct", "test_accuracy_ties_counted", _with_spread(2, 100, " %")
    ),
    "additions": Column("additions per image", "additions", _with_spread(0)),
    "macs": Column("multiply-accumulates", "multiply_accumulates", lambda mean, _: number(mean)),
    "ratio": Column("ratio", "multiply_accumulates_per_addition", _with_spread(1)),
    "spikes": Column("spikes per image", "spikes", _with_spread(1)),
    "silent": Column("all outputs silent", "silent", _with_spread(1, 100, " %")),
    "decision": Column("decision step", "mean_decision_time", _with_spread(2)),
    "seconds": Column("seconds", "seconds", _with_spread(0)),
}


def rows_of(study: Study, found: Sequence[tuple[Chain, list[Record | None]]]) -> list[Row]:
    """One row per entry and run, with each seed's figures, their mean and their spread.

    The spread is the sample standard deviation; None with a single seed.
    """
    rows: dict[tuple[str, str], Row] = {}
    for chain, records in found:
        for run, record in zip(chain.runs, records, strict=True):
            row = rows.setdefault(
                (chain.entry.name, run.name),
                {
                    "entry": chain.entry.name,
                    "run": run.name,
                    "dataset": chain.entry.dataset,
                    "recipe": {**run.recipe.as_dict(), "seed": None},
                    "seeds": [],
                },
            )
            folder = (chain.folder / run.name).relative_to(chain.out).as_posix()
            row["seeds"].append({"seed": chain.seed, "folder": folder, **_outcome(record)})
    made = list(rows.values())
    if study.baseline:
        _compare(made, study.baseline)
    for row in made:
        row["mean"], row["spread"] = _statistics([seed["figures"] for seed in row["seeds"]])
    return made


def _outcome(record: Record | None) -> Row:
    if record is None:
        return {"state": NOT_RUN, "figures": None}
    outcome = {"state": record["state"], "code": record["code"]}
    if record["state"] == FAILED:
        return {**outcome, "failure": record["failure"], "figures": None}
    return {**outcome, "figures": dict(record["figures"])}


def _compare(rows: list[Row], baseline: str) -> None:
    """Put the difference to the baseline's run of the same name and seed beside each figure."""
    compared: dict[tuple[str, int], float | None] = {}
    for row in rows:
        for seed in row["seeds"]:
            if row["entry"] == baseline:
                compared[row["run"], seed["seed"]] = pick(seed, "figures", "validation_accuracy")
    for row in rows:
        for seed in row["seeds"]:
            own = pick(seed, "figures", "validation_accuracy")
            other = compared.get((row["run"], seed["seed"]))
            if row["entry"] != baseline and own is not None and other is not None:
                seed["figures"][DIFFERENCE] = own - other


def _statistics(all_figures: list[Row | None]) -> tuple[Row, Row]:
    found = [figures for figures in all_figures if figures]
    mean: Row = {}
    spread: Row = {}
    for name in dict.fromkeys(name for figures in found for name in figures):
        values = [figures.get(name) for figures in found]
        if all(isinstance(value, int | float) for value in values):
            mean[name] = statistics.fmean(values)
            spread[name] = statistics.stdev(values) if len(values) > 1 else None
    return mean, spread


def section(study: Study, rows: Sequence[Row], seeds: Sequence[int]) -> Section:
    """The table for a person."""
    columns = [COLUMNS[name] for name in study.columns]
    lines = []
    for row in rows:
        states = [seed["state"] for seed in row["seeds"]]
        if set(states) == {NOT_RUN}:
            continue
        cells = [
            column.show(row["mean"][column.figure], row["spread"][column.figure])
            if column.figure in row["mean"]
            else "-"
            for column in columns
        ]
        lines.append((row["entry"], row["run"], *cells, _told(states)))
    headings = ("network", "weights", *(column.heading for column in columns), "runs")
    return Section(study.title, headings, lines, note=_note(study, rows, seeds))


def _told(states: list[str]) -> str:
    """``3``, or what happened to the others: ``2, 1 failed``."""
    parts = [
        str(states.count(state)) if state == FINISHED else f"{states.count(state)} {state}"
        for state in (FINISHED, FAILED, NOT_RUN)
        if state in states
    ]
    return ", ".join(parts)


def _note(study: Study, rows: Sequence[Row], seeds: Sequence[int]) -> str:
    named = ", ".join(str(seed) for seed in seeds)
    note = [
        f"Seed {named}."
        if len(seeds) == 1
        else f"Mean ± sample standard deviation over seeds {named}."
    ]
    if not study.test:
        note.append("All figures are of held-back training images; no test image was looked at.")
    if {"additions", "spikes"} & set(study.columns):
        note.append("Additions and spikes (of input and neurons) are counted up to the decision.")
    if {"macs", "ratio"} & set(study.columns):
        note.append("Multiply-accumulates are those of the same dense network without spikes.")
    if DIFFERENCE in {COLUMNS[name].figure for name in study.columns}:
        note.append(f"Differences are to {study.baseline} with the same seed.")
    codes = {seed["code"] for row in rows for seed in row["seeds"] if "code" in seed}
    if len(codes) > 1:
        note.append(f"The runs come from {len(codes)} versions of the training code.")
    without = [row for row in rows if all(seed["state"] == NOT_RUN for seed in row["seeds"])]
    if without:
        named = ", ".join(f"{row['entry']} {row['run']}" for row in without)
        note.append(f"Not run: {named}.")
    for row in rows:
        failed = [seed for seed in row["seeds"] if seed["state"] == FAILED]
        for text in dict.fromkeys(seed["failure"] for seed in failed):
            which = ", ".join(str(seed["seed"]) for seed in failed if seed["failure"] == text)
            note.append(f"{row['entry']} {row['run']}, seed {which}: {text}.")
    return " ".join(note)
