"""Accuracy against additions, as PNG and SVG; the same figures give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sstdp_hw.base.caches import provide_cache
from sstdp_hw.base.files import written_whole

from .declaration import Study
from .table import Row

SALT = "sstdp-hw"  # of the identifiers in an SVG, which would be random otherwise


def draw(study: Study, rows: Sequence[Row], out: Path) -> list[Path]:
    """Write ``pareto.png`` and ``pareto.svg``; return what was written."""
    provide_cache("MPLCONFIGDIR")
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    accuracy = "test_accuracy" if study.test else "validation_accuracy"
    points = [row for row in rows if {"additions", accuracy} <= set(row["mean"])]
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)  # no window system, no global state
    axes = figure.subplots()
    for run in dict.fromkeys(row["run"] for row in points):
        _line(axes, [row for row in points if row["run"] == run], accuracy, run)
    for count in sorted({row["mean"]["multiply_accumulates"] for row in points}):
        axes.axvline(count, color="grey", linestyle="--", linewidth=1)
        axes.annotate(
            f"{count:,.0f} multiply-accumulates\nof the dense network", (count, 0.02),
            xycoords=("data", "axes fraction"), xytext=(-4, 0), textcoords="offset points",
            ha="right", va="bottom", fontsize="small", color="grey",
        )  # fmt: skip
    split = "test" if study.test else "validation"
    axes.set(
        xscale="log", xlabel="additions per image, up to the decision",
        ylabel=f"{split} accuracy by rule 6 (%)", title=study.title,
    )  # fmt: skip
    axes.grid(alpha=0.3, which="both")
    if points:
        axes.legend()
    written = []
    with matplotlib.rc_context({"svg.hashsalt": SALT}):
        for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
            path = out / f"pareto.{kind}"
            with written_whole(path) as temporary:
                figure.savefig(temporary, format=kind, dpi=110, metadata=metadata)
            written.append(path)
    return written


def _line(axes: Any, rows: list[Row], accuracy: str, label: str) -> None:
    """One series, with the spread over the seeds as error bars and each entry's name."""

    def values(kind: str, figure: str, factor: float = 1) -> list[float]:
        return [factor * (row[kind][figure] or 0) for row in rows]

    axes.errorbar(
        values("mean", "additions"), values("mean", accuracy, 100),
        xerr=values("spread", "additions"), yerr=values("spread", accuracy, 100),
        marker="o", capsize=2, label=label,
    )  # fmt: skip
    for row in rows:
        axes.annotate(
            row["entry"], (row["mean"]["additions"], 100 * row["mean"][accuracy]),
            xytext=(4, 4), textcoords="offset points", fontsize="small",
        )  # fmt: skip
