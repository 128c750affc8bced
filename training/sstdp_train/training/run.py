"""One training run from samples to files: what the verb ``train`` and ``sstdp_train.train`` do."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sstdp_hw import __version__
from sstdp_hw.base import locks
from sstdp_hw.base.destination import check_folder
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import write_json
from sstdp_hw.base.programs import refuse_stopped
from sstdp_hw.base.progress import progress, say
from sstdp_hw.base.tables import counted
from sstdp_hw.data.datasets import Samples, looks_channels_last
from sstdp_hw.network.chain import INPUT_NAMES, SPIKES
from sstdp_hw.network.float_network import FILE_NAME as FLOAT_FILE
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.layers import Array
from sstdp_hw.quantization.quantize import refuse_pruned_pixels
from sstdp_hw.reference import inference as reference
from sstdp_hw.report import run_folder
from sstdp_hw.report.run_report import IMPORT

from ..backends.choice import backend_for
from ..network import export
from ..network.encoder import (
    bright_dark_tables,
    earliness_table,
    equalized_table,
    planes_of,
    spike_shape,
    ttfs_table,
)
from ..network.layers import SpikingNetwork, initialize
from ..network.normalized import NormalizedNetwork
from ..recipes.architecture import names_of, place
from ..recipes.recipe import Recipe
from ..rule import processor
from ..rule.backend import Backend
from . import checkpoint, curves
from .loop import Training, encode, generator_of, split

OUTPUTS = (FLOAT_FILE, checkpoint.FILE_NAME, "history.json", "curves.png", "train.json")
INITIALIZATION_IMAGES = 512
MEASURED_IMAGES = 100  # their many positions make up for their number
EVERY_EPOCH_SAID = 10  # with more epochs than this, only some are told in a log


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


def run(recipe: Recipe, job: Job) -> dict[str, Any]:
    """Train, choose the epoch by validation, test once, and write the files of the run.

    Returns
    -------
    dict
        The content of ``train.json``; of a run that its hours ended, where it stands.

    Raises
    ------
    UserError
        On bad input, a damaged checkpoint, divergence, or an output folder that cannot be written
        or that another process works with.
    """
    _check(recipe, job)
    if job.out.exists() and not job.out.is_dir():
        raise UserError(f"{job.out}: must be a folder, not a file; choose another --out")
    check_folder(job.out)
    with locks.writing(job.out):
        return _run(recipe, job)


def _run(recipe: Recipe, job: Job) -> dict[str, Any]:
    start = time.monotonic()
    device = _device(job.device)
    state = checkpoint.load(job.out / checkpoint.FILE_NAME) if job.resume else None
    backend = _backend(job, device, state)
    with _one_thread():
        training = _set_up(recipe, job, device, backend)
    _export(recipe, job, training, {})  # refuses now what the file could not hold at the end
    data = {"train": job.samples.digest, "images": len(job.samples)}
    before = 0.0
    if state is not None:
        before = _resume(recipe, job, training, data, state)
    else:
        _clear(job)
    with _one_thread():
        _train(recipe, job, training, data, start - before)
    if training.epoch < recipe.epochs:
        return _unfinished(job, training, before + time.monotonic() - start)
    training.network.load_state_dict(training.best["network"])
    with _out_of_memory_told(recipe):
        return _finish(recipe, job, training, before + time.monotonic() - start)


def _check(recipe: Recipe, job: Job) -> None:
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


@contextmanager
def _one_thread() -> Iterator[None]:
    """Work on one core: the order of a sum, and so its last bits, is the same on every machine, and
    training is faster. The event lists of a batch are too short to share out: a second thread
    mostly waits, and on a busy machine it makes training several times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise UserError(f"Device must be cpu, cuda or auto, not {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "Device cuda must be available to this PyTorch, and is not; use --device cpu"
        )
    return torch.device(name)


def _backend(job: Job, device: torch.device, state: dict[str, Any] | None) -> Backend:
    """The backend asked for; a resumed run keeps its own, so that it ends at the same bits."""
    name = state["backend"] if state is not None and job.backend == "auto" else job.backend
    return backend_for(name, device, job.threads)


def encoder_table(recipe: Recipe, samples: Samples, init: FloatNetwork | None = None) -> Array:
    """The encoder: of the network that training starts from, or the recipe's."""
    if samples.input_kind == SPIKES:
        return earliness_table(recipe.t_max)
    if init is not None:
        assert init.encoder is not None, "of the same kind of input"
        return init.encoder
    if recipe.encoding == "bright-dark":
        return bright_dark_tables(recipe.t_max, recipe.bright, recipe.dark, recipe.contrast)
    if recipe.encoding == "equalized":
        return equalized_table(recipe.t_max, recipe.cutoff, samples.images)
    return ttfs_table(recipe.t_max, recipe.cutoff)


