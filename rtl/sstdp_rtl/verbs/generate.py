"""The verb ``generate``."""

from dataclasses import replace
from pathlib import Path

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.progress import progress
from sstdp_hw.base.tables import counted
from sstdp_hw.blocks.axi_read import DATA_WIDTHS
from sstdp_hw.blocks.hardware import (
    ARCHITECTURES,
    BUSES,
    NO_BUS,
    PIXELS_PER_BEAT,
    SEQUENTIAL,
    STREAMING,
    Configuration,
)
from sstdp_hw.blocks.pipeline import MAX_BATCH
from sstdp_hw.blocks.presets import PRESETS, preset
from sstdp_hw.blocks.weight_store import EXTERNAL, ROM, STORES
from sstdp_hw.command.verb import Verb, VerbFailed
from sstdp_hw.models.exploration.goal import DEFAULT_CLOCK_MHZ, Goal
from sstdp_hw.network.network import Network

#: Images whose spikes a goal counts with.
GOAL_SAMPLES = 200

DESCRIPTION = """\
Compile a network file into an accelerator: a folder with accelerator.v (one self-contained
Verilog-2005 file), manifest.json, the network, testbench.v (a few packets and their answers) and a
FuseSoC core file.

  sstdp-hw generate RUN/network.safetensors --lanes 16,10 --out DIR

Lanes are the physical adders of each weighted layer: 1 is smallest, the number of its neurons is
fastest. A layer takes ceil(neurons / lanes) cycles for every spike that reaches it. In a
convolution they span its output channels, and a spike takes ceil(channels / lanes) cycles at every
position that it reaches. Presets choose lanes by one word:

  sstdp-hw generate NETWORK --preset tiny --out DIR

Or a goal is given, and lanes and pixels per beat are chosen by the models of cycles and area:

  sstdp-hw generate NETWORK --target-fps 50000 --clock 120 --out DIR
  sstdp-hw generate NETWORK --max-luts 3000 --out DIR

With both, the smallest that is fast enough is taken if it fits. Nothing is written if the goal
cannot be reached. So it is with one engine, too, whose weight buffer is then chosen where weights
are external; `sstdp-hw explore` counts with a memory that is slower than a beat a cycle.

Weights are constants, or memories that are written at run time, again whenever there is a new
training:

  sstdp-hw generate NETWORK --weights loadable --out DIR
  sstdp-hw memory NETWORK --for DIR --out weights.bin

Every layer has a processor of its own; or one engine computes all of them, one after the other,
which is smallest for deep networks. Then lanes are one number; weights are constants or loaded, as
above:

  sstdp-hw generate NETWORK --architecture sequential --lanes 4 --out DIR

Or weights stand in a memory outside, on an AXI4 bus, from where one engine fetches them tile by
tile:

  sstdp-hw generate NETWORK --weights external --architecture sequential \\
      --out DIR

A processor reads and writes registers instead of streams; one of them tells where external weights
begin:

  sstdp-hw generate NETWORK --bus axi-lite --out DIR

An earlier output in DIR is replaced whole. Its results and builds are kept if the Verilog is the
same, else they are removed, and named."""


