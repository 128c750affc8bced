"""The verb ``memory``."""

from __future__ import annotations

import argparse
from pathlib import Path

from sstdp_hw.base.destination import check_file
from sstdp_hw.base.files import written_whole
from sstdp_hw.command.verb import Result, Verb

DESCRIPTION = """\
Make the image of the memories with which a network is loaded into an accelerator that was generated
with `--weights loadable`: any network of the same shape, whose weights fit the accelerator's widths
and whose potentials cannot overflow there.

  sstdp-hw generate FIRST --weights loadable --out DIR
  sstdp-hw memory SECOND --for DIR --out weights.bin

The file holds the words of the stream s_axis_weights, 4 bytes each, the lowest first; tlast belongs
to the last one (docs/streams.md)."""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "network", type=Path, metavar="NETWORK",
        help="network file (.safetensors), run folder or ready:NAME",
    )  # fmt: skip
    parser.add_argument(
        "--for", type=Path, required=True, metavar="DIR", dest="directory",
        help="what `sstdp-hw generate --weights loadable` wrote",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")


def _run(options: argparse.Namespace) -> Result:
    from sstdp_hw.contract.directory import GeneratedDirectory
    from sstdp_hw.contract.memory_image import (
        loading_cycles,
        memory_image,
        shape_digest,
        to_bytes,
    )
    from sstdp_hw.network.network import Network

    check_file(options.out)
    directory = GeneratedDirectory.load(options.directory)
    network = Network.load(options.network)
    parameters = directory.with_loaded(network).parameters
    words = memory_image(parameters)
    data = to_bytes(words)
    directory.refuse_changed()
    with written_whole(options.out) as temporary:
        temporary.write_bytes(data)
    cycles = loading_cycles(parameters)
    print(
        f"{len(words):,} words, {len(data):,} bytes, CRC-32 {words[-1]:08x}; loaded in {cycles:,} "
        "cycles"
    )
    print(f"Written: {options.out}")
    return {
        "file": str(options.out),
        "words": len(words),
        "bytes": len(data),
        "crc": int(words[-1]),
        "shape_digest": shape_digest(parameters),
        "network_digest": network.digest,
        "cycles": cycles,
    }


verb = Verb(
    summary="make the image of the memories of loadable weights",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
