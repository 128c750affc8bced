"""The verb ``quantize``."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sstdp_hw import __version__
from sstdp_hw.base import locks
from sstdp_hw.base.destination import is_stream
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import file_digest, refuse_changed, sha256, write_json
from sstdp_hw.base.progress import progress
from sstdp_hw.base.tables import counted, number, percent, show, table
from sstdp_hw.command.verb import Result, Verb
from sstdp_hw.data.datasets import Samples
from sstdp_hw.network.float_network import FILE_NAME as FLOAT_FILE
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.layers import Array
from sstdp_hw.network.load import data_sets
from sstdp_hw.network.network import FILE_NAME, Network
from sstdp_hw.quantization.quantize import quantize
from sstdp_hw.quantization.report import QuantizationReport, report
from sstdp_hw.reference.evaluation import check_samples

NO_DATA = "none"
CALIBRATION_IMAGES = 1000
BAR_WIDTH = 40
SUFFIX = Path(FILE_NAME).suffix

DESCRIPTION = f"""\
Turn the float network of a run into the integers that the hardware computes with, and report what
that cost. From here on everything is equality.

  sstdp-hw quantize RUN --weight-width 4 --out RUN/network.safetensors
  sstdp-hw quantize RUN --weight-width 4,6 --out build/mixed.safetensors

