"""The verb ``generate``."""

from pathlib import Path

from sstdp_hw.errors import UserError
from sstdp_hw.hardware import PIXELS_PER_BEAT, Configuration
from sstdp_hw.network import Network
from sstdp_hw.verb import Verb

DESCRIPTION = """\
Compile a network file into an accelerator: a folder with accelerator.v (one self-contained
Verilog-2005 file), manifest.json, the network and a FuseSoC core file.

  sstdp-hw generate RUN/network.safetensors --lanes 16,10 --out build/accelerator

Lanes are the physical adders of each weighted layer: 1 is smallest, the number of its neurons is
fastest. A layer takes ceil(neurons / lanes) cycles for every spike that reaches it.
An earlier output in DIR is replaced whole, with the results and builds it holds."""


def parse_lanes(text):
    """Lanes as written on the command line: numbers with commas between them."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"Lanes must be integers with commas between them, not {text!r}") from None


def _configure(parser):
    parser.add_argument(
        "network", type=Path, metavar="NETWORK", help="network file (.safetensors) or ready:NAME"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--lanes", metavar="N,N,...",
        help=f"lanes of each weighted layer (default: {Configuration.DEFAULT_LANES}, or fewer)",
    )  # fmt: skip
    parser.add_argument(
        "--pixels-per-beat", type=int, default=1, metavar="N",
        help=f"pixels per beat of the input stream: {PIXELS_PER_BEAT} (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--no-early-exit",
        action="store_true",
        help="produce every spike, not only up to the decision",
    )


def _run(options):
    from .generate import generate as write

    configuration = Configuration(
        lanes=None if options.lanes is None else parse_lanes(options.lanes),
        pixels_per_beat=options.pixels_per_beat,
        early_exit=not options.no_early_exit,
    )
    result = write(Network.load(options.network), configuration, options.out)
    manifest = result.manifest
    for layer in manifest["layers"]:
        print(
            f"{layer['name']}: {layer['inputs']} inputs, {layer['neurons']} neurons on "
            f"{layer['lanes']} lanes, weights {layer['weight_width']} bit, potentials "
            f"{layer['membrane_width']} bit, cycles per spike: {layer['groups']}"
        )
    print(f"Written: {result.directory}")
    return {"directory": str(result.directory), "manifest": manifest}


generate = Verb(
    summary="compile a network file into Verilog and a manifest",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
