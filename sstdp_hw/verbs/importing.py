"""The verb ``import``."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sstdp_hw import __version__
from sstdp_hw.base import locks
from sstdp_hw.base.destination import check_folder
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import file_digest, refuse_changed, write_json
from sstdp_hw.base.progress import progress
from sstdp_hw.base.tables import number, percent, show, table
from sstdp_hw.command.verb import Result, Verb, VerbFailed
from sstdp_hw.data.datasets import Samples
from sstdp_hw.network.float_network import FILE_NAME, FloatNetwork
from sstdp_hw.report.run_report import IMPORT, TRAIN

if TYPE_CHECKING:
    from sstdp_hw.exchange.around import Around
    from sstdp_hw.exchange.reading import Graph
    from sstdp_hw.exchange.refiring import Refiring
    from sstdp_hw.exchange.state import Reading

DESCRIPTION = f"""\
Read a network that was trained elsewhere, as a NIR graph, and write a run folder like train's:
{FILE_NAME} and {IMPORT}. `quantize` goes on from there, and `train --init RUN` fine-tunes.

  sstdp-hw import --check GRAPH.nir
  sstdp-hw import GRAPH.nir --steps 8 --cutoff 32 --dataset mnist --out RUN
  sstdp-hw import GRAPH.nir --encoder ready:mnist-784-400-10-4bit --out RUN
  sstdp-hw import GRAPH.nir --steps 8 --spike-once --dataset mnist --out RUN