A layer that was trained for the width keeps the scale of its training and loses nothing. Otherwise
the scale of a layer is searched: least squared weight error first, then, on {CALIBRATION_IMAGES}
training images, the scale around it that moves the fewest spikes. Thresholds become exact integers.
Beside FILE a report is written, quantize.json (FILE's stem before it for another name than
{FILE_NAME})."""


def _widths(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be one integer, or one per layer with commas, not {text!r}"
        ) from None


def _calibration_count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a number of images or 0, not {text!r}")
    return int(text)


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder or float network file")
    parser.add_argument(
        "--weight-width", type=_widths, metavar="N[,N...]",
        help="signed width of the weights in bits, 1 to 16, for all layers or per layer (default: "
        "the widths that the network was trained for)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help=f"network file, *{SUFFIX}"
    )
    parser.add_argument(
        "--dataset", metavar="NAME",
        help="data set of calibration (training images) and of the report (test images), or "
        f"{NO_DATA} (default: what the network was trained on)",
    )  # fmt: skip
    parser.add_argument(
        "--test-dataset", metavar="NAME", help="other images for the report, as for train"
    )
    parser.add_argument(
        "--calibration", type=_calibration_count, default=CALIBRATION_IMAGES, metavar="N",
        help=f"training images that refine the scales; 0 for none (default: {CALIBRATION_IMAGES})",
    )  # fmt: skip


@dataclass(frozen=True)
class _Data:
    """Images of one quantization."""

    calibration: Array | None
    samples: Samples | None
    split: str | None


def _data(network: FloatNetwork, options: argparse.Namespace) -> _Data:
    """What to calibrate and to report on. An .npz file has no test images of its own."""
    from sstdp_hw.data import datasets

    if options.dataset == NO_DATA:
        return _Data(None, None, None)
    own, own_test = data_sets(network.provenance)
    dataset = options.dataset or own
    test = options.test_dataset or (None if options.dataset else own_test)
    if not dataset:
        raise UserError(
            f"{network.source}: does not tell its data set, so one must be given, for example "
            f"--dataset mnist (or --dataset {NO_DATA})"
        )
    train = None
    if options.calibration and not network_is_trained_for(network, options.weight_width):
        train = datasets.load(dataset, "train")
    calibration = None if train is None else _evenly(train.images, options.calibration)
    if test is None and dataset.endswith(".npz"):
        samples, split = train or datasets.load(dataset, "train"), "train"
    else:
        samples, split = datasets.load(test or dataset, "test"), "test"
    for images in (train, samples):  # before the work
        if images is not None:
            check_samples(network, images)
    return _Data(calibration, replace(samples, name=test or dataset), split)


def network_is_trained_for(network: FloatNetwork, widths: tuple[int, ...] | None) -> bool:
    """Whether every layer has a scale for its width already, so that none has to be searched."""
    weighted = network.weighted
    asked = widths or tuple(layer.weight_width for _, layer in weighted)
    asked = asked * len(weighted) if len(asked) == 1 else asked
    return all(
        network.scales[index] is not None and layer.weight_width == width
        for (index, layer), width in zip(weighted, asked, strict=False)
    )


def _evenly(images: Array, count: int) -> Array:
    """At most ``count`` images, evenly spread: a file may be sorted by class."""
    return images[:: -(-len(images) // count)]


def _run(options: argparse.Namespace) -> Result:
    # A run is held, so that no training goes on in it; of a single file the check below is enough.
    held = locks.reading(options.run) if options.run.is_dir() else nullcontext()
    with held:
        return _quantize(options)


def _quantize(options: argparse.Namespace) -> Result:
    file = options.run / FLOAT_FILE if options.run.is_dir() else options.run
    before = file_digest(file) if file.is_file() else ""
    network = FloatNetwork.load(options.run)
    _check_name(options.out)
    if options.out.resolve() == file.resolve():
        raise UserError(
            f"{options.out}: must not be the float network itself; choose another --out"
        )
    with locks.output(options.out):
        return _write(options, network, file, before)


def _check_name(out: Path) -> None:
    """Refuse a name that is no network file's: all that reads one looks for the suffix, and without
    it a folder may be meant."""
    if out.is_dir():
        raise UserError(f"{out}: must be a file name, not a folder; add /{FILE_NAME}")
    if out.suffix != SUFFIX and not is_stream(out):
        raise UserError(
            f"{out}: must end in {SUFFIX}; name it {out.name}{SUFFIX}, or {out.name}/{FILE_NAME} "
            "for a folder of its own"
        )


def _write(options: argparse.Namespace, network: FloatNetwork, file: Path, before: str) -> Result:
    """Quantize and write network and report; ``before`` is the digest of the file that was read."""
    data = _data(network, options)
    with progress(f"Quantizing {network.name}", len(network.weighted)) as advance:
        integers, layers = quantize(
            network, options.weight_width, calibration=data.calibration, progress=advance
        )
    images = 0 if data.samples is None else len(data.samples)
    with progress(f"Comparing float and integers on {counted(images, 'image')}", images) as advance:
        found = report(network, integers, layers, data.samples, split=data.split, progress=advance)
    integers = replace(integers, provenance=_provenance(network, file, found, data))
    result = {
        "out": str(options.out),
        "source": str(file),
        "digest": integers.digest,
        "calibration_images": 0 if data.calibration is None else len(data.calibration),
        **found.to_json(),
    }
    refuse_changed({file: before}, "quantize again")
    beside = report_path(options.out)
    write_json(beside, result)  # first: it refuses figures that are not finite
    integers.save(options.out)
    _show(found, integers)
    print(f"Written: {options.out}, {beside}")
    return result


def report_path(network: Path) -> Path:
    """Where the report of a network file lies."""
    return network.with_name(
        "quantize.json" if network.name == FILE_NAME else f"{network.stem}.quantize.json"
    )


def _provenance(
    network: FloatNetwork, file: Path, found: QuantizationReport, data: _Data
) -> dict[str, Any]:
    """Where the integers come from: what the float network told, and this quantization."""
    return {
        **{key: value for key, value in network.provenance.items() if key != "quantization"},
        "quantization": {
            "sstdp-hw": __version__,
            "float_network_sha256": sha256(file.read_bytes()),
            "calibration_images": 0 if data.calibration is None else len(data.calibration),
            "scales": [layer.scale for layer in found.layers],
            "weight_widths": [layer.width for layer in found.layers],
            "dataset": found.dataset,
            "split": found.split,
            "images": found.images,
            "float": None if found.before is None else asdict(found.before),
            "integer": None if found.after is None else asdict(found.after),
        },
    }


def _show(found: QuantizationReport, integers: Network) -> None:
    rows = []
    for place, layer in enumerate(found.layers):
        moved = None if found.changes is None else found.changes.spikes[place]
        rows.append(
            (
                f"layers.{layer.index}",
                str(layer.width),
                f"{layer.scale:.6g}",
                layer.origin,
                percent(layer.error),
                percent(layer.clipped),
                percent(layer.zero),
                percent(moved),
            )
        )
    headings = (
        "layer", "bits", "scale", "scale from", "weight error", "clipped", "zero", "spikes moved"
    )  # fmt: skip
    shown = [table(f"Quantization of {found.network}", headings, rows)]
    if found.before and found.after and found.changes:
        pairs = [
            ("accuracy (rule 6)", percent(found.before.rule_6), percent(found.after.rule_6)),
            (
                "accuracy, ties counted as correct",
                percent(found.before.ties_counted),
                percent(found.after.ties_counted),
            ),
            (
                "mean decision time (steps)",
                number(found.before.mean_decision_time, 3),
                number(found.after.mean_decision_time, 3),
            ),
            ("silent images", percent(found.before.silent), percent(found.after.silent)),
            ("images of another class", "", percent(found.changes.classes)),
            ("images of another decision time", "", percent(found.changes.decision_times)),
        ]
        title = f"{found.images:,} {found.split} images of {found.dataset}"
        shown.append(table(title, ("", "float", "integer"), pairs))
    for layer, counts in zip(found.layers, found.histograms, strict=True):
        if "values" in counts and layer.width <= 4:
            shown.append(_histogram(f"Weights of layers.{layer.index}", counts))
    show(*shown)


def _histogram(title: str, counts: dict[str, list[int]]) -> Any:
    top = max(counts["counts"])
    drawn = table(title, ("weight", "count", ""), [])
    drawn.columns[2].justify = "left"
    for value, count in zip(counts["values"], counts["counts"], strict=True):
        drawn.add_row(str(value), f"{count:,}", "#" * round(BAR_WIDTH * count / top))
    return drawn


verb = Verb(
    summary="turn a float network into integers and report the cost",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
