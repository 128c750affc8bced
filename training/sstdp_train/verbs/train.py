"""The verb ``train``. Its recipe options are made from the fields of `Recipe`."""

from __future__ import annotations

import argparse
import dataclasses
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sstdp_hw.base.errors import UserError
from sstdp_hw.base.progress import say
from sstdp_hw.base.tables import percent
from sstdp_hw.command.verb import Result, Verb
from sstdp_hw.reference.evaluation import ties_told

from ..backends.choice import BACKENDS
from ..recipes.architecture import LayersError, weighted_layers
from ..recipes.recipe import RECIPES, Recipe, RecipeError, fine_tuning, recipe_for

if TYPE_CHECKING:
    from sstdp_hw.data.datasets import Samples
    from sstdp_hw.network.float_network import FloatNetwork

DESCRIPTION = """\
Train a network of integrate-and-fire neurons with SSTDP and write its run folder:
float.safetensors (the network), train.json (recipe and accuracies), history.json, curves.png and
checkpoint.pt (for --resume).

  sstdp-hw train --dataset digits --out build/digits
  sstdp-hw train --dataset mnist --layers 400 --steps 8 --out build/mnist
  sstdp-hw train --dataset mnist --layers conv16k5,pool2,conv32k5 --out RUN
  sstdp-hw train --init build/mnist --weight-width 4 --out build/mnist-4bit
  sstdp-hw train --resume --out build/mnist

The fourth command fine-tunes with quantized weights (quantization-aware training). Epochs are
chosen on images held back from training; the test images are looked at once, at the end. Every
data set has a recipe of good defaults; the options below change single choices of it, and
docs/training.md lists them, docs/training-additions.md tells why they are there."""

# Options whose name differs from the field's, for the words that people use.
FLAGS = {"t_max": "--steps", "weight_widths": "--weight-width"}


def flag_of(name: str) -> str:
    """The option of a recipe field."""
    return FLAGS.get(name, "--" + name.replace("_", "-"))


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be integers with commas, not {text!r}") from None


def _layers(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder of the run")
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        help="digits, mnist, cifar10, cifar10-jpeg, caltech-face-motorbike, an .npz file or a "
        "folder of pictures",
    )
    parser.add_argument(
        "--test-dataset", metavar="NAME",
        help="test images, needed for an .npz file (default: the data set's own test split)",
    )  # fmt: skip
    parser.add_argument(
        "--recipe",
        choices=sorted(RECIPES),
        metavar="NAME",
        help=f"start from this recipe, not the data set's own: {', '.join(sorted(RECIPES))}",
    )
    parser.add_argument(
        "--init", type=Path, metavar="RUN", help="start from this run's weights and recipe"
    )
    parser.add_argument("--resume", action="store_true", help="continue the run in --out")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier run in --out")
    parser.add_argument(
        "--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: auto"
    )
    parser.add_argument(
        "--backend", default="auto", choices=BACKENDS,
        help="who sums over events: plain PyTorch, or code compiled by numba (default: the latter "
        "on the CPU, if numba is installed)",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N",
        help="threads of the native backend in networks with --normalization; results are the same "
        "with any number (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--hours", type=float, metavar="H",
        help="stop after the epoch in which so many hours are over; --resume goes on from there",
    )  # fmt: skip
    parser.add_argument(  # its name in commands of earlier runs
        "--kernel", dest="backend", choices=BACKENDS, default=argparse.SUPPRESS,
        help=argparse.SUPPRESS,
    )  # fmt: skip
    groups = {
        origin: parser.add_argument_group(title)
        for origin, title in (
            ("setting", "recipe: settings of every training"),
            ("published", "recipe: parts of the published rule"),
            ("addition", "recipe: additions of this project (0 or the other choice turns one off)"),
        )
    }
    for field in dataclasses.fields(Recipe):
        if field.name != "name":  # --recipe names the whole
            _add_option(groups[field.metadata["origin"]], field)


def _add_option(group: Any, field: dataclasses.Field[Any]) -> None:
    text = field.metadata["help"].replace("%", "%%")
    settings: dict[str, Any] = {"dest": field.name, "default": None, "help": text}
    kind = str(field.type)
    if kind == "bool":
        settings["action"] = argparse.BooleanOptionalAction
    elif field.metadata["choices"]:
        settings["choices"] = field.metadata["choices"]
    elif field.name == "layers":
        settings |= {"type": _layers, "metavar": "L,L"}
    elif kind.startswith("tuple"):
        settings |= {"type": _numbers, "metavar": "N,N"}
    else:
        settings |= {"type": {"int": int, "float": float}[kind], "metavar": kind.upper()[0]}
    group.add_argument(flag_of(field.name), **settings)


def _changes(options: argparse.Namespace) -> dict[str, Any]:
    """The recipe fields that the command line sets."""
    given = {field.name: getattr(options, field.name, None) for field in dataclasses.fields(Recipe)}
    return {name: value for name, value in given.items() if value is not None}


