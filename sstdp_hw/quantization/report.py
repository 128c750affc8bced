"""What quantization cost: accuracy before and after, spikes that moved, weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..data.datasets import Samples
from ..network.float_network import FloatNetwork
from ..network.layers import Array
from ..network.network import Network
from ..reference import inference as reference
from ..reference.evaluation import check_samples, chunks
from .quantize import LayerQuantization, integer_range

EXACT_HISTOGRAM_WIDTH = 6  # up to 64 values each get their own count
BINS = 64


@dataclass(frozen=True)
class Accuracy:
    """Accuracy of one kind of the network on the images of the report.

    Parameters
    ----------
    rule_6 : float
        Share of images whose class by rule 6 is the label.
    ties_counted : float
        Ties for the first spike counted as correct, for comparison with the SSTDP paper only.
    mean_decision_time : float
        In steps; a silent image counts as ``t_max``.
    silent : float
        Share of images without an output spike.
    """

    rule_6: float
    ties_counted: float
    mean_decision_time: float
    silent: float


@dataclass(frozen=True)
class Changes:
    """What differs between the float and the integer network, as shares.

    Parameters
    ----------
    classes, decision_times : float
        Share of images whose class, or decision time, differs.
    spikes : tuple of float
        Share of spike times that differ, per weighted layer.
    """

    classes: float
    decision_times: float
    spikes: tuple[float, ...]


@dataclass(frozen=True)
class QuantizationReport:
    """The result of `report`.

    Parameters
    ----------
    network : str
    layers : tuple of LayerQuantization
    histograms : tuple of dict
        Per weighted layer ``{"values", "counts"}``, a count for every integer; for widths above
        `EXACT_HISTOGRAM_WIDTH` ``{"edges", "counts"}`` of equal bins, each from its edge up.
    dataset, split : str or None
        What the accuracies were measured on; None if on nothing.
    images : int
    before, after : Accuracy or None
        Of the float and of the integer network.
    changes : Changes or None
    """

    network: str
    layers: tuple[LayerQuantization, ...]
    histograms: tuple[dict[str, list[int]], ...]
    dataset: str | None = None
    split: str | None = None
    images: int = 0
    before: Accuracy | None = None
    after: Accuracy | None = None
    changes: Changes | None = None

    def to_json(self) -> dict[str, Any]:
        value = asdict(self)
        layers = []
        for place, layer in enumerate(self.layers):
            moved = None if self.changes is None else self.changes.spikes[place]
            layers.append(
                {**asdict(layer), "spikes_moved": moved, "histogram": self.histograms[place]}
            )
        del value["histograms"]
        if value["changes"]:
            value["changes"]["spikes"] = list(value["changes"]["spikes"])
        return {**value, "layers": layers}


def report(
    network: FloatNetwork,
    integers: Network,
    layers: Sequence[LayerQuantization],
    samples: Samples | None = None,
    *,
    split: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> QuantizationReport:
    """Compare a float network with the integers made of it.

    Parameters
    ----------
    network, integers, layers
        What `sstdp_hw.quantization.quantize.quantize` was given and what it returned.
    samples : Samples, optional
        Images to measure on, named by ``split`` in the report.
    progress : callable, optional
        Called with the number of images done since the last call.
    """
    histograms = tuple(
        histogram(layer.weight, layer.weight_width) for _, layer in integers.weighted
    )
    if samples is None:
        return QuantizationReport(network.name, tuple(layers), histograms)
    check_samples(network, samples)
    sums = np.zeros((2, 4), np.int64)
    changed = np.zeros(2 + len(layers), np.int64)
    neurons = [int(np.prod(network.shapes[layer.index + 1])) for layer in layers]
    for chunk in chunks(samples):
        pair = [reference.run(kind, chunk.images) for kind in (network, integers)]
        for place, inference in enumerate(pair):
            sums[place] += [
                round(inference.accuracy(chunk.labels) * len(chunk)),
                round(inference.accuracy_ties_counted(chunk.labels) * len(chunk)),
                inference.decision_times.sum(dtype=np.int64),
                inference.silent.sum(),
            ]
        before, after = pair
        changed += [
            np.count_nonzero(before.classes != after.classes),
            np.count_nonzero(before.decision_times != after.decision_times),
            *(
                np.count_nonzero(
                    before.spike_times[layer.index + 1] != after.spike_times[layer.index + 1]
                )
                for layer in layers
            ),
        ]
        if progress:
            progress(len(chunk))
    count = len(samples)
    return QuantizationReport(
        network.name,
        tuple(layers),
        histograms,
        dataset=samples.name,
        split=split,
        images=count,
        before=Accuracy(*(float(value) for value in sums[0] / count)),
        after=Accuracy(*(float(value) for value in sums[1] / count)),
        changes=Changes(
            float(changed[0] / count),
            float(changed[1] / count),
            tuple(
                float(moved / (count * size))
                for moved, size in zip(changed[2:], neurons, strict=True)
            ),
        ),
    )


def histogram(weight: Array, width: int) -> dict[str, list[int]]:
    """Counts of the integer weights, per value for narrow widths, in `BINS` bins for wide ones."""
    low, high = integer_range(width)
    if width <= EXACT_HISTOGRAM_WIDTH:
        values = [-1, 1] if width == 1 else list(range(low, high + 1))
        return {"values": values, "counts": [int(np.sum(weight == value)) for value in values]}
    step = (high + 1 - low) // BINS
    places = (weight.astype(np.int64).reshape(-1) - low) // step
    counts = np.bincount(places, minlength=BINS)
    return {"edges": list(range(low, high + 2, step)), "counts": [int(count) for count in counts]}
