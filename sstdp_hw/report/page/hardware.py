"""Who is busy and who waits, cycles, area, memories, timing, and what else could be built."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import altair as alt
import numpy as np

from ...base.tables import number, percent
from ...blocks.hardware import STREAMING, AcceleratorParameters
from ...blocks.weight_store import ROM
from ...models.area import area_by_block, predict_area
from ...models.cost import cycle_bound
from .charts import BLUE, GREY, ORANGE, chart, colours, figure, left_axis, others, rounded, when
from .evidence import Evidence
from .parts import Figure, PageSection, Part, Table, Text
from .timeline import block_titles, shares

#: Images of which it is looked at what every block does.
WATCHED = 40
BINS = 40
UNITS = {"lut": "LUT", "ff": "FF", "bram": "block RAM", "lut_ram": "LUT RAM"}
BRIDGE = {"board": ", with bridge"}
STYLES = {"block": "block RAM", "lut_ram": "LUT RAM", "logic": "logic"}


def hardware(evidence: Evidence) -> PageSection | None:
    """The section; None if no accelerator was generated."""
    if evidence.hardware is None:
        return None
    parameters = evidence.hardware.parameters
    parts: list[Part] = []
    streaming = parameters.sequential is None
    if not streaming:
        parts.append(
            Text("One engine computes all layers in turn: there is no chain to be watched.")
        )
    if streaming and evidence.inference is not None and len(evidence.inference.classes) > 2:
        parts += _utilisation(parameters, evidence)
    if evidence.answers and (evidence.answers["cycles"] >= 0).any():  # a board counts none
        parts.append(_cycles(parameters, evidence))
    parts.append(_area(parameters, evidence.report.builds))
    for build in evidence.report.builds:
        parts += _built(build)
    return PageSection("hardware", "Hardware", parts, parameters.summary.capitalize() + ".")


def explored(evidence: Evidence) -> PageSection | None:
    """The Pareto front of `explore`; None if nothing was explored."""
    found = evidence.explored
    if found is None:
        return None
    parts: list[Part] = [
        _front(found, unit, label) for unit, label in (("lut", "LUT4"), ("bram", "block RAM"))
    ]
    if outside := [point for point in found["front"] if point.get("bytes_per_image")]:
        parts.append(_memory(outside, found.get("clock_mhz"), found.get("memory") or {}))
    return PageSection(
        "exploration", "What else could be built", parts,
        f"{len(found['points'])} configurations, {len(found['front'])} on the Pareto "
        f"front; cycles of {found.get('workload')}. Hover for the lanes.",
    )  # fmt: skip


def _utilisation(parameters: AcceleratorParameters, evidence: Evidence) -> Iterator[Part]:
    assert evidence.inference is not None, "asked before"
    part = evidence.inference.only(slice(WATCHED))
    rows = shares(parameters, part)
    titles = block_titles(parameters)
    busy = {row["name"]: row["share"] for row in rows if row["what"] == "busy"}
    blocked = [
        titles[row["name"]] for row in rows if row["what"] == "blocked" and row["share"] > 0.1
    ]
    name = max(busy, key=lambda block: busy[block])
    told = f"{titles[name]} bounds the rest: it is busy in {busy[name]:.0%} of the cycles."
    if blocked:
        told += f" {' and '.join(blocked)} wait{'s' if len(blocked) == 1 else ''} for room behind."
    bars = chart().mark_bar(height={"band": 0.72}).encode(
        x=alt.X("share:Q", stack="zero", title="share of the cycles", axis=alt.Axis(format=".0%"),
                scale=alt.Scale(domain=[0, 1], nice=False)),
        y=alt.Y("block:N", sort=None, axis=alt.Axis(title=None, labelLimit=130),
                scale=alt.Scale(domain=list(titles.values()))),
        color=colours([("busy", BLUE), ("blocked", ORANGE), ("starved", GREY)]),
        opacity=when(alt.OpacityValue, "datum.what == 'starved'", 0.3, 1),
        order=alt.Order("rank:Q"),
        tooltip=[alt.Tooltip("block:N"), alt.Tooltip("what:N"),
                 alt.Tooltip("share:Q", format=".1%")],
    ).transform_calculate(rank="indexof(['busy', 'blocked', 'starved'], datum.what)")  # fmt: skip
    yield figure(
        "Who is busy", bars, rows, height=34 * len(titles),
        note=f"{told} Blocked: no room behind; starved: nothing to do. Cycle model, "
        f"{len(part.classes)} test images back to back.",
    )  # fmt: skip


def _cycles(parameters: AcceleratorParameters, evidence: Evidence) -> Figure:
    assert evidence.answers is not None, "asked before"
    cycles = evidence.answers["cycles"]
    cycles = cycles[cycles >= 0]
    counts, edges = np.histogram(cycles, min(BINS, max(1, len(np.unique(cycles)))))
    rows = [
        {"from": rounded(edges[n], 1), "to": rounded(edges[n + 1], 1), "images": count}
        for n, count in enumerate(counts.tolist()) if count
    ]  # fmt: skip
    marks = [{"cycles": rounded(cycles.mean(), 1), "what": "mean, measured"}]
    if evidence.inference is not None:
        bound = float(cycle_bound(parameters, evidence.inference).mean())
        marks.append({"cycles": rounded(bound, 1), "what": "bound: the busiest layer alone"})
    bars = chart().mark_bar(color=BLUE, opacity=0.75, binSpacing=0).encode(
        x=alt.X("from:Q", bin="binned", title="clock cycles from the answer before",
                scale=alt.Scale(zero=False)),
        x2=alt.X2("to:Q"), y=alt.Y("images:Q", axis=left_axis("images")),
        tooltip=[alt.Tooltip("from:Q"), alt.Tooltip("to:Q"), alt.Tooltip("images:Q")],
    )  # fmt: skip
    rules = others("marks").mark_rule(strokeWidth=2).encode(
        x=alt.X("cycles:Q"), tooltip=[alt.Tooltip("what:N"), alt.Tooltip("cycles:Q")],
        color=colours([("mean, measured", ORANGE), ("bound: the busiest layer alone", GREY)]),
    )  # fmt: skip
    return figure("Cycles per image", bars + rules, rows, marks=marks,
                  note="Of the simulated Verilog.")  # fmt: skip


def _area(parameters: AcceleratorParameters, builds: tuple[dict[str, Any], ...]) -> Table:
    titles = block_titles(parameters) | {
        "input": "input and encoder", "engine": "the engine", "loading": "loading of weights",
        "top": "the rest",
    }  # fmt: skip
    rows = [
        (titles.get(name, name), number(area.lut), number(area.ff), number(area.bram))
        for name, area in area_by_block(parameters).items()
    ]
    whole = predict_area(parameters)
    rows.append(
        ("all, estimated for ECP5", number(whole.lut), number(whole.ff), number(whole.bram))
    )
    rows += [
        (f"built for {build.get('target')}{BRIDGE.get(str(build.get('kind')), '')}",
         number(build.get("lut")), number(build.get("ff")), number(build.get("bram")))
        for build in builds
    ]  # fmt: skip
    return Table("Area by block", ("block", "LUT", "FF", "block RAM"), rows,
                 "Blocks by the area model, before any tool runs.")  # fmt: skip


def _built(build: dict[str, Any]) -> Iterator[Part]:
    target, available = build.get("target"), build.get("available") or {}
    rows = [
        (label, number(build.get(name)), number(available.get(name)),
         percent(build[name] / available[name]) if available.get(name) else "")
        for name, label in UNITS.items() if build.get(name) is not None
    ]  # fmt: skip
    clock = build.get("fmax_mhz")
    timing = "Only synthesized: no clock." if clock is None else (
        f"fmax {number(clock, 1)} MHz; {number(build.get('clock_mhz'), 1)} MHz asked for, "
        f"{'met' if build.get('timing_met') else 'not met'}."
    )  # fmt: skip
    yield Table(f"On {target}", ("", "used", "available", "share"), rows, timing)
    if path := slowest_path(build):
        yield Text(path)
    memories = build.get("memories") or {}
    if memories:
        found = Counter((memory_name(str(name)), str(style)) for name, style in memories.items())
        yield Table(
            f"Memories on {target}", ("memory", "became", "pieces"),
            [(name, STYLES.get(style, style), str(count)) for (name, style), count
             in sorted(found.items())],
        )  # fmt: skip


def memory_name(name: str) -> str:
    """What a reader calls a memory, of its path in the design."""
    name = re.sub(r"\$\d+|^([\w.]*\.)?\w*accelerator\.", "", name)
    name = re.sub(r"\.(fifo\.)?storage$|\.numbers$|_\d+$", "", name)
    return name.replace("_", " ").replace(".", ", ")


def slowest_path(build: dict[str, Any]) -> str | None:
    """The critical path in words."""
    seeds = [seed for seed in build.get("seeds") or () if seed.get("critical_path")]
    if not seeds:
        return None
    path = min(seeds, key=lambda seed: float(seed["fmax_mhz"]))["critical_path"]
    levels = path["levels"]
    return (
        f"The slowest path takes {path['delay_ns']:.2f} ns, {path['logic_ns']:.2f} of them in "
        f"cells and {path['routing_ns']:.2f} on wires, through {levels} "
        f"cell{'' if levels == 1 else 's'}: from {_place(path['start'])} to {_place(path['end'])}."
    )


def _place(pin: str) -> str:
    cell, _, port = str(pin).rpartition(".")
    cell = re.sub(r"\$\d+", "", cell)
    cell = re.sub(r"(\.\d+)+$|_TRELLIS.*|_(LUT4|PFUMX|L6MUX21|CCU2C|SB|CC|DFF).*", "", cell)
    return f"{cell.replace('_', ' ').replace('.', ', ').strip()} ({port})"


def _memory(front: list[dict[str, Any]], clock: Any, memory: dict[str, Any]) -> Table:
    """What points of the front need of an external memory."""
    rows = [
        (", ".join(map(str, point["lanes"])), number(point.get("memory_width")),
         number(point.get("batch", 1)),
         number(point.get("weight_buffer")), number(point.get("potential_memory") or None),
         number(point["cycles_per_image"], 1), number(point["lut"]), number(point["bram"]),
         number(point["bytes_per_image"]), number(point.get("megabytes_per_second"), 1))
        for point in front
    ]  # fmt: skip
    return Table(
        "Weights in an external memory",
        ("lanes", "bits a beat", "batch", "buffer, bit", "potentials, bit", "cycles", "LUT",
         "block RAM", "bytes an image", "MB/s"), rows,
        f"MB/s at {number(clock, 1)} MHz; latency of the memory {number(memory.get('latency'))} "
        f"cycles, from beat to beat {number(memory.get('interval'))}.",
    )  # fmt: skip


def _which(point: dict[str, Any]) -> tuple[Any, ...]:
    """What tells a configuration from others."""
    names = (
        "pixels_per_beat", "architecture", "weights", "memory_width", "weight_buffer",
        "potential_memory", "batch",
    )  # fmt: skip
    return (*point["lanes"], *(point.get(name) for name in names))


def _front(found: dict[str, Any], unit: str, label: str) -> Figure:
    on_front = set(map(_which, found["front"]))
    rows = [
        {"lanes": ", ".join(map(str, p["lanes"])), "pixels": p["pixels_per_beat"],
         "cycles": p["cycles_per_image"], "lut": p["lut"], "ff": p["ff"], "bram": p["bram"],
         "architecture": p.get("architecture", STREAMING), "weights": p.get("weights", ROM.kind),
         "bytes": p.get("bytes_per_image", 0),
         "what": "front" if _which(p) in on_front else "beaten"}
        for p in found["points"]
    ]  # fmt: skip
    logarithmic = alt.Scale(type="log", nice=False, padding=12)
    plain = alt.Scale(zero=False)
    spread = max(row[unit] for row in rows) > 10 * max(1, min(row[unit] for row in rows))
    scale = logarithmic if spread and min(row[unit] for row in rows) > 0 else plain
    dots = chart().mark_circle(opacity=0.85).encode(
        x=alt.X(f"{unit}:Q", title=label, scale=scale, axis=alt.Axis(format="~s", tickCount=6)),
        y=alt.Y("cycles:Q", scale=logarithmic,
                axis=left_axis("cycles per image", format="~s", tickCount=5)),
        color=colours([("front", BLUE), ("beaten", GREY)]),
        size=when(alt.SizeValue, "datum.what == 'front'", 70, 22),
        order=alt.Order("rank:Q"),
        tooltip=[alt.Tooltip("lanes:N"), alt.Tooltip("pixels:Q", title="pixels a beat"),
                 alt.Tooltip("architecture:N"), alt.Tooltip("weights:N"), alt.Tooltip("cycles:Q"),
                 alt.Tooltip("bytes:Q", title="bytes an image from a memory"),
                 alt.Tooltip("lut:Q"), alt.Tooltip("ff:Q"), alt.Tooltip("bram:Q")],
    ).transform_calculate(rank="datum.what == 'front' ? 1 : 0")  # fmt: skip
    return figure(f"Cycles against {label}", dots, rows, height=280, narrow=True)
