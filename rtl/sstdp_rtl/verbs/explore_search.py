"""``explore RUN --search N``: networks and accelerators together."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sstdp_hw.base.destination import check_folder
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import file_digest, write_json
from sstdp_hw.base.progress import progress, say
from sstdp_hw.base.tables import counted, show, table
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.blocks.weight_store import STORES
from sstdp_hw.command.verb import Result
from sstdp_hw.data import datasets
from sstdp_hw.models.exploration import Goal
from sstdp_hw.network.float_network import FILE_NAME as FLOAT_FILE
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.load import data_sets, load_network
from sstdp_hw.reference.evaluation import check_samples
from sstdp_hw.search import front as found
from sstdp_hw.search.space import Choice, Space
from sstdp_hw.search.trial import Hardware, carry_out, find_tuning

JOURNAL = Path("search", "journal.log")
EPOCHS = 2


def add_search(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("search: weights and hardware together")
    group.add_argument(
        "--search", type=int, metavar="N",
        help="go on until there are N trials; each fine-tunes the run's float network with weight "
        "widths, pruning and steps of its own, for lanes and pixels per beat of its own",
    )  # fmt: skip
    group.add_argument(
        "--search-epochs", type=int, default=EPOCHS, metavar="N",
        help="epochs of each fine-tuning (default: %(default)d)",
    )  # fmt: skip
    group.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of what --search chooses (default: 0)"
    )


def search(options: argparse.Namespace) -> Result:
    """Carry out trials until there are enough, and tell of all there are.

    Raises
    ------
    UserError
        If there is no float network to fine-tune or no data set, what it takes is not installed, or
        the journal is of another search.
    """
    _check(options)
    folder, network = _network(options.network)
    try:
        from sstdp_hw.search.journal import Journal
    except ModuleNotFoundError as error:
        raise UserError(
            f"--search needs the Python package {error.name}; pip install 'sstdp-hw[search]' "
            "brings it"
        ) from None
    dataset = options.dataset or data_sets(network.provenance)[0]
    if dataset is None:
        raise UserError(
            f"{network.source}: does not tell its data set, and --search trains; add --dataset NAME"
        )
    samples = datasets.load(dataset, "train")
    check_samples(network, samples)
    tuning = find_tuning(network, samples, dataset, options.search_epochs)
    space = Space.of(
        network, prunes=tuning.prunes, recodes=tuning.recodes,
        pixels_per_beat=options.pixels_per_beat,
    )  # fmt: skip
    configuration = Configuration(
        None, space.pixels_per_beat[0], not options.no_early_exit, options.weights
    )
    hardware = Hardware(configuration, options.clock, options.samples)
    made_of: dict[str, Any] = {
        "float network": file_digest(Path(network.source)),
        "data set": dataset,
        "digest of images": samples.digest,
        "held-back images": len(tuning.held_back),
        "--search-epochs": options.search_epochs,
        "--seed": options.seed,
        "--samples": options.samples,
        "--clock": options.clock,
        "--weights": options.weights,
        "early exit": configuration.early_exit,
        "space": space.to_json(),
    }
    check_folder(folder)
    journal = Journal(folder / JOURNAL, made_of, options.seed)
    result: Result = {}

    def measure(number: int, choice: Choice) -> dict[str, Any]:
        outcome = carry_out(choice, tuning, hardware)
        outcome.network.save(folder / found.network_file(number))
        return outcome.row

    def keep() -> None:
        result.clear()
        result.update(_result(network, made_of, tuning.seed, tuning.seen, journal))
        write_json(folder / found.FILE_NAME, result)

    left = max(0, options.search - journal.finished())
    with progress(f"Searching, {counted(left, 'trial')}", left) as advance:

        def done() -> None:
            keep()
            advance(1)

        journal.carry_out(options.search, space, measure, done)
    keep()
    _show(folder, result)
    return result


def _check(options: argparse.Namespace) -> None:
    for name in ("search", "search_epochs", "samples"):
        if getattr(options, name) < 1:
            flag = f"--{name.replace('_', '-')}"
            raise UserError(f"{flag} must be at least 1, not {getattr(options, name)}")
    if not 0 <= options.seed < 1 << 32:
        raise UserError(f"--seed must be between 0 and {(1 << 32) - 1}, not {options.seed}")
    Goal(clock_mhz=options.clock)
    for name in (
        "architecture", "memory_width", "batch", "memory_latency", "memory_interval",
        "target_fps", "max_luts", "max_brams", "max_bandwidth",
    ):  # fmt: skip
        if getattr(options, name) is not None:
            raise UserError(
                f"--search must be without --{name.replace('_', '-')}: its trials are streaming "
                "accelerators with weights on the chip; explore a network of the front with it"
            )
    if options.weights not in STORES or STORES[options.weights].external:
        raise UserError(
            f"--search must be with --weights rom or loadable, not {options.weights}: its trials "
            "are streaming accelerators"
        )
    for given, instead in (
        (options.synthesize, "--synthesize: explore a network of the front with it"),
        (options.cluster, "--cluster: start the command on every machine that sees the folder"),
        (options.plot, "--plot: `sstdp-hw report RUN --html` draws the front"),
    ):
        if given:
            raise UserError(f"--search must be without {instead}")


def _network(path: Path) -> tuple[Path, FloatNetwork]:
    """The folder of the search, and what it fine-tunes."""
    needed = f"--search must have a float network to fine-tune, a run folder or its {FLOAT_FILE}"
    if str(path).startswith("ready:"):
        raise UserError(f"{needed}, not {path}, which has integers; train with `sstdp-hw train`")
    if path.is_dir():
        if not (path / FLOAT_FILE).is_file():
            raise UserError(f"{needed}, and {path} holds none; train with `sstdp-hw train`")
        path = path / FLOAT_FILE
    network = load_network(path)
    if not isinstance(network, FloatNetwork):
        raise UserError(f"{needed}, and {path} has integers; name the run that it comes from")
    return path.parent, network


def _result(
    network: FloatNetwork, made_of: dict[str, Any], seed: int, seen: bool, journal: Any
) -> Result:
    rows = journal.rows()
    return {
        "network": network.name,
        "made_of": made_of,
        "objectives": {
            name: "maximize" if more else "minimize" for name, more in found.OBJECTIVES.items()
        },
        "measured_on": "held-back training images",
        "held_back_images_trained_on_before": seen,
        "training_seed": seed,
        "trials": rows,
        "failed": journal.failed(),
        "front": [row["trial"] for row in found.pareto_front(rows)],
    }


def _show(folder: Path, result: Result) -> None:
    rows = found.pareto_front(result["trials"])
    title = f"{result['network']}: Pareto front of {counted(len(result['trials']), 'trial')}"
    made = table(title, found.HEADINGS, map(found.cells, rows))
    made.caption = found.note(result)
    show(made)
    for failed in result["failed"]:
        say(f"Trial {failed['trial']} failed: {failed['failure']}")
    if rows:
        say(f"Networks of the trials: {folder / found.network_file(rows[0]['trial'])} and so on")
    print(f"Written: {folder / found.FILE_NAME}")
