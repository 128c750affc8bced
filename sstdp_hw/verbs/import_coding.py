"""The coding of an imported network's input: the options of the verb ``import`` that tell it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.chain import INPUT_KINDS, INPUT_NAMES

if TYPE_CHECKING:
    from sstdp_hw.data.samples import Samples
    from sstdp_hw.exchange.around import Around


def _shape(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be C,H,W, not {text!r}") from None


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    coding = parser.add_argument_group("input: what the graph does not tell")
    coding.add_argument(
        "--input", choices=INPUT_KINDS,
        help="what an inference begins with: pixels and an encoder, or spike times, as an event "
        "camera gives (default: as --encoder or the sidecar say, else pixels)",
    )  # fmt: skip
    coding.add_argument("--steps", type=int, metavar="I", help="time steps of one inference")
    coding.add_argument(
        "--cutoff", type=int, metavar="I",
        help="darkest pixel value that spikes (default: 0, or what the sidecar says)",
    )  # fmt: skip
    coding.add_argument(
        "--encoder", type=Path, metavar="NETWORK",
        help="take the encoder of this network, or none if it takes spikes",
    )  # fmt: skip
    coding.add_argument(
        "--input-shape", type=_shape, metavar="C,H,W",
        help="of the image, where the graph's input is flat (default: the data set's, or a square)",
    )  # fmt: skip


def around_of(options: argparse.Namespace) -> Around | None:
    """What the options say, and what lies beside the graph; None where ``--check`` can do without.

    Raises
    ------
    UserError
        If two options contradict each other, or time steps are missing.
    """
    from sstdp_hw.exchange.around import of_network
    from sstdp_hw.exchange.coding import choose, refuse_contradiction
    from sstdp_hw.network.load import load_network

    network = None if options.encoder is None else of_network(load_network(options.encoder))
    if options.check and options.steps is None and network is None:
        refuse_contradiction(options.input, options.cutoff, None)
        return None
    return choose(
        options.graph, t_max=options.steps, cutoff=options.cutoff, network=network,
        input_kind=options.input,
    )  # fmt: skip


def refuse_other_kind(samples: Samples, around: Around) -> None:
    """Refuse spike times for a network of pixels, and the other way round."""
    if samples.input_kind != around.input_kind:
        raise UserError(
            f"Data set {samples.name}: must hold {INPUT_NAMES[around.input_kind]}, as the input is "
            f"{around.input_kind}, not {samples.what}; import with --input {samples.input_kind}, "
            "or name another data set"
        )