def _set_up(recipe: Recipe, job: Job, device: torch.device, backend: Backend) -> Training:
    samples = job.samples
    parts = split(len(samples), recipe.validation_share, recipe.seed)
    pixels = samples.images
    if samples.input_kind == SPIKES:  # as if they were pixels: dark is silent, at borders, too
        pixels = np.uint8(recipe.t_max) - pixels
    images, held_back_images = (torch.from_numpy(pixels[part]) for part in parts)
    labels, held_back_labels = (
        torch.from_numpy(samples.labels[part].astype(np.int64)) for part in parts
    )
    table = torch.from_numpy(encoder_table(recipe, samples, job.init).copy())
    shape = spike_shape(images.shape[1:], planes_of(table))
    kind = SpikingNetwork if recipe.normalization == "none" else NormalizedNetwork
    network = kind(shape, len(samples.class_names), recipe, backend)
    if not isinstance(network, NormalizedNetwork):
        _begin(network, job, table, images, recipe)
    training = Training(
        network=network.to(device),
        recipe=recipe,
        table=table.to(device),
        images=images.to(device),
        labels=labels.to(device),
        validation_images=held_back_images.to(device),
        validation_labels=held_back_labels.to(device),
    )
    if isinstance(network, NormalizedNetwork):
        _begin_normalized(network, job, training, recipe)
    return training


def _begin(
    network: SpikingNetwork, job: Job, table: Tensor, images: Tensor, recipe: Recipe
) -> None:
    """First weights, on the CPU whatever the device, so that they are the same everywhere."""
    if job.init is not None:
        export.load_weights(network, job.init)
    else:
        first = encode(table, images[:INITIALIZATION_IMAGES])
        initialize(network, first, recipe, generator_of(recipe.seed, 0))
    if recipe.weight_widths:
        export.fit_grids(network, recipe.weight_widths)


def _begin_normalized(
    network: NormalizedNetwork, job: Job, training: Training, recipe: Recipe
) -> None:
    """First weights, and thresholds measured where the network is trained."""
    first = training.encode(training.images[:MEASURED_IMAGES])
    if job.init is not None:
        network.load(export.weights_of(job.init, network.placed), first)
    else:
        network.initialize(first, generator_of(recipe.seed, 0))


def _resume(
    recipe: Recipe, job: Job, training: Training, data: dict[str, Any], state: dict[str, Any]
) -> float:
    """Restore the checkpoint; return the seconds that the run has already taken."""
    path = job.out / checkpoint.FILE_NAME
    for name, value in recipe.as_dict().items():
        if state["recipe"].get(name, Recipe.default(name)) != value:
            raise UserError(
                f"{path}: recipe must be the same to resume, and {name} was "
                f"{state['recipe'].get(name, Recipe.default(name))!r}, not {value!r}"
            )
    if state["data"] != data:
        raise UserError(f"{path}: data set must be the same to resume, and its images have changed")
    try:
        for network in (training.network, training.result):
            for module, grid in zip(network.layers, state["scales"], strict=True):
                if grid is not None:
                    module.grid = export.Grid(*grid)
        training.restore(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0][:100]
        raise UserError(f"{path}: checkpoint must fit its own recipe ({reason})") from None
    return float(state["seconds"])


def _clear(job: Job) -> None:
    """Make room for a new run, so that no file of an old one stays beside it."""
    if job.init is not None and Path(job.init.source).resolve() == (job.out / FLOAT_FILE).resolve():
        raise UserError(
            f"{job.out}: must not be the run that training starts from; choose another --out"
        )
    found = [name for name in (*OUTPUTS, IMPORT) if (job.out / name).exists()]
    found += run_folder.derived(job.out)
    if found and not job.overwrite:
        raise UserError(
            f"{job.out}: must hold no earlier run, and holds {found[0]}; continue it with "
            "--resume, replace it with --overwrite, or choose another --out"
        )
    if told := run_folder.remove(job.out, found):
        say(told)


