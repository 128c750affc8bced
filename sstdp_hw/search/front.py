"""What a search found: ``search.json``, and the Pareto front of it for a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..base.tables import number, percent
from ..models.energy import Range

FILE_NAME = "search.json"
#: By name: whether more of it is better.
OBJECTIVES = {
    "accuracy": True, "images_per_second": True, "lut": False, "energy_picojoules": False,
}  # fmt: skip

Row = dict[str, Any]
HEADINGS = ("weights and hardware", "trial", "accuracy", "images/s", "LUT", "energy")


def pareto_front(rows: Sequence[Row]) -> list[Row]:
    """The rows that no other beats in one objective without losing in another, best accuracy
    first; of equal ones the first."""
    costs = {row["trial"]: _costs(row) for row in rows}
    front: list[Row] = []
    for row in sorted(rows, key=lambda row: (costs[row["trial"]], row["trial"])):
        own = costs[row["trial"]]
        if not any(
            all(a <= b for a, b in zip(costs[other["trial"]], own, strict=True)) for other in front
        ):
            front.append(row)
    return front


def _costs(row: Row) -> tuple[float, ...]:
    """What less is better of."""
    return tuple(-row[name] if more else row[name] for name, more in OBJECTIVES.items())


def cells(row: Row) -> tuple[str, ...]:
    """A row of the table under `HEADINGS`."""
    energy = Range(row["energy_low_picojoules"], row["energy_picojoules"])
    return (
        described(row), str(row["trial"]), percent(row["accuracy"]),
        number(row["images_per_second"]), number(row["lut"]), str(energy),
    )  # fmt: skip


def described(row: Row) -> str:
    """The choices in words: "4,4 bits, lanes 16,10, 4 pixels a beat, 8 steps, 30 % pruned"."""
    beat = row["pixels_per_beat"]
    pruned = f", {100 * row['pruning']:.0f} % pruned" if row["pruning"] else ""
    return (
        f"{_listed(row['weight_widths'])} bits, lanes {_listed(row['lanes'])}, {beat} "
        f"pixel{'' if beat == 1 else 's'} a beat, {row['t_max']} steps{pruned}"
    )


def _listed(values: Sequence[int]) -> str:
    return ",".join(map(str, values))


def note(result: dict[str, Any]) -> str:
    """What the figures are of, for a person."""
    made_of = result["made_of"]
    told = (
        f"Accuracy of {made_of['held-back images']:,} held-back training images of "
        f"{made_of['data set']}; no test image was looked at. images/s at "
        f"{made_of['--clock']:g} MHz; LUT and energy are estimates."
    )
    if result["held_back_images_trained_on_before"]:
        told += " The float network was trained on these images, too."
    return told


def network_file(trial: int) -> Path:
    """Of a finished trial, within the folder of the run."""
    return Path("search", f"trial-{trial}.safetensors")
