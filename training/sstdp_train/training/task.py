"""A training as a task of an engine: what goes in and what comes out can travel to another machine.

The checkpoint stays there and goes with the task: a training that is cut off begins again.
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import write_json, written_whole
from sstdp_hw.data.datasets import Samples
from sstdp_hw.engine.work import Advance, Work
from sstdp_hw.network.float_network import FILE_NAME as FLOAT_FILE
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.report import run_folder

from ..recipes.recipe import Recipe

SUMMARY = "train.json"


@dataclass(frozen=True)
class TrainingTask:
    """What a training is made of.

    Parameters
    ----------
    recipe : Recipe
    samples, test : str
        Digests of training and test images; None for no test images.
    device : str
    asked : mapping
        As of `sstdp_train.train`.
    initial : bytes, optional
        The float network file to start from.
    source : str
        What that file is called where it lies.
    """

    recipe: Recipe
    samples: str
    test: str | None
    device: str
    asked: Mapping[str, Any]
    initial: bytes | None = None
    source: str = ""


@dataclass(frozen=True)
class Trained:
    """A run folder on its way: its files by name, and what training said; or why there is none."""

    files: Mapping[str, bytes]
    log: str
    failure: str | None = None

    def put(self, out: Path) -> None:
        """Make ``out`` what it were if the training had been here, in place of an earlier run.

        Raises
        ------
        UserError
            If the training failed, or a file cannot be written.
        """
        from .run import earlier_files

        if self.failure is not None:
            raise UserError(self.failure)
        run_folder.remove(out, earlier_files(out))
        for name, data in self.files.items():
            with written_whole(out / name) as temporary:
                temporary.write_bytes(data)
        summary = json.loads(self.files[SUMMARY])
        write_json(out / SUMMARY, summary | {"float_network": str(out / FLOAT_FILE)})


#: A process has one number of threads for all of its sums, which a training settles.
_training = Lock()


def _train(
    data: Mapping[str, Samples], task: TrainingTask | None, _advance: Advance
) -> Trained | None:
    """On a worker: train in a folder that goes again."""
    if task is None:
        return None
    import torch

    from .. import train
    from . import checkpoint

    if task.device == "cuda" and not torch.cuda.is_available():
        raise UserError("the device cuda is not available on this worker")  # but on another, maybe
    log = io.StringIO()
    with (
        _training,
        tempfile.TemporaryDirectory(prefix="sstdp-train-") as name,
        contextlib.redirect_stderr(log),
    ):
        out, init = Path(name, "run"), None
        if task.initial is not None:
            path = Path(name, FLOAT_FILE)
            path.write_bytes(task.initial)
            init = replace(FloatNetwork.load(path), source=task.source)
        try:
            train(
                task.recipe, data[task.samples], None if task.test is None else data[task.test],
                out=out, init=init, device=task.device, asked=dict(task.asked),
            )  # fmt: skip
        except UserError as error:
            text = str(error)
            if name in text:  # of a folder that is there alone: it fails, with its log
                raise
            return Trained({}, log.getvalue(), text)
        files = {
            file.name: file.read_bytes()
            for file in sorted(out.iterdir())
            if file.is_file() and file.name != checkpoint.FILE_NAME
        }
    return Trained(files, log.getvalue())


#: Of images by their digests, a `TrainingTask` (or None) and a `Trained` (or None).
TRAINING = Work(
    nullcontext, _train, ("torch", "numpy", "numba", "safetensors"), programs=False, apart=True,
    unit="training",
)  # fmt: skip