def _train(
    recipe: Recipe, job: Job, training: Training, data: dict[str, Any], start: float
) -> None:
    remaining = recipe.epochs - training.epoch
    if remaining <= 0:
        return
    end = math.inf if job.hours is None else time.monotonic() + 3600 * job.hours
    what = f"Training {job.samples.name} ({recipe.name}), {counted(remaining, 'epoch')}"
    with progress(what, remaining * len(training.labels)) as advance, _out_of_memory_told(recipe):

        def trained(count: int) -> None:
            refuse_stopped()  # on a worker of a cluster: nobody waits for this any more
            advance(count)

        while training.epoch < recipe.epochs:
            entry = training.run_epoch(trained)
            checkpoint.save(
                job.out / checkpoint.FILE_NAME,
                {
                    **training.state(),
                    "recipe": recipe.as_dict(),
                    "data": data,
                    "backend": training.network.backend.name,
                    "asked": job.asked,
                    "scales": [
                        module.grid and (module.grid.width, module.grid.scale)
                        for module in training.network.layers
                    ],
                    "seconds": time.monotonic() - start,
                },
            )
            _tell(recipe, entry)
            if time.monotonic() >= end:
                return


def _unfinished(job: Job, training: Training, seconds: float) -> dict[str, Any]:
    last = training.history[-1]
    return {
        "finished": False,
        "checkpoint": str(job.out / checkpoint.FILE_NAME),
        "epochs": training.epoch,
        "of_epochs": training.recipe.epochs,
        "validation_accuracy": last["validation_accuracy"],
        "wall_seconds": round(seconds, 1),
    }


def _tell(recipe: Recipe, entry: dict[str, Any]) -> None:
    every = max(1, recipe.epochs // EVERY_EPOCH_SAID)
    if entry["epoch"] % every and entry["epoch"] != recipe.epochs:
        return
    validation = entry["validation_accuracy"]
    shown = "" if validation is None else f", validation {100 * validation:.2f} %"
    say(
        f"epoch {entry['epoch']}: loss {entry['loss']:.4f}, training "
        f"{100 * entry['train_accuracy']:.2f} %{shown}, {entry['seconds']:.1f} s"
    )


@contextmanager
def _out_of_memory_told(recipe: Recipe) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        raise UserError(
            f"Device memory must hold a batch of {recipe.batch_size} images, and does not; "
            "lower --batch-size"
        ) from None


def _finish(recipe: Recipe, job: Job, training: Training, seconds: float) -> dict[str, Any]:
    """Export, look at the test images once, write the files."""
    summary: dict[str, Any] = {
        "dataset": job.samples.name,
        "recipe": recipe.as_dict(),
        "seed": recipe.seed,
        "command": job.command,
        "asked": job.asked,
        "versions": _versions(),
        "device": str(training.table.device),
        "backend": training.network.backend.name,
        "wall_seconds": round(seconds, 1),
        "training_images": len(training.labels),
        "validation_images": len(training.validation_labels),
        "parameters": sum(layer.weight.numel() for layer in training.network.layers),
        "epochs": training.epoch,
        "exported_epoch": training.best["epoch"],
        "validation_accuracy": training.best["validation_accuracy"],
        "test_images": 0 if job.test is None else len(job.test),
        "test_accuracy": None,
        "test_accuracy_ties_counted": None,
    }
    if job.init is not None:
        summary["initial"] = {"source": job.init.source, **_accuracies(job.init.provenance)}
    network = _export(recipe, job, training, summary)
    if job.test is not None:
        inference = reference.run(network, job.test.images)
        summary["test_accuracy"] = inference.accuracy(job.test.labels)
        summary["test_accuracy_ties_counted"] = inference.accuracy_ties_counted(job.test.labels)
    network.save(job.out / FLOAT_FILE)  # its provenance is the same dict, now with the accuracies
    write_json(job.out / "history.json", {"epochs": training.history})
    curves.draw(job.out / "curves.png", training.history, f"{network.name}, recipe {recipe.name}")
    summary = {**summary, "float_network": str(job.out / FLOAT_FILE)}
    write_json(job.out / "train.json", summary)
    return summary


def _export(
    recipe: Recipe, job: Job, training: Training, provenance: dict[str, Any]
) -> FloatNetwork:
    of_pixels = job.samples.input_kind != SPIKES
    encoder = training.table.cpu().numpy() if of_pixels else None
    return export.to_float_network(training.network, recipe, job.samples, provenance, encoder)


def _accuracies(provenance: dict[str, Any]) -> dict[str, Any]:
    return {
        name: provenance.get(name)
        for name in ("validation_accuracy", "test_accuracy", "test_accuracy_ties_counted")
    }


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
        "sstdp-hw": __version__,
        "vector_instructions": processor.found(),
    }