def parse_lanes(text):
    """Lanes as written on the command line: numbers with commas between them."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        hint = f"; for the preset: --preset {text}" if text in PRESETS else ""
        raise UserError(
            f"Lanes must be integers with commas between them, not {text!r}{hint}"
        ) from None


def _configure(parser):
    parser.add_argument(
        "network",
        type=Path,
        metavar="NETWORK",
        help="network file (.safetensors), run folder or ready:NAME",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--lanes", metavar="N,N,...",
        help=f"lanes of each weighted layer (default: {Configuration.DEFAULT_LANES}, or fewer); "
        "of a sequential architecture one number",
    )  # fmt: skip
    parser.add_argument(
        "--architecture", choices=ARCHITECTURES, default=STREAMING,
        help="streaming: a processor for each layer, all at work at once (default); sequential: "
        "one engine for all layers",
    )  # fmt: skip
    parser.add_argument(
        "--pixels-per-beat", type=int, metavar="N",
        help=f"pixels per beat of the input stream: {', '.join(map(str, PIXELS_PER_BEAT))} "
        "(default: 1, or by preset or goal)",
    )  # fmt: skip
    parser.add_argument(
        "--preset", choices=PRESETS,
        help="instead of lanes: "
        + "; ".join(f"{name}, {found.summary}" for name, found in PRESETS.items()),
    )  # fmt: skip
    parser.add_argument(
        "--name", default="", metavar="NAME",
        help="prefix of every module's name, so that several accelerators can stand in one design: "
        "the top module is NAME_accelerator then (default: none)",
    )  # fmt: skip
    parser.add_argument(
        "--bus", choices=BUSES, default=NO_BUS,
        help="registers with queues and an interrupt around the accelerator, for a processor: "
        "accelerator_bus.v and the C header accelerator.h beside accelerator.v, which stays the "
        "same (default: streams alone)",
    )  # fmt: skip
    parser.add_argument(
        "--weights", choices=STORES, default=ROM.kind,
        help="rom: constants of the Verilog (default); loadable: memories that a stream writes, "
        "with what `sstdp-hw memory` makes of any network of this shape; external: in a memory on "
        "an AXI4 bus, fetched for every image (needs --architecture sequential)",
    )  # fmt: skip
    parser.add_argument(
        "--memory-width", type=int, metavar="BITS",
        help="with external weights: data width of their bus, "
        f"{', '.join(map(str, DATA_WIDTHS))} (default: {EXTERNAL.bus.data_width})",
    )  # fmt: skip
    parser.add_argument(
        "--weight-buffer", type=int, metavar="BITS",
        help="with external weights: block RAM for two tiles of weights; the more, the fewer tiles "
        "a layer has (default: the least that is possible)",
    )  # fmt: skip
    parser.add_argument(
        "--potential-memory", type=int, metavar="BITS",
        help="with external weights: block RAM for the potentials of a tile at most (default: no "
        "limit, tiles are cut by their weights alone)",
    )  # fmt: skip
    parser.add_argument(
        "--batch", type=int, metavar="N",
        help=f"with external weights: up to N images share one fetch of them, 1 to {MAX_BATCH}; "
        "those that are there, so that nobody waits for images that do not come (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--base-address", metavar="ADDRESS",
        help="with external weights: where they begin, 0x80000000 or so, a multiple of 4096; with "
        "--bus what the register BASE holds at first (default: 0)",
    )  # fmt: skip
    parser.add_argument(
        "--base-port", action="store_true", default=None,
        help="with external weights: where they begin is told by the port m_axi_base, which is "
        "taken in reset; --base-address is what simulations tell it (with --bus always so)",
    )  # fmt: skip
    parser.add_argument(
        "--membrane-width", metavar="N[,N,...]",
        help="with loadable weights: bits of the potentials, for all weighted layers or for each "
        "(default: what this network needs)",
    )  # fmt: skip
    parser.add_argument(
        "--spram", type=int, default=0, metavar="N",
        help="with loadable weights: put those of as many layers as possible into N single-port "
        "RAMs of the iCE40 UltraPlus; the UP5K has 4 (default: 0)",
    )  # fmt: skip
    parser.add_argument(
        "--no-early-exit",
        action="store_true",
        help="produce every spike, not only up to the decision",
    )
    parser.add_argument(
        "--target-fps", type=float, metavar="N", help="goal: images per second, at least"
    )
    parser.add_argument(
        "--max-luts", type=int, metavar="N", help="goal: LUT4 equivalents of an ECP5, at most"
    )
    parser.add_argument(
        "--clock", type=float, metavar="MHZ",
        help=f"clock that --target-fps counts with (default: {DEFAULT_CLOCK_MHZ:g})",
    )  # fmt: skip
    parser.add_argument(
        "--dataset", metavar="NAME",
        help="images whose spikes the goal counts with (default: what the network was trained on, "
        "or the worst case if it does not tell)",
    )  # fmt: skip


def _with_weights(configuration, options):
    """The configuration with what the options say of weights."""
    widths = options.membrane_width
    if widths is not None:
        if not STORES[options.weights].loaded:
            raise UserError(
                f"--membrane-width goes with --weights loadable, and weights are {options.weights}"
            )
        try:
            widths = tuple(int(part) for part in widths.split(","))
        except ValueError:
            raise UserError(
                f"Membrane width must be integers with commas between them, not {widths!r}"
            ) from None
    return replace(
        configuration, weights=options.weights, membrane_width=widths, spram=options.spram,
        bus=options.bus, **_memory_options(options),
    )  # fmt: skip


def _memory_options(options):
    """What the options say of an external memory; nothing where they are silent."""
    given = {
        name: getattr(options, name)
        for name in ("memory_width", "weight_buffer", "potential_memory", "base_port", "batch")
    }
    if options.base_address is not None:
        try:
            given["base_address"] = int(options.base_address, 0)
        except ValueError:
            raise UserError(
                "Base address must be a number, as 0x80000000 or 4096, not "
                f"{options.base_address!r}"
            ) from None
    given = {name: value for name, value in given.items() if value is not None}
    if given and not STORES[options.weights].external:
        option = "--" + next(iter(given)).replace("_", "-")
        raise UserError(
            f"{option} goes with --weights {EXTERNAL.kind}, and weights are {options.weights}"
        )
    return given


def _by_goal(network, options):
    """The configuration that the options ask for by a goal, and the line that says so."""
    from sstdp_hw.models.exploration import (
        balanced_configurations,
        choose,
        engine_configurations,
        find_workload,
        fitting_configurations,
    )

    for name in ("lanes", "preset"):
        if getattr(options, name) is not None:
            raise UserError(f"--{name} cannot be given together with a goal: it chooses the lanes")
    clock = DEFAULT_CLOCK_MHZ if options.clock is None else options.clock
    goal = Goal(options.target_fps, options.max_luts, clock)
    _with_weights(Configuration(architecture=options.architecture), options)  # refuses at once
    workload = find_workload(network, options.dataset, GOAL_SAMPLES, progress=progress)
    chosen = {
        "early_exit": not options.no_early_exit, "pixels_per_beat": options.pixels_per_beat,
        "weights": options.weights,
    }  # fmt: skip
    if options.architecture == SEQUENTIAL:
        if options.memory_width is not None:
            chosen["memory_widths"] = (options.memory_width,)
        found = engine_configurations(network, workload.inference, **chosen)
    else:
        found = balanced_configurations(network, workload.inference, **chosen)
    # What is told of a buffer or of potentials leaves fewer that differ.
    told = dict.fromkeys(_with_weights(one, options) for one in found)
    candidates = fitting_configurations(network, told)
    with progress(f"Choosing from {len(candidates)} configurations", len(candidates)) as advance:
        point, reached = choose(goal, network, workload, candidates, progress=advance)
    ideal = ", and a memory that gives a beat in every cycle"
    source = workload.source + ideal * STORES[options.weights].external
    text = f"{goal.describe(point)} (predicted for {source})"
    if not reached:
        raise VerbFailed(
            f"{goal} cannot be reached; the closest is {text}", {"closest": point.to_json()}
        )
    return point, f"Chosen for {goal}: {text}"


def _by_lanes(network, options):
    """The configuration that the options name."""
    early_exit = not options.no_early_exit
    if options.preset is not None and options.lanes is not None:
        raise UserError("--preset cannot be given together with --lanes: it chooses them")
    if options.preset is not None:
        chosen = preset(
            options.preset, network, early_exit=early_exit, architecture=options.architecture
        )
    else:
        lanes = None if options.lanes is None else parse_lanes(options.lanes)
        chosen = Configuration(lanes, early_exit=early_exit, architecture=options.architecture)
    chosen = _with_weights(replace(chosen, name=options.name), options)
    if options.pixels_per_beat is None:
        return chosen
    return replace(chosen, pixels_per_beat=options.pixels_per_beat)


def _run(options):
    from ..generator.generate import generate as write

    network = Network.load(options.network)
    point = None
    if options.target_fps is None and options.max_luts is None:
        for name in ("clock", "dataset"):
            if getattr(options, name) is not None:
                raise UserError(f"--{name} goes with --target-fps or --max-luts, and none is given")
        configuration = _by_lanes(network, options)
    else:
        point, text = _by_goal(network, options)
        configuration = replace(point.configuration, name=options.name)
        print(text)
    result = write(network, configuration, options.out)
    manifest = result.manifest
    for layer in manifest["layers"]:
        at_each = " at each position reached" if layer["kind"] == "conv2d" else ""
        print(
            f"{layer['name']}: {counted(layer['inputs'], 'input')}, "
            f"{counted(layer['neurons'], 'neuron')} on {counted(layer['lanes'], 'lane')}, "
            f"weights {layer['weight_width']} bit, potentials "
            f"{layer['membrane_width']} bit, words per spike: {layer['groups']}{at_each}"
        )
    if memory := manifest.get("external_memory"):
        print(
            f"external memory: {memory['bytes']:,} bytes from {_base_of(manifest)} on in "
            f"{counted(len(memory['tiles']), 'tile')}, {_fetched(manifest)}; `sstdp-hw memory` "
            "writes them"
        )
    if result.removed:
        print(f"Removed with the earlier accelerator: {', '.join(result.removed)}")
    print(f"{'Unchanged' if result.unchanged else 'Written'}: {result.directory}")
    predicted = {} if point is None else {"predicted": point.to_json()}
    return {
        "directory": str(result.directory),
        "manifest": manifest,
        "unchanged": result.unchanged,
        "removed": list(result.removed),
        **predicted,
    }


def _base_of(manifest):
    """Where weights begin, in words."""
    if "bus" in manifest:
        return f"what BASE tells ({manifest['external_memory']['base_address']:#010x} at first)"
    if manifest["configuration"].get("base_port", False):
        return "what m_axi_base tells"
    return f"{manifest['external_memory']['base_address']:#010x}"


def _fetched(manifest):
    """Bytes that are fetched, in words."""
    memory, batch = manifest["external_memory"], manifest["configuration"].get("batch", 1)
    if batch == 1:
        return f"{memory['bytes_per_image']:,} bytes fetched for an image"
    return (
        f"{memory['bytes_per_batch']:,} bytes fetched for up to {batch} images, "
        f"{memory['bytes_per_image']:,} for each of as many"
    )


generate = Verb(
    summary="compile a network file into Verilog and a manifest",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
