"""The images whose spikes an estimate counts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from ...base.tables import counted
from ...data import datasets
from ...network.load import data_sets
from ...network.network import Network
from ...reference import inference as reference
from ...reference.evaluation import check_samples
from ...reference.inference import Inference

#: Images of the worst case: as many as it takes until the mean settles.
WORST_CASE_IMAGES = 16


@dataclass(frozen=True, eq=False)
class Workload:
    """What the accelerator is to do, in spikes.

    Parameters
    ----------
    inference : Inference
    source : str
        In words: "the first 200 test images of mnist".
    """

    inference: Inference
    source: str


def find_workload(
    network: Network,
    dataset: str | None,
    samples: int,
    *,
    progress: Callable[[str, int], AbstractContextManager[Callable[[int], None]]] | None = None,
) -> Workload:
    """The first ``samples`` test images of ``dataset``; by default of the data set that the
    network's provenance names, and if it names none `worst_case`.

    Parameters
    ----------
    progress : callable, optional
        Shows what is done, `sstdp_hw.base.progress.progress`: once the images are known to fit.

    Raises
    ------
    UserError
        If the data set is unknown or missing, or its images do not fit the network.
    """
    train, test = data_sets(network.provenance)
    name = dataset or test or train
    if name is None:
        return worst_case(network)
    chosen = datasets.load(name).first(samples)
    check_samples(network, chosen)
    if progress is None:
        inference = reference.run(network, chosen.images)
    else:
        what = f"Counting the spikes of {counted(len(chosen), 'image')}"
        with progress(what, len(chosen)) as advance:
            inference = reference.run(network, chosen.images, progress=advance)
    return Workload(inference, f"the first {len(chosen)} test images of {name}")


def worst_case(network: Network) -> Workload:
    """Every pixel and every neuron spikes before the decision: no image gives the layers more work.

    All spikes come in one step. What further steps cost is not work of the layers: up to three
    cycles a step in the encoder, which an image only feels where the layers have next to nothing to
    do (see "What is not in the bound" in docs/cost-model.md).
    """
    count = WORST_CASE_IMAGES

    def at_once(shape: tuple[int, ...]) -> np.ndarray:
        return np.zeros((count, *shape), np.uint8)

    classes = len(network.class_names)
    inference = Inference(
        classes=np.zeros(count, np.int64),
        decision_times=np.zeros(count, np.uint8),
        silent=np.zeros(count, bool),
        margins=np.zeros((count, classes), np.int64),
        spike_times=tuple(at_once(shape) for shape in network.shapes),
    )
    return Workload(inference, "the worst case, in which every pixel and every neuron spikes")
