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
from sstdp_hw.base.tables import show, table
from sstdp_hw.command.verb import Result, Verb, VerbFailed
from sstdp_hw.network.float_network import FILE_NAME
from sstdp_hw.report import run_folder
from sstdp_hw.report.run_report import IMPORT, TRAIN

from . import import_coding as coding
from . import import_figures as figures

if TYPE_CHECKING:
    from sstdp_hw.exchange.around import Around
    from sstdp_hw.exchange.reading import Graph
    from sstdp_hw.exchange.state import Reading

DESCRIPTION = f"""\
Read a network that was trained elsewhere, as a NIR graph, and write a run folder like train's:
{FILE_NAME} and {IMPORT}. `quantize` goes on from there, and `train --init RUN` fine-tunes.

  sstdp-hw import --check GRAPH.nir
  sstdp-hw import GRAPH.nir --steps 8 --cutoff 32 --dataset mnist --out RUN
  sstdp-hw import GRAPH.nir --encoder ready:mnist-784-400-10-4bit --out RUN
  sstdp-hw import GRAPH.nir --steps 8 --spike-once --dataset mnist --out RUN
  sstdp-hw import GRAPH.nir --steps 8 --input spikes --out RUN

A graph tells nothing of its input's coding: that comes from the sidecar GRAPH.nir.json that
`export` writes, from another network, or from --steps and --cutoff as `train` has them; with
--input spikes there is none. --check prints what every node becomes, or why it cannot, and exits 0
or 1."""


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
        "--overwrite", action="store_true",
        help="replace an earlier import in --out, and remove the integers made of it",
    )  # fmt: skip
    coding.configure(parser)
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
    around = coding.around_of(options)
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
        _refuse_earlier(options)
        return _write(options, graph, around, result, before)


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


def _refuse_earlier(options: argparse.Namespace) -> None:
    """Keep files of one run from those of another."""
    out: Path = options.out
    if (out / TRAIN).exists():
        raise UserError(f"{out}: must hold no trained run; choose another --out")
    found = [name for name in (FILE_NAME, IMPORT) if (out / name).exists()]
    found += run_folder.derived(out)
    if found and not options.overwrite:
        raise UserError(
            f"{out}: must hold no earlier run, and holds {found[0]}; replace it with --overwrite, "
            "or choose another --out"
        )
    encoder = None if options.encoder is None else options.encoder.resolve()
    if found and encoder in (out.resolve(), *((out / name).resolve() for name in found)):
        raise UserError(
            f"{out}: must not be the run that the encoder comes from; choose another --out"
        )


def _write(
    options: argparse.Namespace, graph: Graph, around: Around, result: Result, before: str
) -> Result:
    from sstdp_hw.exchange.reading import build

    noted = _noted(options, around)
    samples, split = figures.samples_of(options, noted["asked"])
    if samples is not None:
        coding.refuse_other_kind(samples, around)
    images = None if samples is None else tuple(samples.images.shape[1:])
    provenance: dict[str, Any] = {
        **noted,
        "imported": {
            "sstdp-hw": __version__,
            "command": shlex.join(["sstdp-hw", *sys.argv[1:]]),
            "graph": options.graph.name,
            "graph_sha256": before,
            "encoder": None if around.encoder is None else around.source,
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
    found = None if samples is None else figures.look(network, graph, samples, split)
    if found is not None:
        provenance |= {key: found[key] for key in found if key != "spike_once"}
    result |= {
        "out": str(options.out),
        "float_network": str(options.out / FILE_NAME),
        "network": network.name,
        "t_max": network.t_max,
        "input": {"kind": network.input_kind},
        "input_shape": list(network.input_shape),
        "layers": [layer.name for layer in network.layers],
        **provenance,
        "spike_once": None if found is None else found["spike_once"],
    }
    refuse_changed({options.graph: before}, "import again")
    told = run_folder.remove(options.out, run_folder.derived(options.out))
    network.save(options.out / FILE_NAME)
    write_json(options.out / IMPORT, result)
    show(_nodes(graph))
    if told:
        print(told)
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


verb = Verb(
    summary="read a network trained elsewhere (NIR) and write its run folder",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
