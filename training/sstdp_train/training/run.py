"""One training run from samples to files: what the verb ``train`` and ``sstdp_train.train`` do."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sstdp_hw import __version__
from sstdp_hw.base import locks
from sstdp_hw.base.destination import check_folder
from sstdp_hw.base.errors import UserError, first_line
from sstdp_hw.base.files import write_json
from sstdp_hw.base.programs import refuse_stopped
from sstdp_hw.base.progress import progress, say
from sstdp_hw.base.tables import counted
from sstdp_hw.data.datasets import Samples
from sstdp_hw.network.chain import SPIKES
from sstdp_hw.network.float_network import FILE_NAME as FLOAT_FILE
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.layers import Array
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
from ..recipes.recipe import Recipe
from ..rule import processor
from ..rule.backend import Backend
from . import checkpoint, curves
from .job import Job, check
from .loop import Training, encode, generator_of, split
from .ranks import Ranks, joined, own_device

OUTPUTS = (FLOAT_FILE, checkpoint.FILE_NAME, "history.json", "curves.png", "train.json")
INITIALIZATION_IMAGES = 512
MEASURED_IMAGES = 100  # their many positions make up for their number
EVERY_EPOCH_SAID = 10  # with more epochs than this, only some are told in a log


def run(recipe: Recipe, job: Job) -> dict[str, Any]:
    """Train, choose the epoch by validation, test once, and write the files of the run.

    Returns
    -------
    dict
        The content of ``train.json``; of a run that its hours ended, where it stands. The same in
        all processes of a training, of which the first writes the files.

    Raises
    ------
    UserError
        On bad input, a damaged checkpoint, divergence, an output folder that cannot be written or
        that another process works with, or if one of the processes of a training is lost.
    """
    check(recipe, job)
    if job.out.exists() and not job.out.is_dir():
        raise UserError(f"{job.out}: must be a folder, not a file; choose another --out")
    check_folder(job.out)
    device = own_device(_device(job.device))
    ranks = joined(device)
    with locks.writing(job.out) if ranks.leads else nullcontext():
        return ranks.of_first(_run(recipe, job, device, ranks))


def _run(recipe: Recipe, job: Job, device: torch.device, ranks: Ranks) -> dict[str, Any]:
    start = time.monotonic()
    state = checkpoint.load(job.out / checkpoint.FILE_NAME) if job.resume else None
    backend = _backend(job, device, state)
    ranks.check_alike(
        {
            "sstdp-hw": __version__,
            "torch": str(torch.__version__),
            "data set": job.samples.digest,
            "backend": backend.name,
            "epochs done": state["epoch"] if state else 0,
            **{f"the recipe's {name}": value for name, value in recipe.as_dict().items()},
        }
    )
    with _one_thread():
        training = _set_up(recipe, job, device, backend, ranks)
    _export(recipe, job, training, {})  # refuses now what the file could not hold at the end
    data = {"train": job.samples.digest, "images": len(job.samples)}
    before = 0.0
    if state is not None:
        before = _resume(recipe, job, training, data, state)
    elif ranks.leads:
        _clear(job)
    with _one_thread():
        _train(recipe, job, training, data, start - before)
    if not ranks.leads:
        return {}
    if training.epoch < recipe.epochs:
        return _unfinished(job, training, before + time.monotonic() - start)
    training.network.load_state_dict(training.best["network"])
    with _out_of_memory_told(recipe):
        return _finish(recipe, job, training, before + time.monotonic() - start)


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


def _set_up(
    recipe: Recipe, job: Job, device: torch.device, backend: Backend, ranks: Ranks
) -> Training:
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
        ranks=ranks,
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
        earlier = int(state.get("processes", 1))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = first_line(error)[:100]
        raise UserError(f"{path}: checkpoint must fit its own recipe ({reason})") from None
    if earlier != training.ranks.count and training.ranks.leads:
        say(
            f"{path}: by {counted(earlier, 'rank')} so far, now by {training.ranks.count}: it "
            "ends at other bits"
        )
    return float(state["seconds"])


def earlier_files(out: Path) -> list[str]:
    """Names of what an earlier run, and what was made of it, has left in a folder."""
    found = [name for name in (*OUTPUTS, IMPORT) if (out / name).exists()]
    return found + run_folder.derived(out)


def _clear(job: Job) -> None:
    """Make room for a new run, so that no file of an old one stays beside it."""
    if job.init is not None and Path(job.init.source).resolve() == (job.out / FLOAT_FILE).resolve():
        raise UserError(
            f"{job.out}: must not be the run that training starts from; choose another --out"
        )
    found = earlier_files(job.out)
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
    ranks = training.ranks
    shown = progress(what, remaining * len(training.labels)) if ranks.leads else nullcontext(_quiet)
    with shown as advance, _out_of_memory_told(recipe):

        def trained(count: int) -> None:
            refuse_stopped()  # on a worker of a cluster: nobody waits for this any more
            advance(count)

        while training.epoch < recipe.epochs:
            entry = training.run_epoch(trained)
            if ranks.leads:
                _keep(recipe, job, training, data, time.monotonic() - start)
                _tell(recipe, entry)
            if ranks.of_first(time.monotonic() >= end):
                return


def _quiet(images: int) -> None:
    """Who does not lead does not show progress."""


def _keep(
    recipe: Recipe, job: Job, training: Training, data: dict[str, Any], seconds: float
) -> None:
    """Write the checkpoint."""
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
            "seconds": seconds,
            "processes": training.ranks.count,
        },
    )


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
    if not training.ranks.alone:
        summary["processes"] = training.ranks.count
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
