"""The Pareto front as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sstdp_hw.base.caches import provide_cache
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import written_whole
from sstdp_hw.models.exploration import EstimatedPoint
from sstdp_hw.network.layers import Array

from .fitting import SIZES, fits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .synthesis import Built

#: Values this far apart get a logarithmic axis.
_LOGARITHMIC = 10
_KINDS = {"lut": "LUT4 equivalents", "bram": "block RAMs"}


@dataclass(frozen=True)
class Front:
    """What is drawn.

    Parameters
    ----------
    title : str
    points, front : list of EstimatedPoint
        All of them, and the best.
    built : list of Built
        What building the front gave, in order; empty if it was not built.
    device : str
        What a point should fit.
    clock_mhz : float
        Clock that images per second are counted with.
    """

    title: str
    points: list[EstimatedPoint]
    front: list[EstimatedPoint]
    built: list[Built]
    device: str
    clock_mhz: float

    def swapped(self, values: Array) -> Array:
        """Cycles per image to images per second, and back."""
        return np.asarray(self.clock_mhz * 1e6 / np.maximum(values, 1e-9))


def check_plot(file: Path) -> None:
    """Refuse a picture that could not be drawn, before the work.

    Raises
    ------
    UserError
        If matplotlib is missing or does not know the format.
    """
    provide_cache("MPLCONFIGDIR")
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ModuleNotFoundError:
        raise UserError("--plot needs matplotlib; pip install 'sstdp-hw[all]' brings it") from None
    if _format(file) not in FigureCanvasBase.get_supported_filetypes():
        raise UserError(
            f"--plot: {file}: must end in .png, .svg, .pdf or another format of matplotlib, not "
            f"{file.suffix}"
        )


def _format(file: Path) -> str:
    return file.suffix.removeprefix(".").lower() or "png"


def plot(shown: Front, file: Path) -> None:
    """Draw the `picture` into a file.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    made = picture(shown)
    with written_whole(file) as temporary:
        made.savefig(temporary, format=_format(file))


def picture(shown: Front) -> Figure:
    """Cycles per image against LUTs and against block RAMs; images per second on the other side.

    Built points stand beside estimated ones. Points of the front that do not fit the device are
    hollow, and lines mark where a size of ECP5 ends.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    figure.suptitle(shown.title, wrap=True)
    for axes, kind in zip(figure.subplots(1, 2, sharey=True), _KINDS, strict=True):
        _draw(axes, shown, kind)
    left, right = figure.axes
    left.set_ylabel("cycles per image")
    left.legend()
    cycles = [point.cycles for point in shown.points]
    logarithmic = _scale(left, "y", cycles)
    # After the scale is set, or the axis would choose ticks of its own again.
    other = right.secondary_yaxis("right", functions=(shown.swapped, shown.swapped))
    other.set_ylabel(f"images/s at {shown.clock_mhz:g} MHz")
    _ticks(other.yaxis, logarithmic)
    return figure


def _draw(axes: Any, shown: Front, kind: str) -> None:
    """One picture: cycles against one kind of area."""

    def at(points: Sequence[EstimatedPoint]) -> tuple[list[int], list[float]]:
        return [getattr(point.area, kind) for point in points], [point.cycles for point in points]

    axes.scatter(*at(shown.points), s=12, color="0.75", label="estimated")
    inside = [point for point in shown.front if fits(point.area, shown.device) is not False]
    outside = [point for point in shown.front if fits(point.area, shown.device) is False]
    known = "" if fits(shown.front[0].area, shown.device) is None else f", fits {shown.device}"
    axes.scatter(*at(inside), s=24, color="C0", label=f"front, estimated{known}")
    if outside:
        axes.scatter(
            *at(outside), s=24, facecolors="white", edgecolors="C0",
            label=f"front, estimated, does not fit {shown.device}",
        )  # fmt: skip
    real = [
        (getattr(one, kind), point.cycles)
        for one, point in zip(shown.built, shown.front, strict=False)
        if one.error is None
    ]
    if real:
        axes.scatter(*zip(*real, strict=True), s=40, marker="x", color="C1", label="front, built")
    values = at(shown.points)[0]
    for size, capacity in SIZES.items():
        if getattr(capacity, kind) <= max(values):
            axes.axvline(getattr(capacity, kind), color="C3", linewidth=1, linestyle="--")
            axes.annotate(
                f"{size} ends", (getattr(capacity, kind), 0.98),
                xycoords=("data", "axes fraction"), rotation=90, va="top", ha="right",
                color="C3", fontsize="small",
            )  # fmt: skip
    axes.set_xlabel(_KINDS[kind])
    axes.grid(alpha=0.3)
    _scale(axes, "x", values)


def _scale(axes: Any, name: str, values: Sequence[float]) -> bool:
    """Give the axis "x" or "y" the scale that fits the values; returns whether by logarithm."""
    logarithmic = min(values) > 0 and max(values) > _LOGARITHMIC * min(values)
    getattr(axes, f"set_{name}scale")("log" if logarithmic else "linear")
    _ticks(getattr(axes, f"{name}axis"), logarithmic)
    return logarithmic


def _ticks(axis: Any, logarithmic: bool) -> None:
    """Few round numbers, written out."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

    axis.set_major_locator(
        LogLocator(subs=(1, 2, 5)) if logarithmic else MaxNLocator(6, steps=[1, 2, 5, 10])
    )
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