A graph tells nothing of its input's coding: that comes from the sidecar GRAPH.nir.json that
`export` writes, from another network, or from --steps and --cutoff as `train` has them. --check
prints what every node becomes, or why it cannot, and exits 0 or 1."""


def _shape(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be C,H,W, not {text!r}") from None


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive number, not {text!r}")
    return int(text)


def _step(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number, not {text!r}")
    return value


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("graph", type=Path, metavar="GRAPH", help="NIR file")
    parser.add_argument("--out", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument(
        "--check", action="store_true", help="only tell what every node becomes, or why it cannot"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an earlier import in --out"
    )
    coding = parser.add_argument_group("input: what the graph does not tell")
    coding.add_argument("--steps", type=int, metavar="I", help="time steps of one inference")
    coding.add_argument(
        "--cutoff", type=int, metavar="I",
        help="darkest pixel value that spikes (default: 0, or what the sidecar says)",
    )  # fmt: skip
    coding.add_argument(
        "--encoder", type=Path, metavar="NETWORK", help="take the encoder of this network"
    )
    coding.add_argument(
        "--input-shape", type=_shape, metavar="C,H,W",
        help="of the image, where the graph's input is flat (default: the data set's, or a square)",
    )  # fmt: skip
    neurons = parser.add_argument_group("neurons: what the graph leaves open")
    neurons.add_argument(
        "--spike-once", action="store_true",
        help="make neurons that may fire again ones that do not; with a data set it is shown what "
        "that changes",
    )  # fmt: skip
    neurons.add_argument(
        "--fires-at-threshold", action="store_true",
        help="neurons fire at their threshold (>=), as SpikingJelly's do, not only above it as NIR "
        "says",
    )  # fmt: skip
    neurons.add_argument(
        "--bias-once", action="store_true",
        help="a bias is added once, not in every step as NIR says: it shifts the threshold",
    )  # fmt: skip
    neurons.add_argument(
        "--dt", type=_step, metavar="SECONDS",
        help="time step of the graph: an input of weight w adds w * r * dt (default: 1 if every r "
        "is 1, 0.0001 if every r is 10000)",
    )  # fmt: skip
    data = parser.add_argument_group("data")
    data.add_argument(
        "--dataset", metavar="NAME",
        help="what the network was trained on; noted for the verbs that follow, and its test "
        "images are evaluated",
    )  # fmt: skip
    data.add_argument(
        "--test-dataset", metavar="NAME", help="other images to evaluate, as for train"
    )
    data.add_argument(
        "--samples", type=_count, metavar="N", help="the first N test images only (default: all)"
    )


def _run(options: argparse.Namespace) -> Result:
    from sstdp_hw.exchange.reading import look_at

    if not options.check and options.out is None:
        raise UserError("A folder of the run must be given: add --out RUN (or --check)")
    around = None if options.check and not _coding_given(options) else _around(options)
    reading = _reading(options, around)
    before = file_digest(options.graph) if options.graph.is_file() else ""
    graph = look_at(options.graph, reading)
    result = {
        "graph": str(options.graph),
        "graph_sha256": before,
        "mapped": not graph.refused,
        "nodes": [finding.to_json() for finding in graph.chain.findings],
    }
    if options.check:
        return _checked(graph, result)
    assert around is not None
    check_folder(options.out)
    with locks.writing(options.out):
        _refuse_earlier(options.out, options.overwrite)
        return _write(options, graph, around, result, before)


def _coding_given(options: argparse.Namespace) -> bool:
    return options.steps is not None or options.encoder is not None


def _around(options: argparse.Namespace) -> Around:
    from sstdp_hw.exchange.around import of_network
    from sstdp_hw.exchange.reading import choose
    from sstdp_hw.network.load import load_network

    network = None if options.encoder is None else of_network(load_network(options.encoder))
    return choose(options.graph, t_max=options.steps, cutoff=options.cutoff, network=network)


def _reading(options: argparse.Namespace, around: Around | None) -> Reading:
    from sstdp_hw.exchange.state import Reading

    return Reading(
        options.dt, options.fires_at_threshold, options.bias_once, options.spike_once,
        None if around is None else around.t_max,
    )  # fmt: skip


def _checked(graph: Graph, result: Result) -> Result:
    """The table of the nodes, and the verdict."""
    show(_nodes(graph))
    refused = [finding for finding in graph.chain.findings if finding.refusals]
    if refused:
        raise VerbFailed(
            f"{graph.source}: {len(refused)} of {len(graph.chain.findings)} nodes cannot be mapped",
            result,
        )
    return result


def _nodes(graph: Graph) -> Any:
    rows = [
        (
            finding.node,
            finding.kind,
            f"cannot: {'; '.join(finding.refusals)}" if finding.refusals else finding.becomes,
        )
        for finding in graph.chain.findings
    ]
    made = table(f"Nodes of {graph.source}", ("node", "kind", "becomes"), rows)
    for column in made.columns:
        column.justify = "left"
    return made


def _refuse_earlier(out: Path, overwrite: bool) -> None:
    """Keep files of one run from those of another."""
    if (out / TRAIN).exists():
        raise UserError(f"{out}: must hold no trained run; choose another --out")
    if not overwrite and (out / FILE_NAME).exists():
        raise UserError(
            f"{out}: must hold no earlier run, and holds {FILE_NAME}; replace it with --overwrite, "
            "or choose another --out"
        )


def _write(
    options: argparse.Namespace, graph: Graph, around: Around, result: Result, before: str
) -> Result:
    from sstdp_hw.exchange.reading import build

    noted = _noted(options, around)
    samples, split = _samples(options, noted["asked"])
    images = None if samples is None else tuple(samples.images.shape[1:])
    provenance: dict[str, Any] = {
        **noted,
        "imported": {
            "sstdp-hw": __version__,
            "command": shlex.join(["sstdp-hw", *sys.argv[1:]]),
            "graph": options.graph.name,
            "graph_sha256": before,
            "encoder": around.source,
            "spike_once": any(mapped.fires_again for mapped in graph.layers),
            "fires_at_threshold": options.fires_at_threshold,
            "bias_once": options.bias_once,
            "dt": graph.mapping.dt,
        },
    }
    network = build(
        graph, around, input_shape=options.input_shape, images=images, provenance=provenance
    )
    if samples is not None and around.layers is None and around.class_names is None:
        names = samples.class_names
        if len(names) == len(network.class_names):
            network = replace(network, class_names=names)
    found = None if samples is None else _look(network, graph, samples, split)
    if found is not None:
        provenance |= {key: found[key] for key in found if key != "spike_once"}
    result |= {
        "out": str(options.out),
        "float_network": str(options.out / FILE_NAME),
        "network": network.name,
        "t_max": network.t_max,
        "input_shape": list(network.input_shape),
        "layers": [layer.name for layer in network.layers],
        **provenance,
        "spike_once": None if found is None else found["spike_once"],
    }
    refuse_changed({options.graph: before}, "import again")
    network.save(options.out / FILE_NAME)
    write_json(options.out / IMPORT, result)
    show(_nodes(graph))
    if result["imported"]["spike_once"] and samples is None:
        print("Neurons were made to fire once; with --dataset it is shown what that changes")
    print(f"Written: {options.out / FILE_NAME}, {options.out / IMPORT}")
    return result


def _noted(options: argparse.Namespace, around: Around) -> dict[str, Any]:
    """What a network tells of its data and training: the options, else the sidecar."""
    earlier = around.provenance or {}
    asked = earlier.get("asked") if isinstance(earlier.get("asked"), dict) else {}
    assert isinstance(asked, dict)
    if options.dataset:
        asked = {}
    kept: dict[str, Any] = {key: earlier[key] for key in ("recipe", "seed") if key in earlier}
    return {
        **kept,
        "asked": {
            "dataset": options.dataset or asked.get("dataset") or earlier.get("dataset"),
            "test_dataset": options.test_dataset or asked.get("test_dataset"),
        },
    }


def _samples(
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


def _look(
    network: FloatNetwork, graph: Graph, samples: Samples, split: str | None
) -> dict[str, Any]:
    """Evaluate the imported network, and what was before if neurons were made to fire once."""
    from sstdp_hw.exchange.refiring import compare
    from sstdp_hw.reference.evaluation import check_samples, evaluate

    check_samples(network, samples)
    with progress(f"Evaluating {len(samples)} images", len(samples)) as advance:
        result = evaluate(network, samples, progress=advance)
    refiring: Refiring | None = None
    if any(mapped.fires_again for mapped in graph.layers):
        with progress("Playing the graph as it was", len(samples)) as advance:
            refiring = compare(network, graph.layers, samples, progress=advance)
        _show_refiring(refiring, samples.name, split)
    print(
        f"Accuracy in float (rule 6) on {len(samples):,} {split} images of {samples.name}: "
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


def _show_refiring(found: Refiring, dataset: str, split: str | None) -> None:
    headings = ("layer", "neurons", "fired", "fired again", "more spikes")
    rows = [
        (
            layer.name, number(layer.neurons), number(layer.fired, 2), number(layer.fired_again, 2),
            number(layer.more_spikes, 2),
        )
        for layer in found.layers
    ]  # fmt: skip
    title = f"Neurons before --spike-once, per image ({found.images:,} {split} images of {dataset})"
    show(
        table(title, headings, rows),
        table(
            "What firing once changes",
            ("", "value"),
            [
                ("accuracy before, first output spike", percent(found.accuracy_before)),
                ("accuracy before, most output spikes", percent(found.accuracy_before_by_count)),
                ("accuracy after (rule 6)", percent(found.accuracy_after)),
                ("images of another class", percent(found.classes_changed)),
            ],
        ),
    )


verb = Verb(
    summary="read a network trained elsewhere (NIR) and write its run folder",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
