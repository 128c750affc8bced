"""What a page can show: the files of a run, its network, its test images and what the reference
says of them. What is not there is None, and `Evidence.missing` tells why."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ...base.errors import UserError
from ...base.files import file_digest, read_bytes, read_json
from ...base.tables import counted
from ...contract.directory import GeneratedDirectory
from ...contract.file_names import ARRAYS_FILE
from ...data import datasets
from ...data.samples import Samples
from ...network.float_network import FILE_NAME as FLOAT_FILE
from ...network.float_network import FloatNetwork
from ...network.layers import Array
from ...network.load import data_sets
from ...network.network import FILE_NAME, Network
from ...reference import inference as reference
from ...reference.evaluation import check_samples
from ...reference.inference import Inference
from ..run_report import RunReport, pick
from .study_file import find_study

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
HISTORY = "history.json"  # of training
EXPLORED = "explore.json"  # of `explore --json`
SEARCHED = "search.json"  # of `explore --search`


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything that a page is made of.

    Parameters
    ----------
    report : RunReport
    network : Network or None
    float_network : FloatNetwork or None
        What training wrote.
    hardware : GeneratedDirectory or None
    samples : Samples or None
        Test images, the first ones if there are many.
    inference : Inference or None
        What the reference says of ``samples``.
    answers : dict of arrays, or None
        ``results.npz``: one entry per image that was simulated, the first of ``samples`` or more.
    labels : int array or None
        Labels of the images of ``answers``.
    history : list of dict
        Epochs of training.
    explored : dict or None
        What `explore --json` wrote.
    searched : dict or None
        What `explore --search` wrote.
    study : dict or None
        The study that the run is of, and which of its entries it is.
    missing : dict of str
        What could not be read: subject, and why.
    """

    report: RunReport
    network: Network | None = None
    float_network: FloatNetwork | None = None
    hardware: GeneratedDirectory | None = None
    samples: Samples | None = None
    inference: Inference | None = None
    answers: dict[str, Array] | None = None
    labels: Array | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    explored: dict[str, Any] | None = None
    searched: dict[str, Any] | None = None
    study: dict[str, Any] | None = None
    missing: dict[str, str] = field(default_factory=dict)


def gather(report: RunReport, most: int, progress: Progress) -> Evidence:
    """Read what there is.

    Parameters
    ----------
    most : int
        Test images to run through the reference, at most; and the image of the first mismatch.
    progress : callable
        `sstdp_hw.base.progress.progress`.
    """
    missing: dict[str, str] = {}

    def tried(subject: str, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except UserError as error:
            missing[subject] = str(error)
            return None

    run, hardware = report.run, None
    if report.manifest:
        hardware = tried("accelerator", lambda: GeneratedDirectory.load(report.hardware))
    network = hardware.network if hardware else None
    if network is None and (run / FILE_NAME).is_file():
        network = tried("network", lambda: Network.load(run))
    float_network = None
    if (run / FLOAT_FILE).is_file():
        float_network = tried("float network", lambda: FloatNetwork.load(run / FLOAT_FILE))
    samples = inference = answers = labels = None
    whole = tried("test images", lambda: _samples(report, network)) if network else None
    if network and whole:
        samples = whole.first(most)
        with progress(f"Running {counted(len(samples), 'image')}", len(samples)) as advance:
            inference = reference.run(network, samples.images, progress=advance)
        if report.results and (report.hardware / ARRAYS_FILE).is_file():
            answers = tried("answers", lambda: _answers(report, whole))
            labels = whole.labels[: len(answers["predicted"])] if answers else None
    elif network is None:
        missing.setdefault("network", "none in this folder")
    explored = None
    if (run / EXPLORED).is_file():
        explored = tried("exploration", lambda: _explored(run / EXPLORED, network))
    searched = None
    if (run / SEARCHED).is_file():
        searched = tried("search", lambda: _searched(run / SEARCHED, run / FLOAT_FILE))
    history: list[dict[str, Any]] = []
    if report.train and (run / HISTORY).is_file():
        history = tried("training curves", lambda: _history(run / HISTORY)) or []
    return Evidence(
        report, network, float_network, hardware, samples, inference, answers, labels, history,
        explored, searched, tried("study", lambda: find_study(run)), missing,
    )  # fmt: skip


def _samples(report: RunReport, network: Network) -> Samples:
    train, test = data_sets(network.provenance)
    name = (
        pick(report.results, "dataset") or pick(report.train, "asked", "test_dataset")
        or pick(report.train, "asked", "dataset") or test or train
    )  # fmt: skip
    if not isinstance(name, str):
        raise UserError("no result and no network tells a data set")
    samples = datasets.load(name)
    check_samples(network, samples)
    return samples


def _answers(report: RunReport, samples: Samples) -> dict[str, Array]:
    """The arrays of the co-simulation, if they are of these images."""
    path = report.hardware / ARRAYS_FILE
    try:
        with np.load(io.BytesIO(read_bytes(path, "result"))) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise UserError(f"{path}: must hold the answers ({error}); simulate again") from None
    count = pick(report.results, "images")
    names = ("predicted", "decision_time", "silent", "cycles")
    if any(len(arrays.get(name, ())) != count for name in names):
        raise UserError(f"{path}: must have an entry for each of {count} images; simulate again")
    if samples.first(count).digest != pick(report.results, "dataset_digest"):
        raise UserError(f"{path}: must be of the images of {samples.name}; simulate again")
    return arrays


def _history(path: Path) -> list[dict[str, Any]]:
    epochs = read_json(path, "training curve").get("epochs")
    if not isinstance(epochs, list) or not all(isinstance(epoch, dict) for epoch in epochs):
        raise UserError(f"{path}: must have a list of epochs; train again")
    return epochs


def _explored(path: Path, network: Network | None) -> dict[str, Any]:
    explored = read_json(path, "exploration")
    if network is None or explored.get("digest") != network.digest:
        raise UserError(f"{path}: is of another network; explore again")
    if not explored.get("points") or not explored.get("front"):
        raise UserError(f"{path}: must have points and a front: {json.dumps(explored)[:40]}")
    return explored


def _searched(path: Path, float_file: Path) -> dict[str, Any]:
    searched = read_json(path, "search")
    own = file_digest(float_file) if float_file.is_file() else None
    if pick(searched, "made_of", "float network") != own:
        raise UserError(f"{path}: is of another float network; search again")
    if not searched.get("trials") or not searched.get("front"):
        raise UserError(f"{path}: must have trials and a front; search on with --search N")
    return searched
