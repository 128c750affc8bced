"""What a training run is asked for, and whether its parts fit each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.progress import say
from sstdp_hw.data.datasets import Samples, looks_channels_last
from sstdp_hw.network.chain import INPUT_NAMES, SPIKES
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.quantization.quantize import refuse_pruned_pixels

from ..network.encoder import spike_shape
from ..recipes.architecture import names_of, place
from ..recipes.recipe import Recipe


@dataclass(frozen=True)
class Job:
    """What `run` needs beside the recipe.

    Parameters
    ----------
    samples : Samples
        Training images.
    test : Samples or None
        Images for the one look at the end; without them the test accuracy is null.
    out : Path
        Folder of the run.
    resume : bool
        Continue from the folder's checkpoint.
    overwrite : bool
        Replace an earlier run in the folder.
    device : str
        ``cpu``, ``cuda`` or ``auto``.
    backend : str
        ``torch``, ``native`` or ``auto``: that of the resumed run, else native where it can run.
    threads : int
        Of the native backend, where they change no result.
    hours : float or None
        Stop after the epoch in which the run has taken so long, to be resumed.
    init : FloatNetwork or None
        Start from these weights instead of random ones.
    command : str or None
    asked : dict
        For the provenance: command line, and names of data and initial network.
    """

    samples: Samples
    test: Samples | None
    out: Path
    resume: bool = False
    overwrite: bool = False
    device: str = "auto"
    backend: str = "auto"
    threads: int = 1
    hours: float | None = None
    init: FloatNetwork | None = None
    command: str | None = None
    asked: dict[str, Any] = field(default_factory=dict)


def check(recipe: Recipe, job: Job) -> None:
    """Refuse what cannot be trained, before the work is begun.

    Raises
    ------
    UserError
        If data, recipe, initial network and the other choices do not fit each other.
    """
    samples, test = job.samples, job.test
    if job.threads < 1:
        raise UserError(f"Threads must be at least 1, not {job.threads}")
    if job.hours is not None and not job.hours > 0:
        raise UserError(f"Hours must be above 0, not {job.hours:g}")
    if job.init is None:
        _check_axes(samples)
    planes = recipe.planes if job.init is None else job.init.planes
    inputs = spike_shape(samples.images.shape[1:], planes)
    place(recipe.layers, inputs, len(samples.class_names))  # refuses misfits
    if len(samples.labels) - round(len(samples) * recipe.validation_share) < 1:
        raise UserError(f"Data set {samples.name}: must have at least one training image, not 0")
    if int(samples.labels.max()) >= len(samples.class_names):
        raise UserError(
            f"Data set {samples.name}: labels must be below its {len(samples.class_names)} "
            f"classes, not {int(samples.labels.max())}"
        )
    if job.init is None:
        _check_classes(samples)
    for part in (samples, *([] if test is None else [test])):
        _check_input(recipe, job, part)
    if test is not None and test.images.shape[1:] != samples.images.shape[1:]:
        raise UserError(
            f"Test data set {test.name}: images must have the shape of the training images, "
            f"{list(samples.images.shape[1:])}, not {list(test.images.shape[1:])}"
        )
    if test is not None and len(test) == 0:
        raise UserError(f"Test data set {test.name}: must have at least one image, not 0")
    if test is not None and int(test.labels.max()) >= len(samples.class_names):
        raise UserError(
            f"Test data set {test.name}: labels must be below the {len(samples.class_names)} "
            f"classes of {samples.name}, not {int(test.labels.max())}"
        )
    if job.init is not None:
        if tuple(job.init.input_shape) != samples.images.shape[1:]:
            raise UserError(
                f"{job.init.source}: input_shape must be that of data set {samples.name}, "
                f"{list(samples.images.shape[1:])}, not {list(job.init.input_shape)}"
            )
        if len(job.init.class_names) != len(samples.class_names):
            raise UserError(
                f"{job.init.source}: class_names must be as many as data set {samples.name} has, "
                f"{len(samples.class_names)}, not {len(job.init.class_names)}"
            )
        layers = names_of(job.init.layers)
        if job.init.t_max != recipe.t_max or layers != recipe.layers:
            raise UserError(
                f"{job.init.source}: t_max and layers must be the recipe's, {recipe.t_max} and "
                f"{list(recipe.layers)}, not {job.init.t_max} and {list(layers)}"
            )
        refuse_pruned_pixels(job.init, recipe.weight_widths)


def _check_input(recipe: Recipe, job: Job, samples: Samples) -> None:
    """Refuse images beside spike times, and spike times that the recipe has no use for."""
    wanted = job.samples.input_kind if job.init is None else job.init.input_kind
    if samples.input_kind != wanted:
        raise UserError(
            f"Data set {samples.name}: must hold {INPUT_NAMES[wanted]}, not {samples.what}"
        )
    if samples.input_kind != SPIKES:
        return
    if samples.t_max not in (None, recipe.t_max):
        raise UserError(
            f"Data set {samples.name}: spike times must be in the recipe's {recipe.t_max} steps, "
            f"not in {samples.t_max}; train with --steps {samples.t_max}"
        )
    if samples.images.max() > recipe.t_max:
        raise UserError(
            f"Data set {samples.name}: spike times must not exceed the recipe's t_max "
            f"{recipe.t_max}, which is silent, not {samples.images.max()}"
        )
    for name, used in (("planes", recipe.planes > 1), ("cutout", recipe.cutout)):
        if used:
            raise UserError(f"Recipe {recipe.name}: {name} must be left out for spike times")


def _check_axes(samples: Samples) -> None:
    """Refuse images whose rows would be taken for channels."""
    shape = samples.images.shape[1:]
    if looks_channels_last(shape):
        channels, height, width = shape
        raise UserError(
            f"Data set {samples.name}: images must be [N, C, H, W], and {list(shape)} looks like "
            "[H, W, C]; use images.transpose(0, 3, 1, 2), or, if there really are "
            f"{channels} channels of {height}x{width}, images.transpose(0, 1, 3, 2)"
        )


def _check_classes(samples: Samples) -> None:
    """Tell of classes without an image; refuse if they are most."""
    seen = np.isin(np.arange(len(samples.class_names)), samples.labels)
    absent = np.flatnonzero(~seen)
    if not len(absent):
        return
    shown = ", ".join(str(label) for label in absent[:3]) + (", ..." if len(absent) > 3 else "")
    text = (
        f"Data set {samples.name}: {len(absent)} of {len(seen)} classes have no training image "
        f"({shown}), and labels must be 0 to the number of classes without gaps"
    )
    if len(absent) > seen.sum():
        raise UserError(f"{text}; use np.unique(labels, return_inverse=True)[1]")
    say(f"{text}; their outputs learn to stay silent")
