"""What a study is: plain data, from which the runs of every seed follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sstdp_hw.base.errors import UserError
from sstdp_train import Recipe, fine_tuning


def run_name(weight_widths: tuple[int, ...]) -> str:
    """``float``, ``4-bit`` or, with different widths, ``4-3-bit``."""
    if not weight_widths:
        return "float"
    widths = weight_widths[:1] if len(set(weight_widths)) == 1 else weight_widths
    return f"{'-'.join(str(width) for width in widths)}-bit"


@dataclass(frozen=True)
class FineTuning:
    """A quantization-aware training that starts from another run of its entry.

    Parameters
    ----------
    weight_widths : tuple of int
        One for all layers, or one per layer.
    changes : mapping
        Fields of the recipe that differ from what `sstdp_train.fine_tuning` makes.
    start : str
        Name of the run to start from; empty for the entry's first.
    name : str
        Empty for the name by widths, such as ``4-bit``.
    """

    weight_widths: tuple[int, ...]
    changes: Mapping[str, Any] = field(default_factory=dict)
    start: str = ""
    name: str = ""


@dataclass(frozen=True)
class Run:
    """One training of an entry with one seed: what it does and which run it starts from."""

    name: str
    recipe: Recipe
    start: str | None = None


@dataclass(frozen=True)
class Entry:
    """A network of a study: a training, and fine-tunings that start from it.

    Parameters
    ----------
    name : str
        Also a folder name.
    dataset : str
    recipe : Recipe
        Of the first training; each seed of the study takes the place of its own.
    fine_tune : tuple of FineTuning or of weight widths
        A plain ``(4,)`` stands for ``FineTuning((4,))``.
    test_dataset : str, optional
        Test images for an ``.npz`` file, which has none of its own.
    counted : int, optional
        Held-back images that activity is counted on, the first ones; all without it.
    """

    name: str
    dataset: str
    recipe: Recipe
    fine_tune: tuple[FineTuning | tuple[int, ...], ...] = ()
    test_dataset: str | None = None
    counted: int | None = None

    def runs(self, seed: int, epochs: int | None = None) -> tuple[Run, ...]:
        """The trainings in order; ``epochs`` replaces those of the first recipe.

        Raises
        ------
        UserError
            If two have the same name, or one starts from a run that is not before it.
        """
        recipe = self.recipe.with_(seed=seed, epochs=epochs or self.recipe.epochs)
        made = [Run(run_name(recipe.weight_widths), recipe)]
        for declared in self.fine_tune:
            tuning = declared if isinstance(declared, FineTuning) else FineTuning(declared)
            before = {run.name: run.recipe for run in made}
            start = tuning.start or made[0].name
            if start not in before:
                raise UserError(
                    f"Entry {self.name}: start of a fine-tuning must be a run before it, "
                    f"{' or '.join(before)}, not {start!r}"
                )
            tuned = fine_tuning(recipe.with_(weight_widths=()), tuning.weight_widths)
            tuned = tuned.with_(**tuning.changes)
            name = tuning.name or run_name(tuned.weight_widths)
            if name in before:
                raise UserError(f"Entry {self.name}: runs must have different names, not {name!r}")
            made.append(Run(name, tuned, start))
        return tuple(made)


@dataclass(frozen=True)
class Study:
    """A list of entries and what its table shows.

    Parameters
    ----------
    name, title : str
    entries : tuple of Entry
    columns : tuple of str
        Keys of `table.COLUMNS`, in order.
    test : bool
        Off: the test images are never looked at; every figure is of the validation images.
    baseline : str, optional
        Entry that the column ``difference`` compares with, seed by seed.
    plot : bool
        Also draw accuracy against additions.
    """

    name: str
    title: str
    entries: tuple[Entry, ...]
    columns: tuple[str, ...]
    test: bool = True
    baseline: str | None = None
    plot: bool = False

    def on(self, dataset: str, test_dataset: str | None = None) -> Study:
        """The same study on another data set."""
        moved = (
            replace(entry, dataset=dataset, test_dataset=test_dataset) for entry in self.entries
        )
        return replace(self, entries=tuple(moved), title=f"{self.title} (here: {dataset})")

    def check_names(self, names: tuple[str, ...]) -> None:
        """Refuse names that are no entries."""
        known = [entry.name for entry in self.entries]
        for name in names:
            if name not in known:
                raise UserError(
                    f"Entry of study {self.name} must be one of {', '.join(known)}, not {name!r}"
                )
