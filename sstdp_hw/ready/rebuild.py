"""Makes a ready network again by its recorded commands and compares every weight."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import UserError
from ..base.files import read_json
from ..command.verb import Result
from ..data import datasets
from ..network.load import data_sets
from ..network.network import Network
from ..reference import inference as reference
from ..reference.evaluation import check_samples
from ..report.run_report import TRAIN, pick

PLACE = "{out}"  # in recorded commands: the folder of all runs
VARIABLE = "ATEN_CPU_CAPABILITY"  # PyTorch looks here for the vector instructions to use
BEFORE_RECORDED = "AVX512"  # the first ready networks do not tell; these reproduce them
SIGMAS = 2.0  # by so many standard deviations of chance a network may be worse and as good


@dataclass(frozen=True)
class Comparison:
    """The shipped network beside the one that was made again.

    Parameters
    ----------
    network : Network
        The one made again.
    differing : dict
        For every tensor that differs, how many of its values do.
    values : int
        Number of all values.
    """

    network: Network
    differing: dict[str, int]
    values: int

    @property
    def identical(self) -> bool:
        return not self.differing


@dataclass(frozen=True)
class Verdict:
    """Both networks on the test images.

    Parameters
    ----------
    images : int
    shipped, made : float
        Accuracies by rule 6.
    lost, won : int
        Images that only the shipped network, or only the one made again, answers right.
    """

    images: int
    shipped: float
    made: float
    lost: int
    won: int

    @property
    def as_good(self) -> bool:
        """Whether the one made again is no worse than chance explains.

        Of images that only one of two equally good networks answers right, each is as likely to be
        the one's as the other's (the sign test, or that of McNemar).
        """
        return self.lost - self.won <= SIGMAS * math.sqrt(self.lost + self.won)


def vector_instructions(network: Network) -> str:
    """With which instructions PyTorch computed when a ready network was made."""
    told = pick(network.provenance, "versions", "vector_instructions")
    return told if isinstance(told, str) else BEFORE_RECORDED


def chain(network: Network, out: Path | str) -> list[list[str]]:
    """The command lines, without ``sstdp-hw``, that make the network below the folder ``out``."""
    steps = network.provenance["ready"]["chain"]
    return [[part.replace(PLACE, str(out)) for part in step] for step in steps]


def rebuild(
    network: Network,
    out: Path,
    run_verb: Callable[[Sequence[str]], Result],
    tell: Callable[[int, Sequence[str]], None],
) -> Comparison:
    """Run the chain of a ready network below ``out`` and compare what comes out.

    Parameters
    ----------
    network : Network
    out : Path
        A new or empty folder.
    run_verb : callable
        Runs one command line.
    tell : callable
        Called with number and command line of every step before it runs.

    Raises
    ------
    UserError
        If the folder is not empty, the training images are others than the recorded ones, a recipe
        has changed since, or from a verb.
    """
    told = network.provenance["ready"]
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{out}: must be a new or empty folder; choose another --rebuild")
    if datasets.load(network.provenance["dataset"], "train").digest != told["training_data"]:
        raise UserError(
            f"Data set {network.provenance['dataset']}: training images must be those that "
            f"{network.source} was made of, and differ"
        )
    recipes = iter(training["recipe"] for training in told["trainings"])
    made = out
    with _computing_with(vector_instructions(network)):
        for place, command in enumerate(chain(network, out)):
            tell(place + 1, command)
            run_verb(command)
            made = Path(command[command.index("--out") + 1])
            if command[0] == "train":
                _check_recipe(read_json(made / TRAIN, "result")["recipe"], next(recipes))
    return compare(network, Network.load(made))


@contextmanager
def _computing_with(instructions: str) -> Iterator[None]:
    """Ask for vector instructions, unless PyTorch has begun to compute in this process already;
    training takes lower ones where the processor has not got them."""
    before = os.environ.get(VARIABLE)
    if instructions in ("DEFAULT", "AVX2", "AVX512"):
        os.environ[VARIABLE] = instructions.lower()
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before


def judge(network: Network, other: Network) -> Verdict:
    """Compare two networks by what they answer on the test images of the shipped one."""
    dataset, test = data_sets(network.provenance)
    samples = datasets.load(str(test or dataset), "test")
    right = []
    for entry in (network, other):
        check_samples(entry, samples)
        right.append(reference.run(entry, samples.images).classes == samples.labels)
    return Verdict(
        images=len(samples),
        shipped=float(right[0].mean()),
        made=float(right[1].mean()),
        lost=int(np.count_nonzero(right[0] & ~right[1])),
        won=int(np.count_nonzero(right[1] & ~right[0])),
    )


def _check_recipe(found: dict[str, Any], recorded: dict[str, Any]) -> None:
    for name, value in recorded.items():
        if found.get(name) != value:
            raise UserError(
                f"Recipe {recorded['name']}: {name} must be the recorded {value!r}, and is "
                f"{found.get(name)!r} in this version"
            )


def compare(network: Network, other: Network) -> Comparison:
    """Compare two networks, value by value."""
    ours, theirs = _tensors(network), _tensors(other)
    differing = {}
    for name, tensor in ours.items():
        beside = theirs.get(name)
        if beside is None or beside.shape != tensor.shape:
            differing[name] = tensor.size
        elif count := int(np.count_nonzero(beside != tensor)):
            differing[name] = count
    if not differing and network.digest != other.digest:
        differing["t_max or layers"] = 1
    return Comparison(other, differing, sum(tensor.size for tensor in ours.values()))


def _tensors(network: Network) -> dict[str, Any]:
    tensors = {"encoder": network.encoder}
    for index, layer in network.weighted:
        tensors |= {
            f"layers.{index}.weight": layer.weight,
            f"layers.{index}.threshold": layer.threshold,
        }
    return tensors
