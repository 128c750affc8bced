"""The verb ``evaluate``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.progress import progress
from sstdp_hw.base.tables import counted, number, percent, show, table
from sstdp_hw.command.verb import Result, Verb
from sstdp_hw.network.load import data_sets, load_network
from sstdp_hw.network.network import Network
from sstdp_hw.ready import known_as
from sstdp_hw.reference.evaluation import Evaluation, check_samples, evaluate, ties_told

DESCRIPTION = """\
Run a network through the reference: accuracy, decision time, spikes and additions.

  sstdp-hw evaluate RUN/network.safetensors --dataset mnist
  sstdp-hw evaluate RUN --samples 1000

NETWORK is a network file (integers), a ready network (ready:NAME), a float network, or a run
folder, of which the network file is taken if there is one. Accuracy is by rule 6 of
docs/arithmetic.md: ties for the first spike are decided by the margin, silent images count. A
second figure counts ties as correct and is there only for comparison with the SSTDP paper."""


def sample_count(text: str) -> int | None:
    """``all`` (None) or a positive number of samples."""
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive number or all, not {text!r}")
    return int(text)


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "network",
        type=Path,
        metavar="NETWORK",
        help="network file, float network, ready:NAME or run folder",
    )
    parser.add_argument(
        "--dataset", metavar="NAME",
        help="digits, mnist, caltech-face-motorbike or an .npz file (default: what the network was "
        "trained on)",
    )  # fmt: skip
    parser.add_argument("--split", choices=("test", "train"), default="test", help="default: test")
    parser.add_argument(
        "--samples", type=sample_count, default=None, metavar="N",
        help="the first N images only (default: all)",
    )  # fmt: skip


def _run(options: argparse.Namespace) -> Result:
    from sstdp_hw.data import datasets

    network = load_network(options.network)
    dataset = options.dataset or _own_dataset(network.provenance, options.split)
    if not dataset:
        raise UserError(
            f"{network.source}: does not tell its data set, so one must be given, for example "
            "--dataset mnist"
        )
    samples = datasets.load(dataset, options.split)
    asked = options.samples
    if asked is not None and asked > len(samples):
        raise UserError(
            f"Samples must be at most the {len(samples)} of {dataset} {options.split}, not {asked}"
        )
    samples = replace(samples.first(asked), name=dataset)
    check_samples(network, samples)
    with progress(f"Evaluating {counted(len(samples), 'image')}", len(samples)) as advance:
        result = evaluate(network, samples, progress=advance)
    result = replace(result, network=known_as(network))
    _show(result, options.split)
    if told := ties_told(result.accuracy, result.accuracy_ties_counted):
        print(told)
    digest = network.digest if isinstance(network, Network) else None
    return {
        "source": str(options.network),
        "digest": digest,
        "split": options.split,
        **result.to_json(),
    }


def _own_dataset(provenance: object, split: str) -> str | None:
    train, test = data_sets(provenance)
    return test or train if split == "test" else train


def _show(result: Evaluation, split: str) -> None:
    rows = [
        ("accuracy (rule 6)", percent(result.accuracy)),
        ("accuracy, ties counted as correct", percent(result.accuracy_ties_counted)),
        ("mean decision time", f"{number(result.mean_decision_time, 2)} of {result.t_max} steps"),
        ("silent images", percent(result.silent)),
        ("additions per image, up to the decision", number(result.additions)),
        ("additions per image, to the end", number(result.additions_without_exit)),
        ("multiply-accumulates of the dense network", number(result.multiply_accumulates)),
        ("images per second", number(result.images_per_second)),
    ]
    title = f"{result.network} ({result.kind}) on {result.images:,} {split} images of "
    show(
        table(title + result.dataset, ("", "value"), rows),
        table(
            "Spikes per image",
            ("layer", "neurons", "up to the decision", "to the end", "silent to the end"),
            [
                (
                    layer.name,
                    number(layer.neurons),
                    number(layer.spikes_until_decision, 1),
                    number(layer.spikes, 1),
                    percent(1 - layer.spikes / layer.neurons),
                )
                for layer in result.layers
            ],
        ),
    )


verb = Verb(
    summary="accuracy, decision time and additions by the integer reference",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
