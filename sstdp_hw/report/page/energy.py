"""The energy estimate: beside the same network without spikes, and where it goes."""

from __future__ import annotations

from typing import Any

import altair as alt

from ...models.energy import energy_estimate
from ..energy import SPIKING, TITLE, comparison, explanation, parts, switching
from ..run_report import pick
from .charts import BLUE, GREEN, GREY, ORANGE, PINK, RED, chart, figure, rounded
from .evidence import Evidence
from .parts import Figure, PageSection, Part, Table

NANO = 1000.0
#: Where a label has a new line.
BREAK = "|"
#: What of the accelerator's parts belongs together in the chart, and its colour.
KINDS = {
    "additions": ("additions", GREEN), "weights": ("weights", BLUE),
    "potentials": ("potentials", ORANGE), "queue of events": ("events on their way", PINK),
    "spike memory": ("events on their way", PINK), "candidates": ("candidates", RED),
    "marks": ("marks", GREY),
}  # fmt: skip
INPUT = ("input", "#56b4e9")
ENDS = ("low", "high")


def estimated(evidence: Evidence) -> dict[str, Any] | None:
    """The estimate in the results of the co-simulation, else one of the page's own test images;
    None without accelerator or images."""
    found = pick(evidence.report.results, "energy_estimate")
    if isinstance(found, dict):
        return found
    if evidence.hardware is None or not evidence.inference or not len(evidence.inference.classes):
        return None
    return energy_estimate(evidence.hardware.parameters, evidence.inference).to_json()


def energy(evidence: Evidence) -> PageSection | None:
    """The section; None if nothing can be estimated."""
    found = estimated(evidence)
    if found is None:
        return None
    table = Table(
        "Part by part", ("", "estimate", "per image"),
        [(f"{what}, {block}", str(range_), how) for what, block, range_, how in parts(found)],
        explanation(found),
    )  # fmt: skip
    shown: list[Part] = [_beside(found), _shares(found), table]
    if activity := pick(evidence.report.results, "activity"):
        rows, note = switching(activity)
        shown.append(Table("Switching activity", ("block", "toggles a net and cycle"), rows, note))
    return PageSection(
        "energy", TITLE, shown,
        "Operations counted, times energies published for a 45 nm chip. No board and no chip was "
        "measured, and an FPGA takes more: compare the lines, do not add them to a power budget.",
    )  # fmt: skip


def _beside(found: dict[str, Any]) -> Figure:
    """Ranges on a logarithmic axis; a single value is a dot."""
    compared = comparison(found)
    rows: list[dict[str, Any]] = [
        {"name": f"{name}{BREAK}{range_}", "text": str(range_), "operations": how,
         "low": rounded(range_.low / NANO), "high": rounded(range_.high / NANO),
         "own": name == SPIKING}
        for name, range_, how in compared
    ]  # fmt: skip
    names = [row["name"] for row in rows]
    colour = alt.Color(
        "own:N", legend=None, scale=alt.Scale(domain=[True, False], range=[BLUE, GREY])
    )
    tips = [alt.Tooltip("text:N", title="estimate"),
            alt.Tooltip("operations:N")]  # fmt: skip
    label = alt.Axis(title=None, labelLimit=200, labelExpr=f"split(datum.label, '{BREAK}')")
    y = alt.Y("name:N", sort=None, scale=alt.Scale(domain=names), axis=label)
    scale = alt.Scale(type="log", nice=True, padding=20)
    axis = alt.Axis(format="~s", tickCount=6)
    low = alt.X("low:Q", scale=scale, axis=axis, title="nJ per image, estimated")
    bars = chart().mark_bar(height=12, cornerRadius=6).encode(
        x=low, x2=alt.X2("high:Q"), y=y, color=colour, tooltip=tips
    )  # fmt: skip
    dots = chart().mark_point(shape="diamond", size=70, filled=True, opacity=1).encode(
        x=alt.X("low:Q"), y=y, color=colour, tooltip=tips
    ).transform_filter("datum.low === datum.high")  # fmt: skip
    return figure(
        "Beside the same network without spikes", bars + dots, rows,
        height=42 * len(rows), note="Each bar from the low to the high assumptions. Papers on "
        "spiking networks count operations alone, 0.9 pJ for an addition and 4.6 pJ for a "
        "multiply-accumulate.",
    )  # fmt: skip


def _shares(found: dict[str, Any]) -> Figure:
    """What the two ends are made of."""
    sums: dict[tuple[str, str], float] = {}
    for part in found["parts"]:
        name, _ = KINDS.get(part["what"], INPUT) if part["block"] != "input" else INPUT
        for end in ENDS:
            key = end, name
            sums[key] = sums.get(key, 0.0) + part["picojoules"][end]
    whole = {end: max(found["picojoules"][end], 1e-9) for end in ENDS}
    present = dict.fromkeys(name for (_, name), value in sums.items() if value > 0)
    rows = [
        {"end": f"{end} assumptions", "what": name, "share": rounded(value / whole[end]),
         "nJ": rounded(value / NANO, 3), "rank": list(present).index(name)}
        for (end, name), value in sums.items() if name in present
    ]  # fmt: skip
    palette = dict([*KINDS.values(), INPUT])
    bars = chart().mark_bar(height={"band": 0.7}).encode(
        x=alt.X("share:Q", stack="zero", title="share of the estimate",
                axis=alt.Axis(format=".0%"), scale=alt.Scale(domain=[0, 1], nice=False)),
        y=alt.Y("end:N", sort=None, axis=alt.Axis(title=None, labelLimit=130)),
        color=alt.Color(
            "what:N", title=None,
            scale=alt.Scale(domain=list(present), range=[palette[name] for name in present]),
            legend=alt.Legend(orient="top", title=None, columns=2, labelLimit=240),
        ),
        order=alt.Order("rank:Q"),
        tooltip=[alt.Tooltip("end:N"), alt.Tooltip("what:N"),
                 alt.Tooltip("share:Q", format=".1%"), alt.Tooltip("nJ:Q")],
    )  # fmt: skip
    return figure(
        "Where it would go", bars, rows, height=96,
        note="Reading and writing numbers takes more than adding them.",
    )  # fmt: skip
