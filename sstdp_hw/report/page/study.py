"""The study that a run belongs to: what the others of it gave, and what each change is worth."""

from __future__ import annotations

from typing import Any

import altair as alt

from ...base.tables import number, percent
from ..run_report import pick
from .charts import BLUE, GREY, chart, figure, others, rounded
from .evidence import Evidence
from .parts import PageSection, Part, Table

#: The first of these that every finished entry has, and what it is called.
ACCURACIES = {"test_accuracy": "test accuracy", "validation_accuracy": "validation accuracy"}
DIFFERENCE = "validation_difference"


def study(evidence: Evidence) -> PageSection | None:
    """The section; None if the run is of no study, or nothing of it has a figure."""
    found = evidence.study
    if found is None:
        return None
    rows = [row for row in found["rows"] if row.get("mean")]
    key = next((k for k in ACCURACIES if all(row["mean"].get(k) is not None for row in rows)), None)
    if not rows or key is None:
        return None
    seeds = ", ".join(map(str, found.get("seeds") or ()))
    parts: list[Part] = [_chart(rows, key, found["own"]), _table(rows, key)]
    return PageSection(
        "study", f"Study: {found.get('title')}", parts,
        f"This run is {' '.join(map(str, found['own']))}. Mean and sample standard deviation over "
        f"seeds {seeds}.",
    )  # fmt: skip


def _name(row: dict[str, Any]) -> str:
    return f"{row.get('entry')}, {row.get('run')}"


def _chart(rows: list[dict[str, Any]], key: str, own: tuple[Any, Any]) -> Any:
    bars: list[dict[str, Any]] = [
        {"name": _name(row), "mean": rounded(row["mean"][key], 5), "runs": len(row["seeds"]),
         "low": rounded(row["mean"][key] - (row["spread"].get(key) or 0), 5),
         "high": rounded(row["mean"][key] + (row["spread"].get(key) or 0), 5),
         "own": (row.get("entry"), row.get("run")) == own}
        for row in rows
    ]  # fmt: skip
    dots = [
        {"name": _name(row), "seed": seed.get("seed"), "value": rounded(value, 5)}
        for row in rows for seed in row["seeds"]
        if (value := pick(seed, "figures", key)) is not None
    ]  # fmt: skip
    axis = alt.Axis(title=None, labelLimit=180)
    y = alt.Y("name:N", sort=None, scale=alt.Scale(domain=[bar["name"] for bar in bars]), axis=axis)
    scale, form = alt.Scale(zero=False, padding=12), alt.Axis(format=".1%", tickCount=6)
    colour = alt.Color(
        "own:N", legend=None, scale=alt.Scale(domain=[True, False], range=[BLUE, GREY])
    )
    tips = [alt.Tooltip("name:N"), alt.Tooltip("mean:Q", format=".2%"), alt.Tooltip("low:Q",
            format=".2%"), alt.Tooltip("high:Q", format=".2%"), alt.Tooltip("runs:Q")]  # fmt: skip
    rules = chart().mark_rule(strokeWidth=3).encode(
        x=alt.X("low:Q", scale=scale, axis=form, title=ACCURACIES[key]), x2=alt.X2("high:Q"),
        y=y, color=colour, tooltip=tips,
    )  # fmt: skip
    means = chart().mark_point(filled=True, size=90, opacity=1).encode(
        x=alt.X("mean:Q"), y=y, color=colour, tooltip=tips
    )  # fmt: skip
    every = others("dots").mark_tick(thickness=1.5, size=12, color=GREY).encode(
        x=alt.X("value:Q"), y=y,
        tooltip=[alt.Tooltip("name:N"), alt.Tooltip("seed:Q"),
                 alt.Tooltip("value:Q", format=".2%")],
    )  # fmt: skip
    return figure(
        "Accuracy of every entry", every + rules + means, bars, height=60 + 26 * len(bars),
        dots=dots, note="Dot and bar: mean and spread; ticks: single seeds; in blue this run's.",
    )  # fmt: skip


def _table(rows: list[dict[str, Any]], key: str) -> Table:
    """Accuracy, difference to the baseline if there is one, additions."""
    there = [
        (name, title, shown) for name, title, shown in (
            (key, "accuracy", percent),
            (DIFFERENCE, "difference", lambda value: f"{100 * value:+.2f}"),
            ("additions", "additions", number),
        ) if any(row["mean"].get(name) is not None for row in rows)
    ]  # fmt: skip
    lines = [
        (_name(row), *(
            "-" if (value := row["mean"].get(name)) is None else shown(value)
            for name, _, shown in there
        ), str(sum(seed.get("figures") is not None for seed in row["seeds"])))
        for row in rows
    ]  # fmt: skip
    headings = ("entry, weights", *(title for _, title, _ in there), "runs")
    told = "Difference: points of validation accuracy, to the baseline with the same seed."
    has = any(name == DIFFERENCE for name, _, _ in there)
    return Table("In figures", headings, lines, told if has else "")
