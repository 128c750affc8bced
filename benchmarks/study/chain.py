"""The runs of one entry with one seed, each trained only if it is not there yet.

Beside what training writes, every run folder holds ``run.json``: what the run was made of (recipe,
digests of images and of the initial weights), whether it finished or failed, and its figures. It is
written before training starts as well, so that a checkpoint of something else is never continued.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
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


def code_digest() -> str:
    """Digest of the training code; a study says when its runs come from several."""
    files = Path(sstdp_train.__file__).parent.rglob("*")
    sources = sorted(path for path in files if path.suffix in (".py", ".c", ".cpp", ".h"))
    return sha256(*(path.read_bytes() for path in sources))


def look(chain: Chain, data: Data) -> list[Record | None]:
    """The records of the chain's runs; None for one that is missing, unfinished or outdated."""
    return [_kept(*_place(chain, run, data), data) for run in chain.runs]


def carry_out(
    chain: Chain, report: Callable[[Run, Record], None], data: Data | None = None
) -> None:
    """Train and measure what `look` does not find; call ``report`` after each run done.

    What training says goes to the chain's `LOG`.
    """
    data = data or Data.of(chain.entry, chain.test)
    chain.folder.mkdir(parents=True, exist_ok=True)
    for run in chain.runs:
        if _kept(*_place(chain, run, data), data) is None:
            with (
                (chain.folder / LOG).open("a", encoding="utf-8") as log,
                contextlib.redirect_stderr(log),
            ):
                say(f"{run.name}:")
                record = _run(chain, run, data)
            report(run, record)


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


def _run(chain: Chain, run: Run, data: Data) -> Record:
    folder, made_of = _place(chain, run, data)
    code, before = code_digest(), _read(folder)
    record = {"made_of": made_of, "code": code, "state": STARTED, "test": data.test_digest}
    same = before.get("made_of") == made_of
    try:
        if same and before["state"] == FINISHED and (folder / FLOAT_FILE).is_file():
            record["code"] = before["code"]  # trained, but measured on other images
        else:
            write_json(folder / RECORD, record)
            _train(chain, run, data, resume=same and _has_checkpoint(folder))
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


def _has_checkpoint(folder: Path) -> bool:
    """Whether training can go on from the folder's checkpoint; a damaged one is left alone."""
    from sstdp_train.training import checkpoint

    try:
        checkpoint.load(folder / checkpoint.FILE_NAME)
    except UserError:
        return False
    return True


def _train(chain: Chain, run: Run, data: Data, *, resume: bool) -> None:
    folder, initial = chain.folder / run.name, None
    if run.start:
        initial = chain.folder / run.start
        if not (initial / FLOAT_FILE).is_file():
            raise UserError(f"the run that it starts from, {run.start}, failed")
    sstdp_train.train(
        run.recipe, data.samples, data.test,
        out=folder, init=initial, resume=resume, overwrite=not resume, device=chain.device,
        asked={
            "dataset": chain.entry.dataset,
            "test_dataset": chain.entry.test_dataset,
            "init": str(initial) if initial else None,
        },
    )  # fmt: skip
