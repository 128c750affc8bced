"""What a search for weights and hardware together found."""

from __future__ import annotations

from typing import Any

import altair as alt

from ...search.front import HEADINGS, cells, described, note
from .charts import BLUE, GREY, chart, colours, figure, left_axis, rounded
from .evidence import Evidence
from .parts import Figure, PageSection, Part, Table

FRONT, BEATEN = "front", "beaten by another trial"
#: What accuracy is drawn against: key of a trial, factor, title, and whether it spans decades.
AGAINST = (
    ("lut", 1, "LUT4", True),
    ("images_per_second", 1, "images/s", True),
    ("energy_picojoules", 1e-3, "nJ an image, high end", True),
)


def searched(evidence: Evidence) -> PageSection | None:
    """The trials and their Pareto front; None if nothing was searched."""
    found = evidence.searched
    if found is None:
        return None
    trials = {row["trial"]: row for row in found["trials"]}
    front = sorted((trials[n] for n in found["front"]), key=lambda row: -row["accuracy"])
    parts: list[Part] = [_chart(found, *against) for against in AGAINST]
    parts.append(Table("Pareto front", HEADINGS, [cells(row) for row in front]))
    return PageSection(
        "search", "What could be trained and built together", parts,
        f"{len(trials)} trials, {len(front)} on the Pareto front of accuracy, images/s, LUT and "
        f"energy. {note(found)}",
    )  # fmt: skip


def _chart(found: dict[str, Any], key: str, factor: float, title: str, wide: bool) -> Figure:
    front = set(found["front"])
    rows = [
        {"x": rounded(row[key] * factor, 1), "accuracy": rounded(row["accuracy"], 4),
         "trial": row["trial"], "choice": described(row),
         "what": FRONT if row["trial"] in front else BEATEN}
        for row in found["trials"]
    ]  # fmt: skip
    scale = alt.Scale(type="log") if wide and all(row["x"] > 0 for row in rows) else alt.Scale()
    points = chart().mark_point(filled=True, size=60, opacity=0.9).encode(
        x=alt.X("x:Q", scale=scale, title=title),
        y=alt.Y("accuracy:Q", scale=alt.Scale(zero=False),
                axis=left_axis("accuracy", format=".1%")),
        color=colours([(FRONT, BLUE), (BEATEN, GREY)]),
        tooltip=[alt.Tooltip("trial:Q"), alt.Tooltip("choice:N"), alt.Tooltip("x:Q"),
                 alt.Tooltip("accuracy:Q", format=".2%")],
    )  # fmt: skip
    return figure(f"Accuracy against {title}", points, rows, narrow=True)
