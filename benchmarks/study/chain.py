"""The runs of one entry with one seed, each trained only if it is not there yet.

Beside what training writes, every run folder holds ``run.json``: what the run was made of (recipe,
digests of images and of the initial weights), whether it finished or failed, and its figures. It is
written before training starts as well, so that a checkpoint of something else is never continued.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import sstdp_train
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import read_json, sha256, write_json
from sstdp_hw.base.progress import say
from sstdp_hw.data import datasets
from sstdp_hw.data.datasets import Samples
from sstdp_hw.network.float_network import FILE_NAME as FLOAT_FILE
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_train.training.task import Trained, TrainingTask

from .declaration import Entry, Run
from .measurement import held_back, measure

RECORD = "run.json"
LOG = "log.txt"
STARTED, FINISHED, FAILED = "started", "finished", "failed"
NOT_RUN = "not run"

Record = dict[str, Any]


@dataclass(frozen=True)
class Chain:
    """All runs of one entry with one seed.

    Parameters
    ----------
    entry : Entry
    seed : int
    out : Path
        Folder of the study.
    test : bool
        Whether to look at the test images.
    epochs : int, optional
        Replaces the number of the first recipe.
    device : str
        As for `sstdp_train.train`.
    """

    entry: Entry
    seed: int
    out: Path
    test: bool
    epochs: int | None = None
    device: str = "cpu"

    @property
    def runs(self) -> tuple[Run, ...]:
        return self.entry.runs(self.seed, self.epochs)

    @property
    def folder(self) -> Path:
        return self.out / self.entry.name / f"seed-{self.seed}"

    def __str__(self) -> str:
        return f"{self.entry.name}, seed {self.seed}"


@dataclass(frozen=True)
class Data:
    """Images of a chain, and what names them in `RECORD`."""

    samples: Samples
    test: Samples | None
    digest: str
    test_digest: str | None

    @classmethod
    def of(cls, entry: Entry, test: bool) -> Data:
        samples = datasets.load(entry.dataset, "train")
        held_out = None
        if test and (entry.test_dataset or not entry.dataset.endswith(".npz")):
            held_out = datasets.load(entry.test_dataset or entry.dataset, "test")
        return cls(samples, held_out, samples.digest, held_out.digest if held_out else None)


@dataclass(frozen=True)
class Step:
    """One run of a chain."""

    chain: Chain
    run: Run


def code_digest() -> str:
    """Digest of the training code; a study says when its runs come from several."""
    files = Path(sstdp_train.__file__).parent.rglob("*")
    sources = sorted(path for path in files if path.suffix in (".py", ".c", ".cpp", ".h"))
    return sha256(*(path.read_bytes() for path in sources))


def look(chain: Chain, data: Data) -> list[Record | None]:
    """The records of the chain's runs; None for one that is missing, unfinished or outdated."""
    return [_kept(*_place(chain, run, data), data) for run in chain.runs]


def carry_out(step: Step, data: Data) -> Record | None:
    """Train and measure a run, here; None if it is there already.

    What training says goes to the chain's `LOG`.
    """
    return _recorded(step, data, lambda resume: _train(step, data, resume=resume))


def task_of(step: Step, data: Data) -> TrainingTask | None:
    """What another machine needs to train the run beside its images; None where there is nothing
    to train."""
    chain, run = step.chain, step.run
    folder, made_of = _place(chain, run, data)
    initial = _initial(step)
    if (
        _kept(folder, made_of, data) is not None
        or _is_trained(folder, made_of)
        or (initial and not initial.is_file())
    ):
        return None
    return TrainingTask(
        run.recipe, data.digest, data.test_digest, chain.device, _asked(step),
        initial.read_bytes() if initial else None, str(initial),
    )  # fmt: skip


def take(step: Step, data: Data, trained: Trained | None) -> Record | None:
    """Put what another machine trained into the run's folder, and measure it; None if the run was
    there already."""

    def put(resume: bool) -> None:
        assert trained is not None, "there was something to train"
        say(trained.log.rstrip())
        trained.put(step.chain.folder / step.run.name)

    return _recorded(step, data, put)


def _recorded(step: Step, data: Data, train: Callable[[bool], None]) -> Record | None:
    chain, run = step.chain, step.run
    chain.folder.mkdir(parents=True, exist_ok=True)
    if _kept(*_place(chain, run, data), data) is not None:
        return None
    with (
        (chain.folder / LOG).open("a", encoding="utf-8") as log,
        contextlib.redirect_stderr(log),
    ):
        say(f"{run.name}:")
        return _run(step, data, train)


