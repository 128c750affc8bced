"""What the verb ``import`` measures: the network on test images, and the graph as it was before."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.progress import progress
from sstdp_hw.base.tables import number, percent, show, table
from sstdp_hw.data.datasets import Samples
from sstdp_hw.network.chain import PIXELS, SPIKES
from sstdp_hw.network.float_network import FloatNetwork

#: What one of the samples is called, by the kind of input.
NOUNS = {PIXELS: "images", SPIKES: "samples"}

if TYPE_CHECKING:
    from sstdp_hw.exchange.reading import Graph
    from sstdp_hw.exchange.refiring import Refiring


def samples_of(
    options: argparse.Namespace, asked: dict[str, Any]
) -> tuple[Samples | None, str | None]:
    """Test images, where the user names a data set. An .npz file has none of its own."""
    from sstdp_hw.data import datasets

    if not (options.dataset or options.test_dataset):
        return None, None
    name = asked["test_dataset"] or asked["dataset"]
    split = "train" if name.endswith(".npz") and not options.test_dataset else "test"
    samples = datasets.load(name, "test" if split == "test" else "train")
    if options.samples is not None and options.samples > len(samples):
        raise UserError(
            f"Samples must be at most the {len(samples)} of {name} {split}, not {options.samples}"
        )
    return replace(samples.first(options.samples), name=name), split


def look(
    network: FloatNetwork, graph: Graph, samples: Samples, split: str | None
) -> dict[str, Any]:
    """Evaluate the imported network, and what was before if neurons were made to fire once."""
    from sstdp_hw.exchange.refiring import compare
    from sstdp_hw.reference.evaluation import check_samples, evaluate

    check_samples(network, samples)
    nouns = NOUNS[samples.input_kind]
    with progress(f"Evaluating {len(samples)} {nouns}", len(samples)) as advance:
        result = evaluate(network, samples, progress=advance)
    refiring: Refiring | None = None
    if any(mapped.fires_again for mapped in graph.layers):
        with progress("Playing the graph as it was", len(samples)) as advance:
            refiring = compare(network, graph.layers, samples, progress=advance)
        _show_refiring(refiring, samples, split)
    print(
        f"Accuracy in float (rule 6) on {len(samples):,} {split} "
        f"{nouns} of {samples.name}: "
        f"{percent(result.accuracy)}"
    )
    test = split == "test"
    return {
        "dataset": samples.name,
        "split": split,
        "images": len(samples),
        "accuracy": result.accuracy,
        "test_accuracy": result.accuracy if test else None,
        "test_accuracy_ties_counted": result.accuracy_ties_counted if test else None,
        "spike_once": None if refiring is None else refiring.to_json(),
    }


def _show_refiring(found: Refiring, samples: Samples, split: str | None) -> None:
    nouns = NOUNS[samples.input_kind]
    headings = ("layer", "neurons", "fired", "fired again", "more spikes")
    rows = [
        (
            layer.name, number(layer.neurons), number(layer.fired, 2), number(layer.fired_again, 2),
            number(layer.more_spikes, 2),
        )
        for layer in found.layers
    ]  # fmt: skip
    title = (
        f"Neurons before --spike-once, per {nouns[:-1]} ({found.images:,} {split} {nouns} of "
        f"{samples.name})"
    )
    show(
        table(title, headings, rows),
        table(
            "What firing once changes",
            ("", "value"),
            [
                ("accuracy before, first output spike", percent(found.accuracy_before)),
                ("accuracy before, most output spikes", percent(found.accuracy_before_by_count)),
                ("accuracy after (rule 6)", percent(found.accuracy_after)),
                (f"{nouns} of another class", percent(found.classes_changed)),
            ],
        ),
    )