def _recipe(
    options: argparse.Namespace, dataset: str, samples: Samples, changes: dict[str, Any],
    init: FloatNetwork | None,
) -> Recipe:  # fmt: skip
    """The recipe of a new run: named, or the data set's, or the initial network's, with changes."""
    shape = samples.images.shape
    if init is None:
        layers = changes.get("layers")
        recipe = RECIPES[options.recipe] if options.recipe else recipe_for(dataset, layers, shape)
        return recipe.with_(**_one_width_for_all(changes, changes.get("layers", recipe.layers)))
    from ..recipes.architecture import canonical, names_of

    layers = names_of(init.layers)
    same_layers = canonical(changes.get("layers", layers)) == layers
    if not same_layers or changes.get("t_max", init.t_max) != init.t_max:
        raise UserError(
            f"--layers and --steps must be left out with --init, whose network has {list(layers)} "
            f"and {init.t_max}"
        )
    saved = init.provenance.get("recipe")
    if options.recipe or not saved:
        recipe = RECIPES[options.recipe] if options.recipe else recipe_for(dataset, layers, shape)
    else:
        recipe = Recipe.from_dict(saved, init.source)
    recipe = recipe.with_(layers=layers, t_max=init.t_max, weight_widths=())
    if "weight_widths" in changes:
        recipe = fine_tuning(recipe, changes["weight_widths"])
    return recipe.with_(**_one_width_for_all(changes, layers))


@contextmanager
def _fields_told_as_options(changes: dict[str, Any]) -> Iterator[None]:
    """Name the option that was typed where the recipe names its field."""
    try:
        yield
    except LayersError as error:
        if "layers" not in changes:
            raise
        raise UserError(f"{flag_of('layers')}: {error}") from None
    except RecipeError as error:
        if error.field_name not in changes:
            raise
        raise UserError(f"{flag_of(error.field_name)} {error.rule_and_value}") from None


def _one_width_for_all(changes: dict[str, Any], layers: tuple[int | str, ...]) -> dict[str, Any]:
    widths = changes.get("weight_widths", ())
    if len(widths) != 1:
        return changes
    return {**changes, "weight_widths": widths * weighted_layers(layers)}


def _test_samples(dataset: str, test_dataset: str | None) -> Samples | None:
    """The test split; an .npz file has none of its own, and its training images are no test."""
    from sstdp_hw.data import datasets

    if test_dataset:
        return datasets.load(test_dataset, "test")
    return None if dataset.endswith(".npz") else datasets.load(dataset, "test")


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """Data and initial network of the run: from the command line, else from what is continued."""
    asked = {
        "dataset": options.dataset,
        "test_dataset": options.test_dataset,
        "init": str(options.init) if options.init else None,
    }
    earlier: dict[str, Any] = {}
    if options.resume:
        from ..training import checkpoint

        earlier = checkpoint.load(options.out / checkpoint.FILE_NAME)["asked"]
        if options.init and not earlier.get("init"):
            raise UserError("--init must be left out with --resume of a run that began without it")
    elif options.init:
        from sstdp_hw.network.float_network import FloatNetwork

        earlier = FloatNetwork.load(options.init).provenance.get("asked") or {}
    for name in asked:
        asked[name] = asked[name] or earlier.get(name)
    if not asked["dataset"]:
        raise UserError("Data set must be given, and is not: add for example --dataset digits")
    return asked


def _run(options: argparse.Namespace) -> Result:
    from sstdp_hw.data import datasets
    from sstdp_hw.network.float_network import FloatNetwork

    from .. import train as train_network
    from ..training.ranks import first_here

    if options.resume and (options.recipe or options.overwrite):
        given = "--recipe" if options.recipe else "--overwrite"
        raise UserError(
            f"{given} must be left out with --resume, which continues the run as it began"
        )
    asked = _asked(options)
    init = FloatNetwork.load(asked["init"]) if asked["init"] else None
    changes = _changes(options)
    samples = datasets.load(asked["dataset"], "train")
    with _fields_told_as_options(changes):
        if options.resume:
            from ..training import checkpoint

            path = options.out / checkpoint.FILE_NAME
            recipe = Recipe.from_dict(checkpoint.load(path)["recipe"], str(path))
            recipe = recipe.with_(**_one_width_for_all(changes, recipe.layers))
        else:
            recipe = _recipe(options, asked["dataset"], samples, changes, init)
        result = train_network(
            recipe,
            samples,
            _test_samples(asked["dataset"], asked["test_dataset"]),
            out=options.out, init=init, resume=options.resume, overwrite=options.overwrite,
            device=options.device, backend=options.backend, threads=options.threads,
            hours=options.hours, command=_command(), asked=asked,
        )  # fmt: skip
    if not first_here():
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - the first process says the rest
    if "checkpoint" in result:
        say(
            f"{result['checkpoint']}: epoch {result['epochs']} of {result['of_epochs']}; continue "
            f"with sstdp-hw train --resume --out {options.out}"
        )
        return result
    say(_verdict(result))
    accuracies = result["test_accuracy"], result["test_accuracy_ties_counted"]
    if None not in accuracies and (told := ties_told(*accuracies)):
        say(told)
    return result


def _command() -> str:
    return shlex.join(["sstdp-hw", *sys.argv[1:]])


def _verdict(result: Result) -> str:
    validation, test = result["validation_accuracy"], result["test_accuracy"]
    told = [f"epoch {result['exported_epoch']} of {result['epochs']}"]
    told.append(
        "no validation images" if validation is None else f"validation {percent(validation)}"
    )
    if test is None:
        told.append("no test images")
    else:
        counted = percent(result["test_accuracy_ties_counted"])
        told.append(f"test {percent(test)} (rule 6; {counted} with ties counted as correct)")
    return f"{result['float_network']}: {', '.join(told)}, {result['wall_seconds']:.0f} s"


train = Verb(
    summary="train a network and write it in float, with curves",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
