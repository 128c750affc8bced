"""The verb ``ready``."""

from __future__ import annotations

import argparse
import shlex
import textwrap
from pathlib import Path

from sstdp_hw import ready
from sstdp_hw.base.errors import UserError
from sstdp_hw.base.files import written_whole
from sstdp_hw.base.progress import say
from sstdp_hw.base.tables import number, percent, show, table
from sstdp_hw.command.verb import Result, Verb, VerbFailed
from sstdp_hw.network.network import Network
from sstdp_hw.ready import card, rebuild
from sstdp_hw.report.run_report import pick

LAYERS_WIDTH = 28  # characters of the layers below a name; longer ones take more lines
DESCRIPTION = """\
The trained networks that come with this program. Verbs that read a network take ready:NAME.

  sstdp-hw ready                          lists them
  sstdp-hw ready NAME                     shows the card of one
  sstdp-hw ready NAME --out DIR           copies network and card into DIR
  sstdp-hw ready NAME --rebuild DIR       trains it again, compares weights
  sstdp-hw generate ready:NAME --out DIR  makes hardware of it

Training is the same to the last bit wherever PyTorch and its vector instructions are those of the
card. Where weights come out different, both networks answer the test images: the exit status of
--rebuild is 1 if the new one is worse by more than chance explains."""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="one of them (default: list all)")
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--out", type=Path, metavar="DIR", help="copy network and card into DIR")
    asked.add_argument(
        "--rebuild", type=Path, metavar="DIR",
        help="run the recorded commands in DIR and compare what comes out",
    )  # fmt: skip


def _run(options: argparse.Namespace) -> Result:
    if options.name is None:
        if options.out or options.rebuild:
            raise UserError("Ready network must be named; `sstdp-hw ready` lists them")
        return _list()
    name = options.name.removeprefix(ready.PREFIX)
    network = ready.load(name)
    if options.rebuild:
        return _rebuild(name, network, options.rebuild)
    if options.out:
        return _copy(name, network, options.out)
    print(ready.card_path(name).read_text(encoding="utf-8"), end="")
    return _entry(name, network)


def _entry(name: str, network: Network) -> Result:
    told = network.provenance
    return {
        "name": name,
        "file": str(ready.path(name)),
        "digest": network.digest,
        "dataset": told.get("dataset"),
        "layers": card.sizes(network),
        "t_max": network.t_max,
        "weight_widths": [layer.weight_width for _, layer in network.weighted],
        "accuracy": pick(told, "ready", "integer", "accuracy"),
        "accuracy_ties_counted": pick(told, "ready", "integer", "accuracy_ties_counted"),
        "additions": pick(told, "ready", "integer", "additions"),
        "multiply_accumulates": network.multiply_accumulates,
        "mean_decision_time": pick(told, "ready", "integer", "mean_decision_time"),
    }


def _list() -> Result:
    entries = [_entry(name, ready.load(name)) for name in ready.names()]
    rows = [
        (
            "\n".join([entry["name"], *_layers(entry)]),
            str(entry["t_max"]),
            percent(entry["accuracy"]),
            number(entry["additions"]),
            number(entry["multiply_accumulates"]),
        )
        for entry in entries
    ]
    headings = ("name, layers, weight width", "t_max", "accuracy", "additions", "MACs")
    made = table("Ready networks", headings, rows)
    made.columns[0].no_wrap = True  # a name is what the other verbs are given
    show(made)
    print(
        "Accuracy is by rule 6 on all test images; MACs are those of the dense network.\n"
        "`sstdp-hw ready NAME` tells more."
    )
    return {"networks": entries}


def _layers(entry: Result) -> list[str]:
    """Layers and weight width for the lines below a name."""
    widths = ", ".join(str(width) for width in dict.fromkeys(entry["weight_widths"]))
    # Layers stand with dashes between them, at which a line may end.
    text = f"{entry['layers']}, {widths} bit"
    return textwrap.wrap(text, LAYERS_WIDTH, initial_indent="  ", subsequent_indent="  ")


def _copy(name: str, network: Network, out: Path) -> Result:
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: must be a folder, not a file; choose another --out")
    copied = []
    for source in (ready.path(name), ready.card_path(name)):
        target = out / source.name
        with written_whole(target) as temporary:
            temporary.write_bytes(source.read_bytes())
        copied.append(str(target))
    print(f"Written: {', '.join(copied)}")
    return {**_entry(name, network), "files": copied}


def _rebuild(name: str, network: Network, out: Path) -> Result:
    from sstdp_hw.command.cli import find_verbs, run_verb

    verbs, total = find_verbs(), len(rebuild.chain(network, out))
    found = rebuild.rebuild(
        network,
        out,
        lambda command: run_verb(verbs, command),
        lambda place, command: say(f"\n[{place}/{total}] {shlex.join(['sstdp-hw', *command])}"),
    )
    result = {
        "name": name,
        "network": found.network.source,
        "identical": found.identical,
        "differing": found.differing,
        "values": found.values,
    }
    if found.identical:
        accuracy = pick(network.provenance, "quantization", "integer", "rule_6")
        print(
            f"{found.network.source}: all {found.values:,} values are those of {ready.PREFIX}{name}"
        )
        return {**result, "as_good": True, "accuracy": accuracy, "shipped_accuracy": accuracy}
    verdict = rebuild.judge(network, found.network)
    result |= {
        "as_good": verdict.as_good,
        "accuracy": verdict.made,
        "shipped_accuracy": verdict.shipped,
    }
    text = (
        f"{sum(found.differing.values()):,} of {found.values:,} values differ from "
        f"{ready.PREFIX}{name}, and it is {'as good' if verdict.as_good else 'worse'}: "
        f"{percent(verdict.made)}, shipped {percent(verdict.shipped)} of "
        f"{verdict.images:,} test images; made with {_made_with(network)}, "
        f"here {_made_with(found.network)}"
    )
    if not verdict.as_good:
        raise VerbFailed(text, result)
    print(f"{found.network.source}: {text}")
    return result


def _made_with(network: Network) -> str:
    torch = pick(network.provenance, "versions", "torch")
    return f"PyTorch {torch} on {rebuild.vector_instructions(network)}"


verb = Verb(
    summary="list, copy or make again the trained networks that come with it",
    description=DESCRIPTION,
    configure=_configure,
    run=_run,
)
