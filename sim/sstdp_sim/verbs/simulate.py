"""The verb ``simulate``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from sstdp_hw.base.destination import check_file
from sstdp_hw.base.errors import UserError
from sstdp_hw.command.verb import Result, Verb, VerbFailed
from sstdp_hw.engine.options import add_cluster, engine_of

from .outcome import refuse_differences, written
from .samples import samples_of

if TYPE_CHECKING:
    from sstdp_hw.contract.directory import GeneratedDirectory
    from sstdp_hw.data.datasets import Samples

    from ..simulation.packets import Traffic

#: Cycles until the first beat of a burst; an accelerator gives up after 4096.
LONGEST_LATENCY = 4000

DESCRIPTION = """\
Run a data set through the generated Verilog with cocotb and compare class, decision time and the
silent flag of every image with the integer reference. Writes DIR/results.json, DIR/results.npz and,
if nothing differs, the record DIR/record.json (see `sstdp-hw verify`),
and exits with status 1 on any mismatch, naming the first one: image, layer, step, neuron.

  sstdp-hw simulate DIR --dataset mnist
  sstdp-hw simulate DIR --dataset mnist --samples 200 --backpressure 0.3
  sstdp-hw simulate DIR --dataset mnist --samples 200 --mutate weight

What is interrupted goes on with the same command. On other machines, see docs/cluster.md:

  sstdp-hw simulate DIR --dataset mnist --cluster tcp://HOST:8786

--mutate corrupts one weight in the hardware first; the mismatch that it must report is the
proof that the check can fail. Its results go to DIR/mutation.

Switching activity of real images for a vendor's power tool (docs/energy.md):

  sstdp-hw simulate DIR --dataset mnist --samples 20 --activity DIR/mnist.saif

