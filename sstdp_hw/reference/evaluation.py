"""What a network does on labelled images: accuracy, decision time, spikes and additions.

Images run in chunks, so that a whole test set of a large network needs little memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..base.errors import UserError
from ..data.datasets import Samples
from ..network.chain import INPUT_NAMES, SPIKES
from ..network.float_network import FloatNetwork
from ..network.network import Network
from . import inference as reference
from .additions import additions
from .inference import Inference

CHUNK = 2048


TIES_THAT_DECIDE = 0.05  # share of images that are right only if ties count


def ties_told(accuracy: float, ties_counted: float) -> str | None:
    """A line where many answers hang on ties for the first spike; None where few do."""
    lost = ties_counted - accuracy
    if lost < TIES_THAT_DECIDE:
        return None
    return (
        f"Ties decide: in {100 * lost:.1f} % of the images the right neuron fires first, and so "
        "does another one with a larger margin; train with more --steps, --loss decision, or "
        "longer"
    )


@dataclass(frozen=True)
class LayerActivity:
    """Spikes of the input or of a weighted layer, per image.

    Parameters
    ----------
    name : str
        ``"input"`` or the layer's name in the network file.
    neurons : int
    spikes : float
        Mean number of spikes if the inference runs to its end.
    spikes_until_decision : float
        Mean number of spikes up to the decision, which is where the accelerator stops.
    """

    name: str
    neurons: int
    spikes: float
    spikes_until_decision: float


@dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate`.

    Parameters
    ----------
    network, dataset : str
    kind : str
        ``"integer"`` or ``"float"``.
    images : int
    accuracy : float
        By rule 6 on all images.
    accuracy_ties_counted : float
        Ties for the first spike counted as correct, as the SSTDP paper's script does; for
        comparison with it only.
    mean_decision_time : float
        In steps; a silent image counts as ``t_max``.
    t_max : int
    silent : float
        Share of images without an output spike.
    layers : tuple of LayerActivity
    additions, additions_without_exit : float
        Mean per image, up to the decision and to the end.
    multiply_accumulates : int
        Of the same network without spikes.
    seconds, images_per_second : float
    """

    network: str
    dataset: str
    kind: str
    images: int
    accuracy: float
    accuracy_ties_counted: float
    mean_decision_time: float
    t_max: int
    silent: float
    layers: tuple[LayerActivity, ...]
    additions: float
    additions_without_exit: float
    multiply_accumulates: int
    seconds: float
    images_per_second: float

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "layers": [asdict(layer) for layer in self.layers]}


def check_samples(network: Network | FloatNetwork, samples: Samples) -> None:
    """Refuse samples that are empty, do not fit the network's input, or have labels beyond it."""
    if not len(samples):
        raise UserError(f"Data set {samples.name}: must have at least one image, not 0")
    if samples.input_kind != network.input_kind:
        raise UserError(
            f"Data set {samples.name}: must hold {INPUT_NAMES[network.input_kind]}, which the "
            f"network takes, not {samples.what}"
        )
    if samples.images.shape[1:] != tuple(network.input_shape):
        raise UserError(
            f"Data set {samples.name}: {samples.what} must have the network's input shape "
            f"{list(network.input_shape)}, not {list(samples.images.shape[1:])}"
            f"{reference.shape_hint(network, samples.images)}"
        )
    if network.input_kind == SPIKES:
        _check_silent(network, samples)
    classes = len(network.class_names)
    if samples.labels.max() >= classes:
        raise UserError(
            f"Data set {samples.name}: labels must be below the network's {classes} classes, "
            f"not {samples.labels.max()}"
        )


def _check_silent(network: Network | FloatNetwork, samples: Samples) -> None:
    """Refuse spike times in which another number than the network's means silent."""
    if samples.t_max is not None and samples.t_max != network.t_max:
        raise UserError(
            f"Data set {samples.name}: spike times must be in the network's {network.t_max} steps, "
            f"not in {samples.t_max}; of recordings the option steps says in how many"
        )
    if samples.images.max() > network.t_max:
        raise UserError(
            f"Data set {samples.name}: spike times must not exceed the network's t_max "
            f"{network.t_max}, which is silent, not {samples.images.max()}"
        )


def chunks(samples: Samples) -> Iterator[Samples]:
    """The samples in order, `CHUNK` at a time."""
    for start in range(0, len(samples), CHUNK):
        yield samples.part(slice(start, start + CHUNK))


def evaluate(
    network: Network | FloatNetwork,
    samples: Samples,
    *,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Run all samples through the reference.

    Parameters
    ----------
    network : Network or FloatNetwork
    samples : Samples
    progress : callable, optional
        Called with the number of images done since the last call.

    Raises
    ------
    UserError
        If the samples do not fit the network.
    """
    check_samples(network, samples)
    sums = np.zeros(6, np.int64)
    spikes = np.zeros((1 + len(network.weighted), 2))
    seconds = 0.0
    for chunk in chunks(samples):
        start = time.perf_counter()
        inference = reference.run(network, chunk.images, progress=progress)
        seconds += time.perf_counter() - start
        sums += [  # whole numbers, so that the chunks leave no trace in the means
            round(inference.accuracy(chunk.labels) * len(chunk)),
            round(inference.accuracy_ties_counted(chunk.labels) * len(chunk)),
            inference.decision_times.sum(dtype=np.int64),
            inference.silent.sum(),
            additions(network, inference).sum(),
            additions(network, inference, up_to_decision=False).sum(),
        ]
        spikes += _spikes(network, inference)
    means = [float(value) for value in sums / len(samples)]
    return Evaluation(
        network=network.name,
        dataset=samples.name,
        kind="integer" if isinstance(network, Network) else "float",
        images=len(samples),
        accuracy=means[0],
        accuracy_ties_counted=means[1],
        mean_decision_time=means[2],
        t_max=network.t_max,
        silent=means[3],
        layers=tuple(
            LayerActivity(name, int(np.prod(network.shapes[place])), float(all_), float(needed))
            for (name, place), (all_, needed) in zip(
                reference.sent_places(network).items(), spikes / len(samples), strict=True
            )
        ),
        additions=means[4],
        additions_without_exit=means[5],
        multiply_accumulates=network.multiply_accumulates,
        seconds=seconds,
        images_per_second=len(samples) / seconds,
    )


def _spikes(network: Network | FloatNetwork, inference: Inference) -> Any:
    """Spikes of the input and of every weighted layer, all and up to the decision, summed."""
    last = inference.last_steps()[:, None]
    rows = []
    for place in reference.sent_places(network).values():
        times = reference.sent_spikes(network, inference, place)
        rows.append([np.count_nonzero(times < network.t_max), np.count_nonzero(times <= last)])
    return np.array(rows, np.float64)
