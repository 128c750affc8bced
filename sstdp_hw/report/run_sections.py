"""The sections of a run's report; the first is the summary that `demo` prints as well."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from ..base.tables import number, percent
from .document import Listing, Section
from .energy import energy_range, energy_section, switching_section
from .run_report import RECORD_NAME, RunReport, pick

NOT_RUN = "not run"


def sections(report: RunReport) -> list[Section | Listing]:
    """Summary, then what each step adds, then what has not run."""
    made: list[Section | Listing] = [summary(report.figures())]
    if report.train:
        made.append(_training(report.train))
    if report.imported:
        made.append(_import(report.imported))
    if report.quantize:
        made.append(_quantization(report.quantize))
    if report.evaluate:
        made.append(_activity(report.evaluate))
    if report.manifest:
        made.append(_hardware(report.manifest))
    if report.results:
        made.append(_simulation(report.results))
        if found := report.results.get("energy_estimate"):
            made.append(energy_section(found))
        if found := report.results.get("activity"):
            made.append(switching_section(found))
    if report.record:
        made.append(_record(report.record, report.hardware))
    made += [_build(build) for build in report.builds]
    if report.not_run or report.stale:
        stale = [(line.split(" ")[0], line.partition(" ")[2]) for line in report.stale]
        made.append(Listing("Not in this report", [*stale, *report.not_run.items()]))
    return made


def summary(figures: dict[str, Any]) -> Section:
    """The one table with what counts."""

    def shown(name: str, form: Any, *arguments: int) -> str:
        value = figures[name]
        return NOT_RUN if value is None else form(value, *arguments)

    mismatches = figures["mismatches"]
    rows = [
        ("float accuracy", shown("float_accuracy", percent)),
        ("integer accuracy", shown("integer_accuracy", percent)),
        ("hardware accuracy", shown("hardware_accuracy", percent)),
        (
            "mismatches",
            NOT_RUN if mismatches is None else f"{mismatches} of {number(figures['images'])}",
        ),
        ("cycles per image", shown("cycles_per_image", number, 1)),
        ("efficiency", shown("efficiency", number, 3)),
        ("additions per image", shown("additions_per_image", number)),
        ("multiply-accumulates, dense", shown("multiply_accumulates", number)),
    ]
    if figures["fine_tuned_accuracy"] is not None:
        rows.insert(1, ("fine-tuned accuracy", percent(figures["fine_tuned_accuracy"])))
    if estimate := figures["energy_estimate"]:
        rows.append(("energy per image, an estimate", str(energy_range(estimate["picojoules"]))))
    for build in figures["builds"] or [None]:
        rows += _build_summary(build)
    title = f"{figures['network'] or 'Network'} on {figures['dataset'] or 'unknown data'}"
    return Section(
        title,
        ("", "value"),
        rows,
        note="Accuracy by rule 6 on test images. Efficiency: cycles of the busiest layer at one "
        "weight word a cycle, over the measured ones.",
    )


def _build_summary(build: dict[str, Any] | None) -> list[tuple[str, str]]:
    if build is None:
        return [
            (name, NOT_RUN) for name in ("LUT / FF / block RAM", "fmax", "microseconds per image")
        ]
    where = build["target"]
    bare = " (bare accelerator)" if build["kind"] == "device" else ""
    time = build["microseconds_per_image"]
    rows = [
        (
            f"LUT / FF / block RAM, {where}{bare}",
            f"{number(build['lut'])} / {number(build['ff'])} / {number(build['bram'])}",
        ),
        (f"fmax, {where}", f"{number(build['fmax_mhz'], 1)} MHz"),
        (
            f"microseconds per image at fmax, {where}",
            NOT_RUN if time is None else number(time, 2),
        ),
    ]
    if build["bitstream"]:
        rows.append((f"bitstream, {where}", f"{number(build['bitstream_bytes'])} bytes"))
    return rows


def _training(train: dict[str, Any]) -> Section:
    rows = [
        ("recipe", str(pick(train, "recipe", "name"))),
        ("layers", str(pick(train, "recipe", "layers"))),
        ("time steps", str(pick(train, "recipe", "t_max"))),
        ("epochs (exported)", f"{train.get('epochs')} ({train.get('exported_epoch')})"),
        ("training images", number(train.get("training_images"))),
        ("validation accuracy", percent(train.get("validation_accuracy"))),
        ("test accuracy (rule 6)", percent(train.get("test_accuracy"))),
        (
            "test accuracy, ties counted as correct",
            percent(train.get("test_accuracy_ties_counted")),
        ),
        ("seconds", number(train.get("wall_seconds"), 0)),
    ]
    return Section("Training", ("", "value"), rows)


def _import(imported: dict[str, Any]) -> Section:
    once = imported.get("spike_once") or {}
    rows = [
        ("graph", str(imported.get("graph"))),
        ("layers", ", ".join(map(str, imported.get("layers") or ()))),
        ("time steps", str(imported.get("t_max"))),
        ("test accuracy (rule 6)", percent(imported.get("test_accuracy"))),
    ]
    if once:
        rows += [
            ("accuracy before neurons fired once", percent(once.get("accuracy_before"))),
            ("images of another class since", percent(once.get("classes_changed"))),
        ]
    return Section("Import", ("", "value"), rows)


def _quantization(quantize: dict[str, Any]) -> Section:
    rows = [
        (
            f"layers.{layer.get('index')}",
            str(layer.get("width")),
            f"{layer.get('scale'):.6g}",
            str(layer.get("origin")),
            percent(layer.get("clipped")),
            percent(layer.get("zero")),
            percent(layer.get("spikes_moved")),
        )
        for layer in quantize.get("layers", [])
    ]
    before, after = pick(quantize, "before", "rule_6"), pick(quantize, "after", "rule_6")
    note = ""
    if before is not None and after is not None:
        note = (
            f"Accuracy {percent(before)} in float, {percent(after)} in integers, on "
            f"{number(quantize.get('images'))} {quantize.get('split')} images; ties counted as "
            f"correct {percent(pick(quantize, 'before', 'ties_counted'))} and "
            f"{percent(pick(quantize, 'after', 'ties_counted'))}."
        )
    headings = ("layer", "bits", "scale", "scale from", "clipped", "zero", "spikes moved")
    return Section("Quantization", headings, rows, note)


def _activity(evaluate: dict[str, Any]) -> Section:
    rows = [
        (
            str(layer.get("name")),
            number(layer.get("neurons")),
            number(layer.get("spikes_until_decision"), 1),
            number(layer.get("spikes"), 1),
        )
        for layer in evaluate.get("layers", [])
    ]
    note = (
        f"Accuracy {percent(evaluate.get('accuracy'))} on {number(evaluate.get('images'))} images. "
        f"The decision falls at step {number(evaluate.get('mean_decision_time'), 2)} of "
        f"{evaluate.get('t_max')} on average; {percent(evaluate.get('silent'))} of the images are "
        "silent."
    )
    headings = ("layer", "neurons", "spikes up to the decision", "spikes to the end")
    return Section("Spikes per image", headings, rows, note)


def _hardware(manifest: dict[str, Any]) -> Section:
    rows = [
        (
            str(layer.get("name")),
            number(layer.get("inputs")),
            number(layer.get("neurons")),
            str(layer.get("lanes")),
            str(layer.get("groups")),
            str(layer.get("weight_width")),
            str(layer.get("membrane_width")),
        )
        for layer in manifest.get("layers", [])
    ]
    configuration = manifest.get("configuration", {})
    note = (
        f"Pixels per beat: {configuration.get('pixels_per_beat')}; early exit "
        f"{'on' if configuration.get('early_exit') else 'off'}."
    )
    headings = (
        "layer", "inputs", "neurons", "lanes", "cycles per spike", "weight bits", "potential bits"
    )  # fmt: skip
    return Section("Accelerator", headings, rows, note)


def _simulation(results: dict[str, Any]) -> Section:
    cycles = results.get("cycles_per_image") or {}
    rows = [
        ("simulator", str(results.get("simulator"))),
        ("images", number(results.get("images"))),
        ("mismatches", number(results.get("mismatches"))),
        ("software accuracy", percent(results.get("software_accuracy"))),
        ("hardware accuracy", percent(results.get("hardware_accuracy"))),
        ("cycles per image, mean", number(cycles.get("mean"), 1)),
        ("cycles per image, least", number(cycles.get("min"))),
        ("cycles per image, most", number(cycles.get("max"))),
        ("efficiency", number(results.get("efficiency"), 3)),
    ]
    first = results.get("first_mismatch")
    note = f"First mismatch: {first}" if first else ""
    if results.get("mutation"):
        note += " The hardware was corrupted on purpose."
    return Section("Co-simulation", ("", "value"), rows, note)


def _record(record: dict[str, Any], hardware: Path) -> Section:
    files = {str(name): str(digest) for name, digest in (record.get("files") or {}).items()}
    dataset = record.get("dataset") or {}
    rows = [
        ("images", number(record.get("images"))),
        ("mismatches", number(record.get("mismatches"))),
        (f"data set {dataset.get('name')}", str(dataset.get("digest"))),
        ("network", str(record.get("network_digest"))),
        *files.items(),
        *((str(tool), str(version)) for tool, version in (record.get("tools") or {}).items()),
    ]
    check = shlex.join(["sstdp-hw", "verify", "record", str(hardware / RECORD_NAME)])
    headings = ("", "SHA-256, count or version")
    return Section(
        "Record of the co-simulation", headings, rows, note="Check it with:", command=check
    )


def _build(build: dict[str, Any]) -> Section:
    available = build.get("available") or {}
    labels = {
        "lut": "LUT",
        "ff": "FF",
        "bram": "block RAM",
        "lut_ram": "LUT RAM",
        "multiplier": "multipliers",
    }
    rows = [
        (label, number(build.get(name)), number(available.get(name)))
        for name, label in labels.items()
    ]
    met = "met" if build.get("timing_met") else "not met"
    timing = (
        "Only synthesized: no fmax"
        if build.get("fmax_mhz") is None
        else f"fmax {number(build.get('fmax_mhz'), 1)} MHz; clock "
        f"{number(build.get('clock_mhz'), 1)} MHz, {met}"
    )
    note = (
        f"{timing}. Tools: "
        + ", ".join(dict.fromkeys(map(str, (build.get("tools") or {}).values())))
        + "."
    )
    kind = "bare accelerator" if build.get("kind") == "device" else "board"
    return Section(
        f"Build for {build.get('target')} ({kind})", ("", "used", "available"), rows, note
    )
