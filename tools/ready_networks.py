"""Makes the networks of sstdp_hw/ready from finished runs.

  python tools/ready_networks.py build/digits/float build/digits/4-bit
  python tools/ready_networks.py --refresh

The first command takes the runs of one chain in order: a training, and the fine-tunings after it,
each from the one before. It quantizes the last as `sstdp-hw quantize` does, looks at the test
images in float and in integers, and writes the network file and its card. What is kept of the
runs are recipes, versions and figures; command lines are derived from the recipes, so that no path
of the machine they ran on comes along.

The second derives the command lines and cards anew from the recipes that the files record. It is
needed after a recipe of `sstdp_train.RECIPES` changed: the file then names every difference to it.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sstdp_hw import ready
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import read_json, written_whole
from sstdp_hw.command import cli
from sstdp_hw.data import datasets
from sstdp_hw.network import ready_files
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.network import FILE_NAME, Network
from sstdp_hw.ready.card import backend_of, card, sizes, widths
from sstdp_hw.ready.rebuild import PLACE
from sstdp_hw.reference.evaluation import evaluate
from sstdp_train import RECIPES, Recipe, fine_tuning, recipe_for
from sstdp_train.verbs.train import flag_of

FIELDS = {field.name: field for field in dataclasses.fields(Recipe)}
GIVEN_BY_INIT = ("name", "layers", "t_max", "weight_widths")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="runs of one chain")
    parser.add_argument("--name", help="default: by data set, sizes and weight width")
    parser.add_argument(
        "--weight-width", metavar="N[,N...]", help="default: what the last run was trained for"
    )
    parser.add_argument(
        "--refresh", action="store_true", help="derive commands and cards of all files anew"
    )
    options = parser.parse_args(arguments)
    if bool(options.runs) == options.refresh:
        parser.error("give the runs of one chain, or --refresh")
    try:
        if options.refresh:
            for name in ready.names():
                network = ready.load(name)
                print(write(name, with_chain(network)))
        else:
            print(write(*made_of(options.runs, options.name, options.weight_width)))
    except UserError as error:
        print(f"ready_networks: error: {error}", file=sys.stderr)
        return 2
    return 0


def write(name: str, network: Network) -> Path:
    """Write network file and card into `ready_files.FOLDER`."""
    file = ready_files.FOLDER / f"{name}{ready_files.SUFFIX}"
    network.save(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    with written_whole(file.with_suffix(".md")) as temporary:
        temporary.write_text(card(name, network, digest), encoding="utf-8")
    return file


def made_of(runs: Sequence[Path], name: str | None, width: str | None) -> tuple[str, Network]:
    """Name and network that a chain of runs gives."""
    told = [read_json(run / "train.json", "result") for run in runs]
    _check(runs, told)
    dataset = told[0]["asked"]["dataset"]
    trained = told[-1]["recipe"]["weight_widths"]
    width = width or _shown(trained)
    if not width:
        raise UserError(f"{runs[-1]}: was trained in float, so --weight-width must be given")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / FILE_NAME
        quantize = ["quantize", str(runs[-1]), "--weight-width", width, "--out", str(file)]
        cli.run_verb(cli.find_verbs(), quantize)
        network = Network.load(file)
    test = datasets.load(dataset, "test")
    figures = {
        kind: _figures(evaluate(measured, test).to_json())
        for kind, measured in (("float", FloatNetwork.load(runs[0])), ("integer", network))
    }
    network = dataclasses.replace(
        network,
        provenance={
            "dataset": dataset,
            **{
                key: told[-1].get(key)
                for key in ("seed", "versions", "device", "validation_accuracy")
            },
            "backend": backend_of(told[-1]),
            "test_images": len(test),
            "test_accuracy": figures["integer"]["accuracy"],
            "test_accuracy_ties_counted": figures["integer"]["accuracy_ties_counted"],
            "quantization": network.provenance["quantization"],
            "ready": {
                "quantize_width": width,
                "training_data": datasets.load(dataset, "train").digest,
                "trainings": [
                    {
                        key: run.get(key)
                        for key in ("recipe", "epochs", "exported_epoch", "validation_accuracy",
                                    "wall_seconds", "device")
                    }
                    | {"backend": backend_of(run)}
                    for run in told
                ],
                **figures,
            },
        },
    )  # fmt: skip
    bits = widths(network).replace(", ", "-")
    return name or f"{dataset}-{sizes(network)}-{bits}bit", with_chain(network)


def _check(runs: Sequence[Path], told: Sequence[dict[str, Any]]) -> None:
    """Refuse what a user could not make again by the commands alone."""
    asked = told[0]["asked"] or {}
    if asked.get("dataset") not in datasets.LOADERS or asked.get("test_dataset"):
        raise UserError(
            f"{runs[0]}: data set must be one that everybody has, {', '.join(datasets.LOADERS)}, "
            f"not {asked.get('dataset')}"
        )
    if "initial" in told[0]:
        raise UserError(
            f"{runs[0]}: the first run must start from random weights, not from another"
        )
    for before, run, path in zip(told, told[1:], runs[1:], strict=False):
        initial = dict(run.get("initial") or {})
        if not initial or any(
            initial[key] != before[key] for key in initial if key != "source"
        ):  # the accuracies of the network that it started from
            raise UserError(f"{path}: must start from the run before it, and does not")


def _figures(found: dict[str, Any]) -> dict[str, Any]:
    """Without names, and without time, which is of this machine."""
    left_out = ("network", "dataset", "seconds", "images_per_second")
    return {key: value for key, value in found.items() if key not in left_out}


def with_chain(network: Network) -> Network:
    """The network with commands and differences derived from its recipes as they are now."""
    told = dict(network.provenance["ready"])
    dataset, trainings = network.provenance["dataset"], []
    chain: list[list[str]] = []
    before, folder = None, ""
    for training in told["trainings"]:
        recipe = Recipe.from_dict(training["recipe"], network.source)
        others = ["--device", training["device"]]
        if backend := backend_of(training):
            others += ["--backend", backend]
        start, command = folder, ["train"]
        folder = f"{PLACE}/{_folder_name(recipe, len(chain))}"
        if before is None:
            command += [*_first(recipe, dataset), *others]
            changes = _changes(recipe, RECIPES["published"], ("name", "seed"))
        else:
            command += ["--init", start, *_further(recipe, before), *others]
            changes = _changes(recipe, before, ("name",))
        chain.append([*command, "--out", folder])
        trainings.append({**training, "recipe": recipe.as_dict(), "changes": changes})
        before = recipe
    chain.append(
        ["quantize", folder, "--weight-width", told["quantize_width"],
         "--out", f"{folder}/{FILE_NAME}"]
    )  # fmt: skip
    told |= {"trainings": trainings, "chain": chain}
    return dataclasses.replace(network, provenance={**network.provenance, "ready": told})


def _folder_name(recipe: Recipe, place: int) -> str:
    kind = "-".join(dict.fromkeys(str(width) for width in recipe.weight_widths))
    return f"{place + 1}-{kind}-bit" if kind else f"{place + 1}-float"


def _first(recipe: Recipe, dataset: str) -> list[str]:
    """Options that make ``recipe`` out of a named one."""
    base = RECIPES.get(recipe.name, recipe_for(dataset))
    named = [] if base == recipe_for(dataset) else ["--recipe", base.name]
    return ["--dataset", dataset, *named, *_options(recipe, base, ("name", "seed")), *_seed(recipe)]


def _further(recipe: Recipe, before: Recipe) -> list[str]:
    """Options that make ``recipe`` out of what ``--init`` takes over from the run before."""
    base, given = before.with_(weight_widths=()), []
    if recipe.weight_widths:
        base = fine_tuning(base, recipe.weight_widths)
        given = ["--weight-width", _shown(recipe.weight_widths)]
    return [*given, *_options(recipe, base, GIVEN_BY_INIT)]


def _shown(weight_widths: Sequence[int]) -> str:
    """As the command line takes them: one number for all layers if they are equal."""
    equal = len(set(weight_widths)) == 1
    return ",".join(str(width) for width in (weight_widths[:1] if equal else weight_widths))


def _seed(recipe: Recipe) -> list[str]:
    return ["--seed", str(recipe.seed)]


def _options(recipe: Recipe, base: Recipe, left_out: tuple[str, ...]) -> list[str]:
    options = []
    for name, value in recipe.as_dict().items():
        if name in left_out or value == base.as_dict()[name]:
            continue
        flag = flag_of(name)
        if isinstance(value, bool):
            options.append(flag if value else f"--no-{flag[2:]}")
        else:
            options += [flag, ",".join(map(str, value)) if isinstance(value, list) else str(value)]
    return options


def _changes(recipe: Recipe, base: Recipe, left_out: tuple[str, ...]) -> list[dict[str, Any]]:
    """The fields that differ, with what the recipe says about them."""
    return [
        {
            "option": flag_of(name),
            "origin": FIELDS[name].metadata["origin"],
            "value": value,
            "other": base.as_dict()[name],
            "help": FIELDS[name].metadata["help"],
        }
        for name, value in recipe.as_dict().items()
        if name not in left_out and value != base.as_dict()[name]
    ]


if __name__ == "__main__":
    sys.exit(main())
