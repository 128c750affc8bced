"""The verb ``memory``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sstdp_hw.base.destination import check_file
from sstdp_hw.base.files import written_whole
from sstdp_hw.command.verb import Result, Verb

if TYPE_CHECKING:
    from sstdp_hw.blocks.hardware import AcceleratorParameters
    from sstdp_hw.contract.directory import GeneratedDirectory

DESCRIPTION = """\
Make the image of the memories with which a network is loaded into an accelerator that was generated
with `--weights loadable`: any network of the same shape, whose weights fit the accelerator's widths
and whose potentials cannot overflow there.

  sstdp-hw generate FIRST --weights loadable --out DIR
  sstdp-hw memory SECOND --for DIR --out weights.bin

The file holds the words of the stream s_axis_weights, 4 bytes each, the lowest first; tlast belongs
to the last one (docs/streams.md).

Or make what stands in the external memory of one that was generated with `--weights external`, from
its base address on; only of the network that it was generated from:

  sstdp-hw generate NETWORK --weights external --architecture sequential \\
      --out DIR
  sstdp-hw memory NETWORK --for DIR --out weights.bin"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "network", type=Path, metavar="NETWORK",
        help="network file (.safetensors), run folder or ready:NAME",
    )  # fmt: skip
    parser.add_argument(
        "--for", type=Path, required=True, metavar="DIR", dest="directory",
        help="what `sstdp-hw generate` with --weights loadable or external wrote",
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
    if directory.external:
        return _external(options.out, directory, parameters)
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


def _external(
    out: Path, directory: GeneratedDirectory, parameters: AcceleratorParameters
) -> Result:
    """Write what stands in the external memory."""
    from sstdp_hw.contract.external_memory import external_image, external_json
    from sstdp_hw.contract.ports import BASE_PORT

    data, told = external_image(parameters), external_json(parameters)
    directory.refuse_changed()
    with written_whole(out) as temporary:
        temporary.write_bytes(data)
    by_port = parameters.configuration.base_port
    base = f"what {BASE_PORT.name} tells" if by_port else f"{told['base_address']:#010x}"
    print(
        f"{len(data):,} bytes from {base} on, in {len(told['tiles'])} tiles; "
        f"fetched for an image: {told['bytes_per_image']:,} bytes"
        + (f", {batch:,} for a batch" if (batch := told.get("bytes_per_batch")) else "")
    )
    print(f"Written: {out}")
    return {
        "file": str(out),
        "bytes": len(data),
        "sha256": told["sha256"],
        "base_address": told["base_address"],
        "tiles": len(told["tiles"]),
        **{name: told[name] for name in ("bytes_per_image", "bytes_per_batch") if name in told},
        "network_digest": parameters.network.digest,
    }


verb = Verb(
    summary="make the image of the memories of weights that are no constants",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
