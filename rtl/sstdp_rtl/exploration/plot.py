"""The Pareto front as a picture."""

from __future__ import annotations

from pathlib import Path

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import written_whole
from sstdp_hw.models.exploration import EstimatedPoint

from .synthesis import Built


def plot(
    title: str,
    points: list[EstimatedPoint],
    front: list[EstimatedPoint],
    built: list[Built],
    file: Path,
) -> None:
    """Cycles per image against LUTs and against block RAMs; built points beside estimated ones.

    Raises
    ------
    UserError
        If matplotlib is missing or the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise UserError("--plot needs matplotlib; pip install 'sstdp-hw[all]' brings it") from None
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    figure.suptitle(title)
    for axes, kind, name in zip(
        figure.subplots(1, 2), ("lut", "bram"), ("LUT4 equivalents", "block RAMs"), strict=True
    ):
        axes.scatter(
            [getattr(point.area, kind) for point in points], [point.cycles for point in points],
            s=12, color="0.75", label="estimated",
        )  # fmt: skip
        axes.scatter(
            [getattr(point.area, kind) for point in front], [point.cycles for point in front],
            s=22, label="front, estimated",
        )  # fmt: skip
        real = [
            (getattr(one, kind), point.cycles)
            for one, point in zip(built, front, strict=False)
            if one.error is None
        ]
        if real:
            axes.scatter(*zip(*real, strict=True), s=40, marker="x", label="front, built")
        axes.set(xlabel=name, ylabel="cycles per image", yscale="log")
        axes.set_xscale("log" if kind == "lut" else "linear")
        axes.grid(alpha=0.3, which="both")
        axes.legend()
    with written_whole(file) as temporary:
        try:
            figure.savefig(temporary, format=file.suffix.removeprefix(".") or "png")
        except ValueError as error:
            raise UserError(f"--plot: {file}: {error}") from None
