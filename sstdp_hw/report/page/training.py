"""Training curves, and where everything on the page comes from, with the commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import altair as alt

from ...base.tables import number, percent
from ..run_report import RunReport, pick
from .charts import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    SERIES,
    chart,
    colours,
    figure,
    left_axis,
    rounded,
)
from .evidence import Evidence
from .parts import Commands, Figure, PageSection, Part, Table


def training(evidence: Evidence) -> PageSection | None:
    """The curves; None if nothing was trained here."""
    history = evidence.history
    if not history:
        return None
    accuracy = [
        ("training (distorted)", "train_accuracy", GREY),
        ("validation", "validation_accuracy", BLUE),
    ]
    layers = len(history[0].get("firing") or ())
    parts: list[Part] = [
        _curve(history, "Loss", [("loss", "loss", ORANGE)], ""),
        _curve(history, "Accuracy", accuracy, ".0%"),
        _curve(history, "Neurons that fire in an image",
               [(f"layer {n + 1}", n, SERIES[n % len(SERIES)]) for n in range(layers)], ".0%"),
        _curve(history, "Decision step", [("decision step", "decision_time", GREEN)], ""),
        _curve(history, "Learning rate", [("learning rate", "learning_rate", PINK)], "~e"),
    ]  # fmt: skip
    train = evidence.report.train or {}
    told = (
        f"{number(train.get('training_images'))} images, {train.get('epochs')} epochs, "
        f"that of epoch {train.get('exported_epoch')} exported; "
        f"{number(train.get('wall_seconds'))} s."
    )
    kept = [part for part in parts if isinstance(part, Figure) and part.spec["datasets"]["rows"]]
    return PageSection("training", "Training", kept, told)


def _curve(
    history: list[dict[str, Any]], title: str, lines: list[tuple[str, Any, str]], form: str
) -> Figure:
    """One chart over the epochs; a line that no epoch has is left out."""

    def value(epoch: dict[str, Any], key: Any) -> Any:
        found = epoch.get("firing")[key] if isinstance(key, int) else epoch.get(key)  # type: ignore[index]
        return found if isinstance(found, int | float) else None

    rows = [
        {"epoch": epoch.get("epoch"), "what": name, "value": rounded(value(epoch, key), 6)}
        for name, key, _ in lines for epoch in history if value(epoch, key) is not None
    ]  # fmt: skip
    there = {row["what"] for row in rows}
    kinds = [(name, colour) for name, _, colour in lines if name in there] or [("", GREY)]
    axis = left_axis(None, format=form) if form else left_axis(None)
    made = chart().mark_line(strokeWidth=1.8).encode(
        x=alt.X("epoch:Q", axis=alt.Axis(format="d", tickMinStep=1)),
        y=alt.Y("value:Q", scale=alt.Scale(zero=form != ".0%" or "fire" in title), axis=axis),
        color=colours(kinds) if len(kinds) > 1 else alt.ColorValue(kinds[0][1]),
        tooltip=[alt.Tooltip("what:N"), alt.Tooltip("epoch:Q"),
                 alt.Tooltip("value:Q", format=".4~g")],
    )  # fmt: skip
    return figure(title, made, rows, height=170, narrow=True)


def provenance(evidence: Evidence) -> PageSection:
    """Which files, hashes and tools, and the commands that make all of it again."""
    report = evidence.report
    rows = [row for row in _facts(evidence) if row[1] not in ("None", "")]
    parts: list[Part] = [Commands(commands(report))]
    if rows:
        parts.append(Table("Where it comes from", ("", "value"), rows))
    left = [(line.split(" ")[0], line.partition(" ")[2]) for line in report.stale]
    left += list(evidence.missing.items())
    if left:
        parts.append(Table("Not on this page", ("what", "why"), left))
    if report.not_run:
        told = [(f"{name}: not there yet", line) for name, line in report.not_run.items()]
        parts.append(Commands(told))
    return PageSection("provenance", "Provenance", parts)


def _facts(evidence: Evidence) -> Iterator[tuple[str, str]]:
    report = evidence.report
    if evidence.network is not None:
        yield "network", evidence.network.name
        yield "network, SHA-256", evidence.network.digest
    yield "Verilog, SHA-256", str(pick(report.manifest, "verilog_sha256"))
    yield "data set", str(pick(report.results, "dataset") or pick(report.train, "dataset"))
    yield "data set, SHA-256", str(pick(report.results, "dataset_digest"))
    yield "record, SHA-256", str(pick(report.record, "record_sha256"))
    versions = {
        **(pick(report.train, "versions") or {}), **(pick(report.manifest, "tools") or {}),
        **(pick(report.record, "tools") or pick(report.results, "tools") or {}),
    }  # fmt: skip
    for build in report.builds:
        versions |= build.get("tools") or {}
    for name, version in sorted(versions.items()):
        yield str(name), str(version)


def commands(report: RunReport) -> list[tuple[str, str]]:
    """What was run, in order: as it was written down, or the command that does the same."""
    made: list[tuple[str, str]] = []
    network = str(report.run / "network.safetensors")
    for content, name in ((report.train, "train"), (report.imported, "import")):
        if pick(content, "command"):
            made.append((name, str(pick(content, "command"))))
    if report.quantize:
        widths = [str(layer.get("width")) for layer in report.quantize.get("layers", ())]
        told = ",".join(widths if len(set(widths)) > 1 else widths[:1])
        made.append(("quantize", shlex.join(
            ["sstdp-hw", "quantize", str(report.run), "--weight-width", told, "--out", network]
        )))  # fmt: skip
    folder, chosen = str(report.hardware), pick(report.manifest, "configuration")
    if chosen:
        file = (
            network if report.quantize else f"{folder}/{pick(report.manifest, 'network', 'file')}"
        )
        words = ["--lanes", ",".join(map(str, chosen.get("lanes", ())))]
        words += ["--pixels-per-beat", str(chosen.get("pixels_per_beat"))]
        words += [] if chosen.get("early_exit") else ["--no-early-exit"]
        words += ["--name", chosen["name"]] if chosen.get("name") else []
        words += ["--weights", chosen["weights"]] if chosen.get("weights") else []
        architecture = chosen.get("architecture")
        words += ["--architecture", architecture] if architecture else []
        made.append(
            ("generate", shlex.join(["sstdp-hw", "generate", file, *words, "--out", folder]))
        )
    if report.results:
        words = ["--dataset", str(report.results.get("dataset")),
                 "--samples", str(report.results.get("images")),
                 "--simulator", str(report.results.get("simulator"))]  # fmt: skip
        words += ["--every-spike"] if report.results.get("every_spike_compared") else []
        made.append(("simulate", shlex.join(["sstdp-hw", "simulate", folder, *words])))
    for build in report.builds:
        kind = "--board" if build.get("kind") == "board" else "--device"
        words = [kind, str(build.get("target"))]
        made.append(("build", shlex.join(["sstdp-hw", "build", folder, *words])))
    return made


def summary_line(report: RunReport) -> str:
    """For the page's description."""
    figures = report.figures()
    told = [f"accuracy {percent(figures['hardware_accuracy'])} in hardware"] if figures[
        "hardware_accuracy"] is not None else []  # fmt: skip
    return ", ".join([figures["network"] or "network", *told])