Where weights are loaded, the memories are written first; with any network that fits:

  sstdp-hw simulate DIR --dataset mnist --network OTHER"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory", type=Path, metavar="DIR", help="what `sstdp-hw generate` wrote"
    )
    parser.add_argument(
        "--dataset", required=True, metavar="NAME",
        help="digits, mnist, nmnist, caltech-face-motorbike, an .npz file or a folder",
    )  # fmt: skip
    parser.add_argument(
        "--samples",
        default="all",
        metavar="N",
        help="first N images of the test set (default: all)",
    )
    parser.add_argument(
        "--simulator", default="verilator", metavar="NAME", help="verilator (default) or icarus"
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N",
        help="simulator processes at once (default: one per core, one with --activity)",
    )  # fmt: skip
    add_cluster(parser)
    parser.add_argument(
        "--gaps", type=float, default=0.0, metavar="P",
        help="chance that an input beat comes a cycle later (default: 0)",
    )  # fmt: skip
    parser.add_argument(
        "--backpressure", type=float, default=0.0, metavar="P",
        help="chance that an answer is not taken in a cycle (default: 0)",
    )  # fmt: skip
    parser.add_argument(
        "--isolated", action="store_true",
        help="one image at a time, to measure the latency from its first beat to its answer",
    )  # fmt: skip
    parser.add_argument(
        "--memory-latency", type=int, default=0, metavar="CYCLES",
        help="with external weights: from the address of a burst to its first beat (default: 0)",
    )  # fmt: skip
    parser.add_argument(
        "--memory-stalls", type=float, default=0.0, metavar="P",
        help="with external weights: chance that an address or a beat waits a cycle (default: 0)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="of gaps, backpressure and mutation")
    parser.add_argument(
        "--every-spike", action="store_true",
        help="compare every spike of every layer (needs `generate --no-early-exit`)",
    )  # fmt: skip
    parser.add_argument(
        "--waves",
        type=Path,
        metavar="FILE",
        help="write a waveform: .vcd of verilator, .fst of icarus",
    )
    parser.add_argument(
        "--activity", type=Path, metavar="FILE",
        help="write switching activity for a vendor's power tool: .saif, of verilator",
    )  # fmt: skip
    parser.add_argument(
        "--network", type=Path, metavar="NETWORK",
        help="load this network instead of the one that was generated (needs `generate --weights "
        "loadable`); results go to DIR/loaded",
    )  # fmt: skip
    parser.add_argument(
        "--mutate", metavar="KIND", help="corrupt one number first: weight or threshold"
    )
    parser.add_argument(
        "--mutate-layer", type=int, default=-1, metavar="N",
        help="weighted layer to corrupt, counted from 0 (default: the last one)",
    )  # fmt: skip


def _chance(name: str, value: float) -> int:
    """A probability in 256ths; below one, or nothing would ever move."""
    if not 0 <= value <= 0.95:
        raise UserError(f"{name} must be a chance between 0 and 0.95, not {value}")
    return round(value * 256)


def _latency(cycles: int) -> int:
    if not 0 <= cycles <= LONGEST_LATENCY:
        raise UserError(
            f"Memory latency must be between 0 and {LONGEST_LATENCY} cycles, not {cycles}"
        )
    return cycles


def _jobs(options: argparse.Namespace) -> int:
    """Processes at once; an activity file is of one."""
    jobs = options.jobs
    if jobs is None:
        return 1 if options.activity is not None else os.cpu_count() or 1
    if jobs < 1:
        raise UserError(f"Jobs must be at least 1, not {jobs}")
    if options.activity is not None and jobs > 1:
        raise UserError(
            f"Jobs must be 1 with --activity, as one file is of one process, not {jobs}"
        )
    return int(jobs)


def _run(options: argparse.Namespace) -> Result:
    from sstdp_hw.base import locks
    from sstdp_hw.contract.directory import GeneratedDirectory
    from sstdp_hw.contract.file_names import LOADED_FOLDER, MUTATION_FOLDER, RESULTS_FILE
    from sstdp_hw.network.network import Network
    from sstdp_hw.reference.evaluation import check_samples

    from ..comparison.cosimulation import check_makes_every_spike
    from ..comparison.mutation import check_mutation
    from ..simulation.activity import check_activity
    from ..simulation.packets import Traffic
    from ..simulation.simulator import check_simulator, check_waves

    if not 0 <= options.seed < 1 << 31:
        raise UserError(f"Seed must be between 0 and {(1 << 31) - 1}, not {options.seed}")
    for written_to in (options.waves, options.activity):
        if written_to is not None:
            check_file(written_to)
    jobs = _jobs(options)
    if options.activity is not None:
        check_activity(options.simulator, options.activity, options.waves)
    check_simulator(options.simulator)
    if options.waves is not None:
        check_waves(options.simulator, options.waves)
    if options.cluster is not None and (options.waves or options.activity):
        raise UserError("A trace is written by one simulator here; leave --cluster out")
    traffic = Traffic(
        _chance("Gaps", options.gaps), _chance("Backpressure", options.backpressure), options.seed,
        options.isolated, memory_latency=_latency(options.memory_latency),
        memory_stalls=_chance("Memory stalls", options.memory_stalls),
    )  # fmt: skip
    # Nobody replaces the accelerator meanwhile, and nobody else writes these results.
    with locks.reading(options.directory):
        directory = GeneratedDirectory.load(options.directory)
        if options.network is not None:
            directory = directory.with_loaded(Network.load(options.network))
        if (traffic.memory_latency or traffic.memory_stalls) and not directory.external:
            raise UserError(
                f"{directory.path}: weights must stand in an external memory for --memory-latency "
                "and --memory-stalls; generate with --weights external"
            )
        samples = samples_of(options.dataset, options.samples)
        check_samples(directory.network, samples)
        if options.mutate:
            check_mutation(directory, options.mutate, options.mutate_layer)
        if options.every_spike:
            check_makes_every_spike(directory)
        out = directory.path
        if options.network is not None:
            out = out / LOADED_FOLDER
        if options.mutate:
            out = out / MUTATION_FOLDER
        with locks.output(out / RESULTS_FILE):
            result, files = _simulate(options, directory, samples, traffic, out, jobs)
    _show(result)
    files += [path for path in (options.waves, options.activity) if path is not None]
    print(f"Written: {', '.join(map(str, files))}")
    if options.mutate and not result["mismatches"]:
        raise VerbFailed("the mutation was not noticed by these images", result)
    refuse_differences(result)
    return result


def _simulate(
    options: argparse.Namespace, directory: GeneratedDirectory, samples: Samples, traffic: Traffic,
    out: Path, jobs: int,
) -> tuple[Result, list[Path]]:  # fmt: skip
    """Simulate, and write what came out to the folder ``out``; the result, and the files."""
    from sstdp_hw.base.progress import progress
    from sstdp_hw.base.tables import counted

    from ..comparison.cosimulation import cosimulate

    mutate = None
    if options.mutate:
        mutate = (options.mutate, options.mutate_layer, options.seed)
    with (
        engine_of(options.cluster, jobs) as engine,
        progress(f"Simulating {counted(len(samples), 'image')}", len(samples)) as advance,
    ):
        report = cosimulate(
            directory, samples.images, samples.labels,
            simulator=options.simulator, traffic=traffic, every_spike=options.every_spike,
            waves=options.waves, activity=options.activity, mutate=mutate, progress=advance,
            engine=engine, keep=True,
        )  # fmt: skip
    report.result.update(dataset=options.dataset, dataset_digest=samples.digest)
    own = mutate is None and options.network is None
    return report.result, written(directory, report, out, own=own)


def _show(result: Result) -> None:
    from sstdp_hw.base.tables import counted
    from sstdp_hw.models.energy import Range

    if result.get("loading_cycles"):
        took = result["loading_cycles"]["max"]
        print(f"{result['network_digest'][:12]} loaded in {took:,} cycles")
    if result["mutation"]:
        print(f"mutated: {result['mutation']['text']}")
    print(
        f"{counted(result['images'], 'image')}, {result['mismatches']} mismatches; accuracy: "
        f"software {result['software_accuracy']:.2%}, hardware {result['hardware_accuracy']:.2%}"
    )
    cycles, latency = result["cycles_per_image"], result["latency_cycles"]
    if cycles:
        shown = "" if result["efficiency"] is None else f", efficiency {result['efficiency']:.3f}"
        print(
            f"cycles per image: mean {cycles['mean']:.1f}, min {cycles['min']}, "
            f"max {cycles['max']}{shown}"
        )
        print(
            f"cycles from first beat to answer: mean {latency['mean']:.1f}, min {latency['min']}, "
            f"max {latency['max']}"
        )
        low_to_high = Range(**result["energy_estimate"]["picojoules"])
        print(f"energy per image, an estimate (docs/energy.md): {low_to_high}")
        seconds = result["seconds"]
        print(
            f"{result['images_per_second']} images/s simulated by {result['processes']} "
            f"process{'es' if result['processes'] != 1 else ''} in {seconds['simulate']:.1f} s, "
            f"{result['images_per_processor_second']} per second of processor time; compiling "
            f"took {seconds['compile']:.1f} s"
        )


simulate = Verb(
    summary="co-simulate the Verilog against the integer reference, image by image",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
