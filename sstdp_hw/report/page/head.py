"""The head of a page: what counts, and whether it is proven."""

from __future__ import annotations

import shlex
from typing import Any

from ...base.tables import number, percent
from ..energy import energy_range
from ..run_report import RECORD_NAME, RunReport, pick
from .energy import estimated
from .evidence import Evidence
from .parts import Commands, Fact, Facts, PageSection, Part, Text


def head(evidence: Evidence) -> PageSection:
    """The answer on cards, and the record's verdict with how to check it."""
    report = evidence.report
    figures = report.figures()
    parts: list[Part] = [_verdict(report)]
    facts = [
        *_accuracies(evidence, figures),
        *_speed(figures),
        *_energy(evidence),
        *_sizes(figures),
    ]
    parts.append(Facts(facts))
    if report.record:
        check = shlex.join(["sstdp-hw", "verify", "record", str(report.hardware / RECORD_NAME)])
        parts.append(Commands([("Check the record", check)]))
    return PageSection("answer", "The answer", parts)


def _verdict(report: RunReport) -> Text:
    results = report.results
    if not results:
        return Text("Not simulated yet: nothing is proven of the hardware.", "open")
    images, wrong = number(results.get("images")), results.get("mismatches")
    if wrong:
        return Text(
            f"The hardware differs from the integer reference in {wrong} of {images} images.", "bad"
        )
    if findings := results.get("protocol_findings"):
        return Text(f"No answer differs from the integer reference, but: {findings[0]}.", "bad")
    equal = (
        f"Hardware equals reference on all {images} test images of {results.get('dataset')}: "
        "class, decision step and silent flag"
        + (", and every spike of every layer." if results.get("every_spike_compared") else ".")
    )
    if not report.record:
        return Text(f"{equal} No record signs it: simulate again.", "open")
    return Text(
        f"{equal} A record names the SHA-256 of network, Verilog, images and answers; anybody with "
        "this folder can check it:",
        "good",
    )


def _accuracies(evidence: Evidence, figures: dict[str, Any]) -> list[Fact]:
    report = evidence.report
    trained = pick(report.origin, "test_images")
    integers = [
        (figures["integer_accuracy"], pick(report.quantize, "images")),
        (pick(report.evaluate, "accuracy"), pick(report.evaluate, "images")),
        (pick(report.results, "software_accuracy"), pick(report.results, "images")),
    ]
    accuracy, images = next((pair for pair in integers if pair[0] is not None), (None, None))
    named = (
        ("float", figures["float_accuracy"], trained),
        ("fine-tuned", figures["fine_tuned_accuracy"], trained),
        ("integers", accuracy, images),
        ("hardware", figures["hardware_accuracy"], figures["images"]),
    )
    return [
        Fact(f"accuracy, {name}", percent(value), f"on {number(count)} images" if count else "")
        for name, value, count in named if value is not None
    ]  # fmt: skip


def _speed(figures: dict[str, Any]) -> list[Fact]:
    found = []
    if figures["mismatches"] is not None:
        found.append(Fact("mismatches", number(figures["mismatches"]),
                          f"of {number(figures['images'])} images"))  # fmt: skip
    cycles = figures["cycles_per_image"]
    if cycles:
        found.append(Fact("cycles per image", number(cycles, 1), "mean, back to back"))
    if figures["efficiency"]:
        found.append(Fact("efficiency", number(figures["efficiency"], 3), "1 is the bound"))
    for build in figures["builds"]:
        if cycles and build["fmax_mhz"]:
            rate = build["fmax_mhz"] * 1e6 / cycles
            found.append(
                Fact("images/s", number(rate), f"{build['target']} at {build['fmax_mhz']:.1f} MHz")
            )
    if figures["additions_per_image"]:
        dense = figures["multiply_accumulates"]
        note = f"instead of {number(dense)} multiply-accumulates" if dense else ""
        found.append(Fact("additions per image", number(figures["additions_per_image"]), note))
    return found


def _energy(evidence: Evidence) -> list[Fact]:
    found = estimated(evidence)
    if found is None:
        return []
    range_ = str(energy_range(found["picojoules"]))
    return [Fact("energy per image, estimate", range_, "operations of a 45 nm chip, none measured")]


def _sizes(figures: dict[str, Any]) -> list[Fact]:
    return [
        Fact(name, number(build[key], digits), build["target"])
        for build in figures["builds"]
        for key, name, digits in (
            ("lut", "LUT", 0), ("ff", "FF", 0), ("bram", "block RAM", 0),
            ("fmax_mhz", "fmax, MHz", 1),
        )
        if build[key] is not None
    ]  # fmt: skip
