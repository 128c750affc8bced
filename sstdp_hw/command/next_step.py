"""What a person types after a verb has done its work: one command, ready to be copied."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from pathlib import Path

from ..base.errors import UserError
from ..contract.directory import GeneratedDirectory
from ..network.load import data_sets
from ..search.front import network_file
from .verb import Result

Words = tuple[object, ...]
DEVICE = "ecp5-25k"
STARTER = "ready:digits-64-64-10-4bit"


def _quantize(options: argparse.Namespace, result: Result) -> Words | None:
    if options.out is None:  # `import --check`
        return None
    recipe = result.get("recipe")
    trained_for = recipe.get("weight_widths") if isinstance(recipe, dict) else None
    width = () if trained_for else ("--weight-width", 4)
    return "quantize", options.out, *width, "--out", Path(options.out) / "network.safetensors"


def _train(options: argparse.Namespace, result: Result) -> Words | None:
    if result.get("finished") is False:  # its hours were over
        return "train", "--resume", "--out", options.out
    return _quantize(options, result)


def _generate(options: argparse.Namespace, result: Result) -> Words | None:
    return "generate", options.out, "--out", Path(options.out).parent / "accelerator"


def _explore(options: argparse.Namespace, result: Result) -> Words | None:
    return "explore", options.network


def _middle(options: argparse.Namespace, result: Result) -> Words | None:
    """The middle of the front: neither the smallest nor the fastest."""
    front = result.get("front") or []
    if not front:
        return None
    chosen = front[len(front) // 2]
    lanes = ",".join(map(str, chosen["lanes"]))
    beat = chosen.get("pixels_per_beat", 1)
    words: Words = () if beat == 1 else ("--pixels-per-beat", beat)
    for name in (
        "architecture", "weights", "memory_width", "weight_buffer", "potential_memory", "batch",
    ):  # fmt: skip
        if (value := chosen.get(name)) and value != "rom":
            words += (f"--{name.replace('_', '-')}", value)
    if not chosen.get("early_exit", True):
        words += ("--no-early-exit",)
    return "generate", options.network, "--lanes", lanes, *words, "--out", "build/accelerator"


def _explored(options: argparse.Namespace, result: Result) -> Words | None:
    if options.search is None:
        return _middle(options, result)
    front = [row for row in result["trials"] if row["trial"] in result["front"]]
    if not front:
        return None
    chosen = sorted(front, key=lambda row: float(row["accuracy"]))[len(front) // 2]
    folder = options.network if options.network.is_dir() else options.network.parent
    lanes = ",".join(map(str, chosen["lanes"]))
    return (
        "generate", folder / network_file(chosen["trial"]), "--lanes", lanes, "--pixels-per-beat",
        chosen["pixels_per_beat"], "--out", folder / "accelerator",
    )  # fmt: skip


def _of_ready(options: argparse.Namespace, result: Result) -> Words | None:
    if options.rebuild:
        return None
    name = f"ready:{options.name}" if options.name else STARTER
    return "generate", name, "--out", Path("build") / name.removeprefix("ready:")


def _played(verb: str, directory: Path, *words: object, asked: str | None = None) -> Words | None:
    """A data set through an accelerator: the one asked for, or that of the network's training."""
    dataset, test = data_sets(GeneratedDirectory.load(directory).network.provenance)
    return verb, directory, *words, "--dataset", asked or test or dataset or "NAME"


def _built(options: argparse.Namespace, result: Result) -> Words | None:
    if options.netlist:
        return _played("simulate", options.netlist, "--samples", 100)
    if options.board:
        return "flash", options.directory, "--board", options.board
    return "report", options.directory, "--html"


#: By verb; one that is not here, or whose entry says None, is followed by nothing.
AFTER: dict[str, Callable[[argparse.Namespace, Result], Words | None]] = {
    "train": _train,
    "import": _quantize,
    "quantize": _generate,
    "export": lambda options, _: ("import", "--check", options.out),
    "ready": _of_ready,
    "evaluate": _explore,
    "explore": _explored,
    "generate": lambda options, _: _played("simulate", options.out, asked=options.dataset),
    "simulate": lambda options, _: ("build", options.directory, "--device", DEVICE),
    "build": _built,
    "flash": lambda options, _: _played("run", options.directory, "--port", "/dev/ttyUSB0"),
    "board-test": lambda options, _: _played("run", options.directory, "--port", options.port),
    "run": lambda options, _: ("report", options.directory, "--html"),
    "demo": lambda options, _: ("report", Path(options.out) / "quantized", "--html"),
}


def next_step(options: argparse.Namespace, result: Result) -> str | None:
    """The command that a person would type after ``options.verb`` gave ``result``."""
    after = AFTER.get(options.verb)
    try:
        words = after(options, result) if after else None
    except (UserError, AttributeError):
        return None  # the folder was taken away meanwhile, or the verb is another package's own
    return shlex.join(["sstdp-hw", *map(str, words)]) if words else None
