"""How charts look, in one place, and how one becomes a figure of the page.

Colours tell the same things everywhere and are told apart by those who are colour-blind (Okabe and
Ito, 2008). Texts and grids have no colour here: the page gives them one for light and for dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt

from .parts import Figure

BLUE, ORANGE, RED, GREEN, GREY, PINK = (
    "#3a8fd6", "#e69f00", "#d55e00", "#009e73", "#8a919c", "#cc79a7",
)  # fmt: skip
SERIES = (BLUE, ORANGE, GREEN, PINK, RED, GREY)
#: Room for the labels of the vertical axis, so that charts below each other are in line.
LEFT = 46
Rows = Sequence[dict[str, Any]]
ROWS = "rows"


def chart() -> alt.Chart:
    """A chart of the figure's rows."""
    return alt.Chart(alt.NamedData(name=ROWS))


def others(name: str) -> alt.Chart:
    """A chart of other rows of the figure."""
    return alt.Chart(alt.NamedData(name=name))


def figure(
    title: str, made: alt.Chart | alt.LayerChart, rows: Rows, *, height: int = 220, note: str = "",
    narrow: bool = False, **more: Rows,
) -> Figure:  # fmt: skip
    """A chart as wide as the page, with its rows, and others by name."""
    spec: dict[str, Any] = made.properties(width="container", height=height).to_dict(validate=False)
    for left in ("$schema", "config"):  # the page has both
        spec.pop(left, None)
    spec["datasets"] = {ROWS: list(rows), **{name: list(given) for name, given in more.items()}}
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    return Figure(title, spec, note, narrow)


def steps(
    t_max: int, *, title: str | None = "time step", beyond: bool = False, field: str = "step"
) -> alt.X:
    """The horizontal axis of time steps; ``beyond``: with a place for silent."""
    last = t_max if beyond else t_max - 1
    every = max(1, -(-t_max // 16))
    axis = alt.Axis(values=list(range(0, last + 1, every)), format="d", title=title)
    return alt.X(f"{field}:Q", scale=alt.Scale(domain=[-0.5, last + 0.5], nice=False), axis=axis)


def left_axis(title: str | None, **options: Any) -> alt.Axis:
    """A vertical axis whose labels take the same room in every chart."""
    return alt.Axis(title=title, minExtent=LEFT, maxExtent=LEFT, **options)


def colours(kinds: Iterable[tuple[str, str]], *, title: str | None = None) -> alt.Color:
    """The field ``what`` by colour, with a legend on top."""
    names, values = zip(*kinds, strict=True)
    return alt.Color(
        "what:N", title=title, scale=alt.Scale(domain=list(names), range=list(values)),
        legend=alt.Legend(orient="top", title=title, columns=3, labelLimit=240),
    )  # fmt: skip


def when(channel: Any, test: str, value: Any, otherwise: Any) -> Any:
    """A channel with one value where the test holds, and another elsewhere.

    Channels are always given as objects: what Altair has to find out by itself takes it a while.
    """
    return channel(otherwise, condition={"test": test, "value": value})


def rounded(value: float, digits: int = 4) -> float:
    """Few digits: more than a chart shows only make the file longer."""
    return round(float(value), digits)
