"""The hardware's cycles for one image, block by block, from the exact cycle model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np

from ...blocks.hardware import AcceleratorParameters
from ...models.cycles import observe
from ...models.cycles.observed import DECISION, INPUT, SORT, Span
from ...network.chain import PIXELS
from ...reference.inference import Inference
from .charts import BLUE, GREY, ORANGE, chart, colours, figure, left_axis, when
from .parts import Figure

OWN, STALLED, OTHER = "this image", "this image, no room behind", "images before and behind"
#: Bars closer than this share of the picture become one: they could not be told apart.
RESOLUTION = 1 / 500


def block_titles(parameters: AcceleratorParameters) -> dict[str, str]:
    """What a reader calls the blocks, in the order of the chain."""
    layers = parameters.network.layers
    named = {INPUT: "input beats", SORT: "encoder"}
    if parameters.network.input_kind != PIXELS:
        named = {INPUT: "event port"}
    for block in parameters.blocks:
        named[block.name] = f"{block.name}: {layers[int(block.name.split('.')[1])].name}"
    return named | {DECISION: "decision"}


def timeline(parameters: AcceleratorParameters, inference: Inference, image: int) -> Figure:
    """What every block does for ``image`` while its neighbours come back to back with it."""
    first = max(0, image - 2)
    part = inference.only(slice(first, image + 2))
    answers, spans = observe(parameters, part)
    own = image - first
    begin = min(span.first for span in spans if span.image == own and span.block == INPUT)
    end = int(answers[own])
    titles = block_titles(parameters)
    rows = [
        {"block": titles[span.block], "from": span.first - begin, "to": span.last + 1 - begin,
         "step": span.step if span.step >= 0 else None, "what": _what(span, own)}
        for span in _merged(spans, end - begin, begin, end) if span.block in titles
    ]  # fmt: skip
    bars = chart().mark_bar(height={"band": 0.72}).encode(
        x=alt.X("from:Q", title="clock cycle since the image's first beat",
                scale=alt.Scale(domain=[0, end - begin + 1], nice=False)),
        x2=alt.X2("to:Q"),
        y=alt.Y("block:N", sort=None, title=None, axis=left_axis(None, labelLimit=130),
                scale=alt.Scale(domain=list(titles.values()))),
        color=colours([(OWN, BLUE), (STALLED, ORANGE), (OTHER, GREY)]),
        opacity=when(alt.OpacityValue, f"datum.what == '{OTHER}'", 0.35, 1),
        tooltip=[alt.Tooltip("block:N"), alt.Tooltip("what:N"), alt.Tooltip("step:Q"),
                 alt.Tooltip("from:Q"), alt.Tooltip("to:Q")],
    )  # fmt: skip
    bars.encoding.y.axis.maxExtent = alt.Undefined
    cycles = int(answers[own] - answers[own - 1]) if own else end + 1
    note = (
        f"Answered {end - begin + 1:,} cycles after its first beat, {cycles:,} after the answer "
        "before it: images overlap. From the cycle model, which is exact."
    )
    return figure("Clock cycles, block by block", bars, rows,
                  height=34 * len(titles), note=note)  # fmt: skip


def _what(span: Span, own: int) -> str:
    if span.image != own:
        return OTHER
    return STALLED if 2 * span.waited > span.last - span.first + 1 else OWN


def _merged(spans: Sequence[Span], window: int, begin: int, end: int) -> list[Span]:
    """Spans within the window, joined where they follow each other closely in one step."""
    gap = max(1, round(window * RESOLUTION))
    found: list[Span] = []
    open_: dict[tuple[str, int], int] = {}  # block and image: place of its last span
    for span in sorted(spans, key=lambda span: (span.block, span.image, span.first)):
        if span.last < begin or span.first > end or span.last < span.first:
            continue
        cut = span._replace(first=max(span.first, begin), last=min(span.last, end))
        key = span.block, span.image
        before = found[open_[key]] if key in open_ else None
        if before and before.step == cut.step and cut.first <= before.last + gap:
            joined = before._replace(
                last=max(before.last, cut.last), waited=before.waited + cut.waited
            )
            found[open_[key]] = joined
        else:
            open_[key] = len(found)
            found.append(cut)
    return found


def shares(parameters: AcceleratorParameters, inference: Inference) -> list[dict[str, Any]]:
    """Busy, blocked and starved share of every block while images come back to back."""
    answers, spans = observe(parameters, inference)
    first = min(2, len(answers) - 2)  # the chain is full by then
    begin, end = int(answers[first]) + 1, int(answers[-1])
    window = end - begin + 1
    rows = []
    for name, title in block_titles(parameters).items():
        own = [span for span in spans if span.block == name]
        edges = np.array([(span.first, span.last, span.waited) for span in own], np.int64)
        length = np.maximum(edges[:, 1] - edges[:, 0] + 1, 1)
        inside = np.clip(np.minimum(edges[:, 1], end) - np.maximum(edges[:, 0], begin) + 1, 0, None)
        waited = float((inside * edges[:, 2] / length).sum())
        busy = float(inside.sum()) - waited
        found = {"busy": busy, "blocked": waited, "starved": max(0.0, window - busy - waited)}
        rows += [
            {"block": title, "name": name, "what": what, "share": round(cycles / window, 5)}
            for what, cycles in found.items()
        ]  # fmt: skip
    return rows
