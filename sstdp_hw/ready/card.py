"""The card of a ready network: its provenance, written for a person."""

from __future__ import annotations

import math
import shlex
from typing import Any

from ..base.tables import number, percent
from ..network.network import Network
from ..report.document import Section, markdown
from ..report.run_report import pick
from .rebuild import chain, vector_instructions

Rows = list[tuple[str, ...]]


def sizes(network: Network) -> str:
    """``64-128-10``: inputs and neurons of every layer; with convolutions the layers' names behind
    the shape of the image, ``1x8x8-conv8k3-pool2-10``."""
    kinds = {layer.kind for layer in network.layers}
    names = [layer.name for layer in network.layers if layer.kind != "flatten"]
    if kinds <= {"dense", "flatten"}:
        return "-".join([str(math.prod(network.input_shape)), *names])
    return "-".join(["x".join(map(str, network.input_shape)), *names])


def widths(network: Network) -> str:
    """Weight widths in bits: one number, or one per layer where they differ."""
    found = [str(layer.weight_width) for _, layer in network.weighted]
    return found[0] if len(set(found)) == 1 else ", ".join(found)


def card(name: str, network: Network, file_sha256: str) -> str:
    """The card as Markdown; ``file_sha256`` is the plain SHA-256 of the network file."""
    told = network.provenance["ready"]
    sections = [
        Section("Network", ("", "value"), _network(network, file_sha256)),
        Section("On the test images", ("", "float", "integers"), _figures(told), note=_NOTE),
        *_trainings(told),
        Section("Made with", ("", "version"), _versions(network)),
    ]
    text = markdown(name, [sections[0], sections[1]])
    return "\n".join(
        [text, _commands(name, network), *(part.as_markdown() for part in sections[2:])]
    )


ORIGINS = (
    "Origin: *addition* is what this project puts around the published rule, *published* a part of "
    "it, *setting* what every training has. Options not listed are as in the other column."
)

_NOTE = (
    "Accuracy is by rule 6 on all test images. The second figure counts a tie for the first spike "
    "as correct and is there only for comparison with the SSTDP paper. The float network is that "
    "of the first training."
)


def _network(network: Network, file_sha256: str) -> Rows:
    told = network.provenance
    return [
        ("data set", f"{told['dataset']}"),
        ("layers", sizes(network)),
        ("time steps (`t_max`)", str(network.t_max)),
        ("weight width in bits", widths(network)),
        ("weights", number(sum(layer.weight.size for _, layer in network.weighted))),
        ("digest", f"`{network.digest}`"),
        ("SHA-256 of the file", f"`{file_sha256}`"),
    ]


def _figures(told: dict[str, Any]) -> Rows:
    def row(title: str, show: Any) -> tuple[str, ...]:
        return (title, show(told["float"]), show(told["integer"]))

    def spikes(found: dict[str, Any]) -> str:
        inputs, *layers = (layer["spikes_until_decision"] for layer in found["layers"])
        return f"{inputs:,.1f} + {sum(layers):,.1f}"

    return [
        row("images", lambda found: number(found["images"])),
        row("accuracy (rule 6)", lambda found: percent(found["accuracy"])),
        row(
            "accuracy, ties counted as correct",
            lambda found: percent(found["accuracy_ties_counted"]),
        ),
        row("additions per image, up to the decision", lambda found: number(found["additions"])),
        row(
            "multiply-accumulates of the dense network",
            lambda found: number(found["multiply_accumulates"]),
        ),
        row("spikes per image up to the decision, input + neurons", spikes),
        row("mean decision step", lambda found: number(found["mean_decision_time"], 2)),
        row("silent images", lambda found: percent(found["silent"])),
    ]


def _validated(accuracy: float | None) -> str:
    if accuracy is None:
        return "trained on all training images, none held back"
    return f"validation accuracy {percent(accuracy)}"


def _trainings(told: dict[str, Any]) -> list[Section]:
    """What each training did other than the published recipe, or than the training before it."""
    sections = []
    for place, training in enumerate(told["trainings"]):
        ordered = sorted(training["changes"], key=lambda change: change["origin"] != "addition")
        rows = [
            (
                f"`{change['option']}`: {change['help']}",
                change["origin"],
                _value(change["value"]),
                _value(change["other"]),
            )
            for change in ordered
        ]
        note = (
            f"{training['epochs']} epochs, seed {training['recipe']['seed']}, exported epoch "
            f"{training['exported_epoch']}, {_validated(training['validation_accuracy'])}. "
            f"{ORIGINS}"
        )
        other = f"training {place}" if place else "published"
        title = f"Training {place + 1}: {training['recipe']['name']}"
        title += ", beside the training before it" if place else ", beside the published recipe"
        sections.append(Section(title, ("option", "origin", "here", other), rows, note=note))
    return sections


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _commands(name: str, network: Network) -> str:
    lines = [f"    {shlex.join(['sstdp-hw', *step])}" for step in chain(network, f"build/{name}")]
    return "\n".join(
        [
            "## Commands",
            "",
            f"    sstdp-hw generate ready:{name} --out build/{name}/accelerator",
            "",
            "makes hardware of it, and these made the network:",
            "",
            *lines,
            "",
            f"`sstdp-hw ready {name} --rebuild build/{name}` runs them and compares every weight; "
            "where the processor has not got the vector instructions "
            "named below, weights differ, and the accuracy of both is compared.",
            "",
        ]
    )


def _versions(network: Network) -> Rows:
    told = network.provenance
    versions = {**(told.get("versions") or {}), "vector_instructions": vector_instructions(network)}
    rows: Rows = [(name.replace("_", " "), str(version)) for name, version in versions.items()]
    for key, value in (("device", pick(told, "device")), ("backend", backend_of(told))):
        if value:
            rows.append((key, str(value)))
    return rows


def backend_of(told: dict[str, Any]) -> str | None:
    """The backend that a training ran on; provenance of earlier versions calls it ``kernel``."""
    found: str | None = pick(told, "backend") or pick(told, "kernel")
    return found