def _place(chain: Chain, run: Run, data: Data) -> tuple[Path, Record]:
    """Folder of a run, and what it is made of."""
    initial = None
    if run.start:
        path = chain.folder / run.start / FLOAT_FILE
        initial = _weights_digest(path) if path.is_file() else "missing"
    return chain.folder / run.name, {
        "recipe": run.recipe.as_dict(),
        "data": data.digest,
        "initial": initial,
        "device": chain.device,
    }


def _weights_digest(path: Path) -> str:
    network = FloatNetwork.load(path)
    arrays = [network.encoder]
    for _, layer in network.weighted:
        arrays += [layer.weight, layer.threshold]
    return sha256(*(array.tobytes() for array in arrays))


def _read(folder: Path) -> Record:
    """The record of a run folder; empty if there is none."""
    path = folder / RECORD
    return read_json(path, "record") if path.is_file() else {}


def _kept(folder: Path, made_of: Record, data: Data) -> Record | None:
    record = _read(folder)
    if record.get("made_of") != made_of:
        return None
    if record["state"] == FAILED:  # other code may fare better
        return record if record["code"] == code_digest() else None
    if record["state"] != FINISHED or not (folder / FLOAT_FILE).is_file():
        return None
    return record if record["test"] == data.test_digest else None


def _is_trained(folder: Path, made_of: Record) -> bool:
    """Also if it was measured on other images."""
    before = _read(folder)
    same = before.get("made_of") == made_of
    return same and before["state"] == FINISHED and (folder / FLOAT_FILE).is_file()


def _run(step: Step, data: Data, train: Callable[[bool], None]) -> Record:
    """Have it trained, and measure it; ``train`` is told whether to go on from a checkpoint."""
    chain, run = step.chain, step.run
    folder, made_of = _place(chain, run, data)
    code, before = code_digest(), _read(folder)
    record = {"made_of": made_of, "code": code, "state": STARTED, "test": data.test_digest}
    same = before.get("made_of") == made_of
    try:
        if _is_trained(folder, made_of):
            record["code"] = before["code"]
        else:
            write_json(folder / RECORD, record)
            initial = _initial(step)
            if initial and not initial.is_file():
                raise UserError(f"the run that it starts from, {run.start}, failed")
            train(same and _has_checkpoint(folder))
        samples, split = data.test, "test"
        if samples is None:
            samples, split = held_back(data.samples, run.recipe), "validation"
            samples = samples.first(chain.entry.counted or len(samples))
        record |= {"state": FINISHED, "figures": measure(folder, samples, split)}
    except UserError as error:
        say(f"failed: {error}")
        record |= {"state": FAILED, "failure": str(error)}
    write_json(folder / RECORD, record)
    return record


def _initial(step: Step) -> Path | None:
    """The float network that a run starts from."""
    run = step.run
    return step.chain.folder / run.start / FLOAT_FILE if run.start else None


def _asked(step: Step) -> dict[str, str | None]:
    """For the provenance."""
    entry, initial = step.chain.entry, _initial(step)
    return {
        "dataset": entry.dataset,
        "test_dataset": entry.test_dataset,
        "init": str(initial.parent) if initial else None,
    }


def _has_checkpoint(folder: Path) -> bool:
    """Whether training can go on from the folder's checkpoint; a damaged one is left alone."""
    from sstdp_train.training import checkpoint

    try:
        checkpoint.load(folder / checkpoint.FILE_NAME)
    except UserError:
        return False
    return True


def _train(step: Step, data: Data, *, resume: bool) -> None:
    initial = _initial(step)
    sstdp_train.train(
        step.run.recipe, data.samples, data.test,
        out=step.chain.folder / step.run.name, init=initial and initial.parent, resume=resume,
        overwrite=not resume, device=step.chain.device, asked=_asked(step),
    )  # fmt: skip


@lru_cache(maxsize=1)
def data_of(dataset: str, test_dataset: str | None, test: bool) -> Data:
    """`Data.of` the entries of a data set, for a process that trains several of them."""
    return Data.of(Entry("", dataset, sstdp_train.Recipe(), test_dataset=test_dataset), test)
