"""The verb ``run``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sstdp_hw.base.errors import UserError
from sstdp_hw.command.verb import Result, Verb

from .outcome import refuse_differences, written
from .samples import samples_of

if TYPE_CHECKING:
    from sstdp_hw.contract.directory import GeneratedDirectory
    from sstdp_hw.data.datasets import Samples

DESCRIPTION = """\
Play a data set on a board over its serial port and compare class, decision time and the silent flag
of every image with the integer reference. Writes DIR/results.json, DIR/results.npz and, if every
image was answered and nothing differs, the record DIR/record.json, as `simulate` does, and exits
with status 1 if not.

  sstdp-hw run DIR --port /dev/ttyUSB0 --dataset mnist
  sstdp-hw run DIR --port sim --dataset digits --samples 100

The port `sim` is the board simulated: its whole design in Verilator, as a process of its own behind
a pseudo-terminal. Bytes can be damaged on the way:

  sstdp-hw run DIR --port sim:changed=0.004,lost=0.003,seed=7 --dataset digits

Where weights are loaded they are sent first; those of any network that fits, whose results go to
DIR/loaded:

  sstdp-hw run DIR --port /dev/ttyUSB0 --dataset mnist --network OTHER"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory", type=Path, metavar="DIR", help="what `sstdp-hw generate` wrote"
    )
    parser.add_argument(
        "--port", required=True, metavar="PORT",
        help="serial port of the board, /dev/ttyUSB0 or COM3, or sim[:NAME=VALUE,...]; names: "
        "changed, lost, doubled (chances of a byte), after, seed, baud, pace, unplug",
    )  # fmt: skip
    parser.add_argument(
        "--dataset", required=True, metavar="NAME",
        help="digits, mnist, nmnist, caltech-face-motorbike, an .npz file or a folder",
    )  # fmt: skip
    parser.add_argument(
        "--samples", default="all", metavar="N",
        help="first N images of the test set (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--baud", type=int, default=1_000_000, metavar="N",
        help="speed of the bitstream's serial port (default: 1000000)",
    )  # fmt: skip
    parser.add_argument(
        "--network", type=Path, metavar="NETWORK",
        help="load this network instead of the one that was generated (needs `generate --weights "
        "loadable`)",
    )  # fmt: skip
    parser.add_argument(
        "--retries", type=int, default=30, metavar="N",
        help="more attempts of an image that is not answered (default: 30)",
    )  # fmt: skip


def _run(options: argparse.Namespace) -> Result:
    from sstdp_hw.base import locks
    from sstdp_hw.contract.directory import GeneratedDirectory
    from sstdp_hw.contract.file_names import LOADED_FOLDER, RESULTS_FILE
    from sstdp_hw.network.network import Network
    from sstdp_hw.reference.evaluation import check_samples

    if not 0 <= options.retries <= 1000:
        raise UserError(f"Retries must be between 0 and 1000, not {options.retries}")
    with locks.reading(options.directory):
        directory = GeneratedDirectory.load(options.directory)
        if options.network is not None:
            directory = directory.with_loaded(Network.load(options.network))
        samples = samples_of(options.dataset, options.samples)
        check_samples(directory.network, samples)
        out = directory.path
        if options.network is not None:
            out = out / LOADED_FOLDER
        with locks.output(out / RESULTS_FILE):
            result, files = _play(options, directory, samples, out)
    _show(result)
    print(f"Written: {', '.join(map(str, files))}")
    refuse_differences(result)
    return result


def _play(
    options: argparse.Namespace, directory: GeneratedDirectory, samples: Samples, out: Path
) -> tuple[Result, list[Path]]:
    """Play, and write what came out to the folder ``out``; the result, and the files."""
    from sstdp_hw.base.progress import progress, say
    from sstdp_hw.base.tables import counted

    from ..board.comparison import compare
    from ..board.host import Host

    if options.port.partition(":")[0] == "sim":
        say("Compiling the simulated board, unless it was before ...")
    with Host(directory, options.port, options.baud) as host:
        host.load(progress)
        title = f"Playing {counted(len(samples), 'image')} on {options.port}"
        with progress(title, len(samples)) as advance:
            report = compare(
                host, samples.images, samples.labels, retries=options.retries, progress=advance
            )
        interruption = host.interruption
        report.result["simulated_board"] = host.close() or None
    report.result.update(dataset=options.dataset, dataset_digest=samples.digest)
    files = written(directory, report, out, own=options.network is None)
    if interruption is not None:
        raise interruption
    return report.result, files


def _show(result: Result) -> None:
    line = result["line"]
    print(
        f"{result['answered']} of {result['images']} images answered, {result['mismatches']} "
        f"mismatches; accuracy: software {result['software_accuracy']:.2%}, hardware "
        f"{result['hardware_accuracy']:.2%}"
    )
    print(
        f"{result['images_per_second']} images/s; the line allows "
        f"{line['limit_images_per_second']} at {line['baud']} baud"
    )
    if line["resynchronized"]:
        errors = ", ".join(f"{count} {name}" for name, count in sorted(line["errors"].items()))
        print(
            f"{line['requests']} requests for {result['images']} images; fell quiet "
            f"{line['resynchronized']} times: {errors}"
        )
    if counted := result["simulated_board"]:
        busy = counted["rx_cycles"] / max(1, counted["rx_span"])
        print(
            f"simulated board: {counted['cycles']:,} cycles, line to the board in use "
            f"{busy:.1%} of the time, {counted['damaged']} bytes damaged of "
            f"{counted['to_board'] + counted['to_host']:,}"
        )


run = Verb(
    summary="play a data set on a board over its serial port, compared with the reference",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
