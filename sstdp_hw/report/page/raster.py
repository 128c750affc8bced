"""The spikes of one image: dense layers as rasters, channels of feature maps as pictures."""

from __future__ import annotations

from collections.abc import Iterator

import altair as alt
import numpy as np

from ...network.layers import Array
from ...network.network import Network
from . import pictures
from .charts import BLUE, GREY, ORANGE, Rows, chart, colours, figure, left_axis, others, steps
from .parts import Figure, Part, Picture, Pictures

#: A layer with more neurons than that is shown by channel.
MOST_NEURONS = 1024
#: Height of a raster in pixels: some for each neuron, between these two.
LOWEST, HIGHEST = 70, 190
NEEDED, LATER, MISSING, EXTRA = "before the decision", "after it", "missing", "not expected"


def layer_names(network: Network) -> list[tuple[int, str]]:
    """Place in ``Inference.spike_times`` and name of everything that spikes by itself or passes
    spikes on."""
    named = [(0, "input")]
    for index, layer in enumerate(network.layers):
        if network.shapes[index + 1] != network.shapes[index] and layer.name != "flatten":
            named.append((index + 1, f"layers.{index}: {layer.name}"))
    return named


def rasters(network: Network, times: list[Array], last_step: int, decided: bool) -> Iterator[Part]:
    """Parts for all layers, in order.

    Parameters
    ----------
    times : list of uint8 arrays
        Spike times of the image at every place of ``Inference.spike_times``.
    last_step : int
        Of the decision, or the last of all.
    decided : bool
        Whether a decision fell.
    """
    maps: list[Picture] = []
    for place, name in layer_names(network):
        found = times[place]
        if found.ndim == 3 and (place or found.size > MOST_NEURONS):
            maps.append(feature_maps(name, found, network.t_max))
    if maps:
        yield Pictures(maps)
    for place, name in layer_names(network):
        yield raster(name, times[place], network.t_max, last_step, decided)


def raster(name: str, times: Array, t_max: int, last_step: int, decided: bool) -> Figure:
    """Time step against neuron, or against channel where there are too many."""
    flat = times.reshape(-1)
    fired = np.flatnonzero(flat < t_max)
    told = f"{name}: {len(fired):,} of {flat.size:,} neurons fire"
    if flat.size > MOST_NEURONS:
        return _by_channel(told, times, t_max, last_step, decided)
    rows = [
        {"step": int(flat[neuron]), "neuron": int(neuron),
         "what": NEEDED if flat[neuron] <= last_step else LATER}
        for neuron in fired
    ]  # fmt: skip
    return _ticks(told, rows, flat.size, t_max, last_step if decided else None,
                  [(NEEDED, BLUE), (LATER, GREY)])  # fmt: skip


def compared(name: str, wanted: Array, got: Rows, t_max: int, last_step: int) -> Figure:
    """The same of hardware against reference: what is missing, and what was not expected."""
    times = {int(n): int(wanted[n]) for n in np.flatnonzero(wanted <= last_step)}
    seen = {(row["neuron"], row["step"]) for row in got if row["step"] <= last_step}
    both = set(times.items())
    kinds = {NEEDED: both & seen, MISSING: both - seen, EXTRA: seen - both}
    rows = [
        {"step": step, "neuron": neuron, "what": what}
        for what, spikes in kinds.items() for neuron, step in sorted(spikes)
    ]  # fmt: skip
    told = f"{name}: {len(kinds[MISSING])} spikes missing, {len(kinds[EXTRA])} not expected"
    kinds_shown = [(NEEDED, GREY), (MISSING, ORANGE), (EXTRA, BLUE)]
    return _ticks(told, rows, wanted.size, t_max, None, kinds_shown)


def _ticks(
    title: str, rows: Rows, neurons: int, t_max: int, decision: int | None,
    kinds: list[tuple[str, str]],
) -> Figure:  # fmt: skip
    height = max(LOWEST, min(HIGHEST, 3 * neurons))
    size = max(14, min(110, 90 * height // max(neurons, 1)))
    marks = chart().mark_square(opacity=0.9, size=size).encode(
        x=steps(t_max, title=None),
        y=alt.Y("neuron:Q", scale=alt.Scale(domain=[-0.5, neurons - 0.5], nice=False, reverse=True),
                axis=left_axis("neuron", tickCount=4, format="d")),
        color=colours(kinds),
        tooltip=[alt.Tooltip("neuron:Q"), alt.Tooltip("step:Q"), alt.Tooltip("what:N")],
    )  # fmt: skip
    return figure(title, *_with_rule(marks, rows, decision), height=height,
                  decision=[{"step": decision}] if decision is not None else [])  # fmt: skip


def _with_rule(
    marks: alt.Chart, rows: Rows, decision: int | None
) -> tuple[alt.Chart | alt.LayerChart, Rows]:
    rule = others("decision").mark_rule(strokeDash=[4, 3], color=ORANGE, strokeWidth=1.5)
    return (marks if decision is None else marks + rule.encode(x="step:Q")), rows


def _by_channel(title: str, times: Array, t_max: int, last_step: int, decided: bool) -> Figure:
    """Spikes of each channel in each step, by colour."""
    channels = times.reshape(len(times), -1)
    counts = np.stack([(channels == step).sum(axis=1) for step in range(t_max)])
    rows = [
        {"step": int(step), "neuron": int(channel), "spikes": int(counts[step, channel])}
        for step, channel in zip(*np.nonzero(counts), strict=True)
    ]
    height = max(LOWEST, min(HIGHEST, 6 * len(times)))
    size = max(16, 150 * height // (len(times) * 10))
    marks = chart().mark_square(size=size).encode(
        x=steps(t_max, title=None),
        y=alt.Y("neuron:Q", axis=left_axis("channel", tickCount=4, format="d"),
                scale=alt.Scale(domain=[-0.5, len(times) - 0.5], nice=False, reverse=True)),
        color=alt.Color("spikes:Q", title="spikes", scale=alt.Scale(scheme="viridis", reverse=True),
                        legend=alt.Legend(orient="top", gradientLength=120, gradientThickness=8)),
        tooltip=[alt.Tooltip("neuron:Q", title="channel"), alt.Tooltip("step:Q"),
                 alt.Tooltip("spikes:Q")],
    )  # fmt: skip
    decision = last_step if decided else None
    return figure(title, *_with_rule(marks, rows, decision), height=height,
                  decision=[{"step": decision}] if decided else [])  # fmt: skip


def feature_maps(name: str, times: Array, t_max: int) -> Picture:
    """When each neuron of every channel fired."""
    made = pictures.sheet(pictures.of_times(times, t_max))
    channels, height, width = times.shape
    fired = int((times < t_max).sum())
    told = f"{name}: {channels} x {height} x {width}, {fired:,} spikes"
    wide = max(160, min(560, made.shape[1] * max(1, 480 // made.shape[1])))
    return Picture(
        name, pictures.uri(made), wide, f"spike times of {told}",
        f"{channels} channel{'s' if channels > 1 else ''} of {height} x {width}, {fired:,} spikes",
    )  # fmt: skip
