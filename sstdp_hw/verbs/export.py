"""The verb ``export``."""

from __future__ import annotations

import argparse
from pathlib import Path

from sstdp_hw.base import locks
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import file_digest
from sstdp_hw.command.verb import Result, Verb
from sstdp_hw.network.load import load_network
from sstdp_hw.network.network import Network

DESCRIPTION = """\
Write a network as a NIR graph, the exchange format of snnTorch, SpikingJelly, Norse, Sinabs and
others, and a sidecar (GRAPH.nir.json) with what NIR has no place for: encoder, decision rule,
classes, weight widths.

  sstdp-hw export RUN --out build/mnist.nir
  sstdp-hw export ready:mnist-conv-4bit --out build/mnist-conv.nir

Weights stay the integers that they are. `sstdp-hw import GRAPH.nir` goes back: the same digest."""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "network", type=Path, metavar="NETWORK",
        help="network file, float network, ready:NAME or run folder",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, required=True, metavar="GRAPH", help="NIR file, for example mnist.nir"
    )
    parser.add_argument(
        "--dt", type=float, default=1.0, metavar="SECONDS",
        help="time step: r of every IF is its inverse (default: 1, which all frameworks take)",
    )  # fmt: skip


def _run(options: argparse.Namespace) -> Result:
    from sstdp_hw.exchange.writing import write_nir

    network = load_network(options.network)
    if options.out.is_dir():
        raise UserError(f"{options.out}: must be a file name, not a folder")
    with locks.output(options.out):
        beside = write_nir(network, options.out, dt=options.dt)
    print(f"Written: {options.out}, {beside}")
    return {
        "source": str(options.network),
        "graph": str(options.out),
        "graph_sha256": file_digest(options.out),
        "sidecar": str(beside),
        "digest": network.digest if isinstance(network, Network) else None,
    }


verb = Verb(
    summary="write a network as a NIR graph, for other frameworks",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
