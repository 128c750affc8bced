"""Pages of the site that nobody writes: a hook of MkDocs, which makes them whenever it builds.

`cli.md` comes from the parsers of the verbs, `api.md` from what the packages offer under their own
names, where mkdocstrings fills in the docstrings, and `decisions/index.md` from the decisions'
titles. None of them lies in the repository, so none can be older than the code.
"""

from __future__ import annotations

import argparse
import ast
import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sstdp_hw.command.cli import find_verbs, make_parser
from sstdp_hw.command.verb import Verb, with_subverbs

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

COLUMNS = "80"
#: The modules whose names are the interface, and what to say above each.
OFFERED = {
    "sstdp_hw": "Network file, quantization, reference, cost model. Needs numpy only.",
    "sstdp_hw.data.datasets": "Data sets by name, file or folder.",
    "sstdp_hw.models.exploration": "Which configuration for a network.",
    "sstdp_rtl": "Generated hardware and builds for FPGAs.",
    "sstdp_sim": "Generated hardware in a simulator or on a board.",
    "sstdp_sim.comparison.record": "Proof records.",
    "sstdp_train": "Training by recipe.",
    "sstdp_train.nn": "Modules for a training loop of your own; imports torch.",
}
#: Names of modules that publish no list of them.
NAMES = {
    "sstdp_hw.data.datasets": ("load", "Samples"),
    "sstdp_sim.comparison.record": ("check", "publish"),
}
#: torch's own, and a module with a heading of its own.
ELSEWHERE = ("sstdp_train.nn.Flatten", "sstdp_train.nn")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """MkDocs asks for the list of files: add the pages that are made here."""
    from mkdocs.structure.files import File

    folder = Path(config.docs_dir) / "decisions"
    made = {"cli.md": cli(), "api.md": api(), "decisions/index.md": decisions(folder)}
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def cli() -> str:
    """All verbs with all options, as ``--help`` prints them."""
    verbs = find_verbs()
    parts = [
        "# Command line",
        "Every verb reads and writes files and can be used alone. This page is made from the "
        "parsers: it is what `sstdp-hw VERB --help` prints. What the verbs have in common, the "
        "exit status and shell completion, is under [the terminal](terminal.md).",
        "| verb | |\n|---|---|",
    ]
    parts[-1] += "".join(
        f"\n| [`{name}`](#{name.replace(' ', '-')}) | {_cell(verb.summary)} |"
        for name, verb in with_subverbs(verbs).items()
    )
    parsers = _subparsers(make_parser(verbs))
    parts += [_section(name, verb, parsers[name]) for name, verb in with_subverbs(verbs).items()]
    return "\n\n".join(parts) + "\n"


def _section(name: str, verb: Verb, parser: argparse.ArgumentParser) -> str:
    columns, os.environ["COLUMNS"] = os.environ.get("COLUMNS"), COLUMNS
    try:
        text = parser.format_help()
    finally:
        if columns is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = columns
    return f"## {name}\n\n{verb.summary}\n\n```text\n{text.rstrip()}\n```"


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    (choices,) = (
        action.choices
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return dict(choices)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def decisions(folder: Path) -> str:
    """The numbered decisions by their titles."""
    parts = ["# Decisions", "Why it is as it is: motivation, decision, alternatives, drawbacks."]
    titles = {
        file.name: file.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        for file in sorted(folder.glob("0*.md"))
    }
    parts.append("\n".join(f"- [{title}]({name})" for name, title in titles.items()))
    return "\n\n".join(parts) + "\n"


def api() -> str:
    """What every package offers, one heading per module; mkdocstrings writes below them."""
    parts = [
        "# Python",
        "What the packages offer under their own names, from the docstrings. Shapes and units "
        "stand there, and which error bad input raises.",
    ]
    for module, about in OFFERED.items():
        parts.append(f"## {module}\n\n{about}")
        parts += [f"::: {name}" for name in names_of(module)]
    return "\n\n".join(parts) + "\n"


def names_of(module: str) -> list[str]:
    """What ``module`` offers and describes itself, with its whole name."""
    names = NAMES.get(module) or _written(module) or import_module(module).__all__
    return [f"{module}.{name}" for name in names if f"{module}.{name}" not in ELSEWHERE]


def _written(module: str) -> list[str] | None:
    """``__all__`` as it stands in the file, so that nothing is imported, torch least of all."""
    spec = find_spec(module)
    assert spec is not None and spec.origin is not None, module
    for line in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "__all__":
            return ast.literal_eval(line.value) if isinstance(line.value, ast.List) else None
    return None
