"""The tables: our figures, whether the goals are reached, and the published figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sstdp_hw.base.tables import number, percent
from sstdp_hw.report.document import Section

from .anchors import ANCHORS
from .configurations import Entry

Measured = Sequence[tuple[Entry, dict[str, Any]]]


def _spread(cycles: dict[str, Any]) -> str:
    return f"{number(cycles['mean'], 1)} ({number(cycles['min'])}-{number(cycles['max'])})"


def _rows(measured: Measured) -> list[tuple[str, ...]]:
    seeds = list(measured[0][1]["fmax_of_seeds"])
    shown = {
        "network": lambda e, f: e.network,
        "lanes, pixels per beat": lambda e, f: (
            f"{','.join(map(str, e.hardware.lanes))}; {e.hardware.pixels_per_beat}"
        ),
        "device": lambda e, f: f"{e.device}, speed {e.speed}",
        "accuracy": lambda e, f: percent(f["accuracy"]),
        "mismatches / images": lambda e, f: f"{f['mismatches']} / {number(f['images'])}",
        "cycles per image, mean (min-max)": lambda e, f: _spread(f["cycles"]),
        "efficiency": lambda e, f: number(f["efficiency"], 3),
        "LUT (TRELLIS_COMB)": lambda e, f: number(f["lut"]),
        "FF": lambda e, f: number(f["ff"]),
        "block RAM (DP16KD)": lambda e, f: number(f["bram"]),
        f"fmax of seeds {', '.join(seeds)} (MHz)": lambda e, f: ", ".join(
            number(fmax, 1) for fmax in f["fmax_of_seeds"].values()
        ),
        "us per image": lambda e, f: number(f["us_per_image"], 2),
        "images/s": lambda e, f: number(f["images_per_second"]),
        "first pixel to answer, alone, mean (max) (us)": lambda e, f: (
            f"{number(f['latency_us'], 2)} ({number(f['latency_us_max'], 2)})"
        ),
        "first pixel to answer, alone, cycles": lambda e, f: _spread(f["latency_cycles"]),
        "the same back to back, cycles": lambda e, f: _spread(f["queued_latency_cycles"]),
        "simulated images per second of processor time": lambda e, f: number(
            f["simulated_per_second"], 1
        ),
        "simulated images/s, wall clock": lambda e, f: number(
            f["simulated_per_second_of_wall_clock"], 1
        ),
        "compiling the simulation (s)": lambda e, f: number(f["compile_seconds"], 1),
    }
    return [(name, *(show(e, f) for e, f in measured)) for name, show in shown.items()]


def goal_lines(entry: Entry, figures: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Every goal of an entry: entry, goal, figure, whether it is reached."""
    return [
        (
            entry.name, str(goal), f"{figures[goal.figure]:,.4g}"
            if goal.figure != "lut" else number(figures["lut"]),
            "reached" if goal.met(figures) else "MISSED",
        )
        for goal in entry.goals
    ]  # fmt: skip


def sections(measured: Measured) -> list[Section]:
    """For the terminal and for Markdown."""
    goals = [line for entry, figures in measured for line in goal_lines(entry, figures)]
    anchors = [
        (
            anchor.name, anchor.network or "-", anchor.device or "-",
            percent(anchor.accuracy), number(anchor.us_per_image),
            number(anchor.images_per_second), anchor.logic or "-", anchor.memory or "-",
        )
        for anchor in ANCHORS
    ]  # fmt: skip
    sources = " ".join(f"{anchor.name}: {anchor.source}." for anchor in ANCHORS)
    return [
        Section(
            "Measured",
            ("", *(entry.name for entry, _ in measured)),
            _rows(measured),
            note="All times are at the slowest seed's clock. Images come back to back unless "
            "'alone' is said; then each waits until the one before is answered. Back to back, an "
            "image is loaded while the one before is computed, and that wait counts. Out of "
            "context: only paths between registers are timed. The simulation runs in one process.",
        ),
        Section("Goals", ("configuration", "must reach", "measured", ""), goals),
        Section(
            "As published, on MNIST",
            ("", "network", "device", "accuracy", "us per image", "images/s", "logic", "memory"),
            anchors,
            note=f"Other devices, tools and ways of counting. {sources}",
        ),
    ]
