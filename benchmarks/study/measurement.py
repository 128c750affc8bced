"""The figures of one finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sstdp_hw.base.files import read_json
from sstdp_hw.data.datasets import Samples
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.network import FILE_NAME
from sstdp_hw.quantization.quantize import quantize
from sstdp_hw.reference.evaluation import Evaluation, evaluate
from sstdp_train import Recipe

Figures = dict[str, Any]


def held_back(samples: Samples, recipe: Recipe) -> Samples:
    """The validation images of a training by ``recipe``."""
    from sstdp_train.training.loop import split

    _, chosen = split(len(samples), recipe.validation_share, recipe.seed)
    return Samples(
        samples.name, samples.images[chosen], samples.labels[chosen], samples.class_names
    )


def measure(folder: Path, samples: Samples, split: str) -> Figures:
    """Run ``samples`` through what training exported: its integers if it was trained on integers.

    The integer network is left in ``folder``, so that every verb can go on from there.

    Parameters
    ----------
    folder : Path
        A finished run.
    samples : Samples
        Test or validation images; without a single one only the figures of training are known.
    split : str
        ``"test"`` or ``"validation"``.
    """
    trained = read_json(folder / "train.json", "result")
    network = FloatNetwork.load(folder)
    figures = {
        "validation_accuracy": trained["validation_accuracy"],
        "validation_images": trained["validation_images"],
        "seconds": trained["wall_seconds"],
        "exported_epoch": trained["exported_epoch"],
        "multiply_accumulates": network.multiply_accumulates,
        "t_max": network.t_max,
        "split": split,
        "images": len(samples),
    }
    measured: Any = network
    if trained["recipe"]["weight_widths"]:
        measured, _ = quantize(network)
        measured.save(folder / FILE_NAME)
    return figures | (_activity(evaluate(measured, samples), split) if len(samples) else {})


def _activity(found: Evaluation, split: str) -> Figures:
    """Accuracy counts only on test images here: that of validation chose the exported epoch."""
    spikes = [layer.spikes_until_decision for layer in found.layers]
    accuracies = {
        "test_accuracy": found.accuracy,
        "test_accuracy_ties_counted": found.accuracy_ties_counted,
    }
    return {
        "kind": found.kind,
        **(accuracies if split == "test" else {}),
        "additions": found.additions,
        "multiply_accumulates_per_addition": found.multiply_accumulates / max(found.additions, 1),
        "spikes": sum(spikes),
        "input_spikes": spikes[0],
        "neuron_spikes": sum(spikes[1:]),
        "mean_decision_time": found.mean_decision_time,
        "silent": found.silent,
    }
