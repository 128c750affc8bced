"""SSTDP training in PyTorch: rule, layers, recipes, training loop, export.

Importing this package does not import torch; calling `train` does, and asking for `nn`, the
modules for a training loop of your own.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .recipes.recipe import RECIPES, Recipe, fine_tuning, recipe_for

if TYPE_CHECKING:
    from sstdp_hw.data.datasets import Samples
    from sstdp_hw.network.float_network import FloatNetwork

    from . import nn as nn

__all__ = ["RECIPES", "Recipe", "fine_tuning", "nn", "recipe_for", "train"]


def __getattr__(name: str) -> Any:
    if name == "nn":
        return import_module(".nn", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def train(
    recipe: Recipe,
    samples: Samples,
    test: Samples | None = None,
    *,
    out: Path | str,
    init: FloatNetwork | Path | str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    backend: str = "auto",
    threads: int = 1,
    hours: float | None = None,
    command: str | None = None,
    asked: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Train a network and write its run folder.

    Parameters
    ----------
    recipe : Recipe
        For example ``recipe_for("digits")``, or ``fine_tuning(recipe, (4,))`` with ``init``.
    samples, test : Samples
        Training images, and images for the one look at the end.
    out : path
        Receives ``float.safetensors``, ``checkpoint.pt``, ``history.json``, ``curves.png`` and
        ``train.json``.
    init : FloatNetwork or path, optional
        Start from these weights; a path is a float network file or a run folder.
    resume, overwrite : bool
        Continue the run in ``out`` from its checkpoint; replace it.
    device : str
        ``cpu``, ``cuda`` or ``auto``.
    backend : str
        ``torch``, ``native`` (needs numba) or ``auto``: native where it can run.
    threads : int
        Of the native backend in normalized networks; they change no result.
    hours : float, optional
        Stop after the epoch in which they are over, to be continued with ``resume``.
    command, asked : optional
        For the provenance: the command line, and the names of data and initial network by which
        ``--resume`` and ``--init`` find them again.

    Returns
    -------
    dict
        The content of ``train.json``: recipe, seed, versions, wall seconds, accuracies. Of a run
        that its hours ended: ``finished`` (False), ``checkpoint``, ``epochs``, ``of_epochs``.

    Raises
    ------
    UserError
        On bad input, a damaged checkpoint, or divergence.
    """
    from sstdp_hw.network.float_network import FloatNetwork

    from .training.job import Job
    from .training.run import run

    if isinstance(init, Path | str):
        init = FloatNetwork.load(init)
    job = Job(
        samples=samples, test=test, out=Path(out), resume=resume, overwrite=overwrite,
        device=device, backend=backend, threads=threads, hours=hours, init=init, command=command,
        asked=asked or {},
    )  # fmt: skip
    return run(recipe, job)
