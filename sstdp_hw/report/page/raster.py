"""The spikes of one image: dense layers as rasters, channels of feature maps as pictures."""

from __future__ import annotations

from collections.abc import Iterator

import altair as alt
import numpy as np

from ...base.tables import counted
from ...blocks.hardware import BLOCKS
from ...network.layers import Array
from ...network.network import Network
from . import pictures
from .charts import BLUE, GREY, ORANGE, Rows, chart, colours, figure, left_axis, others, steps
from .parts import Figure, Part, Picture, Pictures, Text

#: A layer with more neurons than that is shown by channel.
MOST_NEURONS = 1024
#: Height of a raster in pixels: some for each neuron, between these two.
LOWEST, HIGHEST = 70, 190
#: Widths of pictures in CSS pixels, of one tile and of many.
ONE, MANY = 224, 520
NEEDED, LATER = "before the decision", "after it"
BOTH, MISSING, EXTRA = "in both", "missing", "not expected"


def layer_names(network: Network) -> list[tuple[int, str]]:
    """Place in ``Inference.spike_times`` and name of everything that spikes by itself or passes
    spikes on."""
    named = [(0, "input")]
    for index, layer in enumerate(network.layers):
        if layer.kind in BLOCKS:
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
        if not (times[place] < network.t_max).any():
            yield Text(f"{name}: none of {times[place].size:,} neurons fires.")
            continue
        yield raster(name, times[place], network.t_max, last_step, decided)


def raster(name: str, times: Array, t_max: int, last_step: int, decided: bool) -> Figure:
    """Time step against neuron, or against channel where there are too many."""
    flat = times.reshape(-1)
    fired = np.flatnonzero(flat < t_max)
    told = f"{name}: {len(fired):,} of {flat.size:,} neurons fire"
    if flat.size > MOST_NEURONS:
        return _by_channel(told, times, t_max, last_step if decided else None)
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
    kinds = {BOTH: both & seen, MISSING: both - seen, EXTRA: seen - both}
    rows = [
        {"step": step, "neuron": neuron, "what": what}
        for what, spikes in kinds.items() for neuron, step in sorted(spikes)
    ]  # fmt: skip
    told = f"{name}: {len(kinds[MISSING])} spikes missing, {len(kinds[EXTRA])} not expected"
    kinds_shown = [(BOTH, GREY), (MISSING, ORANGE), (EXTRA, BLUE)]
    return _ticks(told, rows, wanted.size, t_max, None, kinds_shown)


def _ticks(
    title: str, rows: Rows, neurons: int, t_max: int, decision: int | None,
    kinds: list[tuple[str, str]],
) -> Figure:  # fmt: skip
    height = max(LOWEST, min(HIGHEST, 3 * neurons))
    tooltips = [alt.Tooltip("neuron:Q"), alt.Tooltip("step:Q"), alt.Tooltip("what:N")]
    marks = _dashes("neuron", neurons, t_max, height, tooltips).encode(color=colours(kinds))
    return _figure(title, marks, rows, height, decision)


def _by_channel(title: str, times: Array, t_max: int, decision: int | None) -> Figure:
    """Spikes of each channel in each step, by colour."""
    channels = times.reshape(len(times), -1)
    counts = np.stack([(channels == step).sum(axis=1) for step in range(t_max)])
    rows = [
        {"step": int(step), "neuron": int(channel), "spikes": int(counts[step, channel])}
        for step, channel in zip(*np.nonzero(counts), strict=True)
    ]
    height = max(LOWEST, min(HIGHEST, 4 * len(times)))
    tooltips = [
        alt.Tooltip("neuron:Q", title="channel"), alt.Tooltip("step:Q"), alt.Tooltip("spikes:Q")
    ]  # fmt: skip
    marks = _dashes("channel", len(times), t_max, height, tooltips).encode(
        color=alt.Color("spikes:Q", title="spikes", scale=alt.Scale(scheme="viridis", reverse=True),
                        legend=alt.Legend(orient="top", gradientLength=120, gradientThickness=8)),
    )  # fmt: skip
    return _figure(title, marks, rows, height, decision)


def _dashes(
    name: str, count: int, t_max: int, height: int, tooltips: list[alt.Tooltip]
) -> alt.Chart:
    """A dash for each row, as wide as its step."""
    thickness = max(1.2, min(8.0, 0.8 * height / count))
    base = chart().transform_calculate(begin="datum.step - 0.42", end="datum.step + 0.42")
    made: alt.Chart = base.mark_rule(strokeWidth=thickness).encode(
        x=steps(t_max, title=None, field="begin"), x2=alt.X2("end:Q"),
        y=alt.Y("neuron:Q", axis=left_axis(name, tickCount=4, format="d"),
                scale=alt.Scale(domain=[-0.5, count - 0.5], nice=False, reverse=True)),
        tooltip=tooltips,
    )  # fmt: skip
    return made


def _figure(title: str, marks: alt.Chart, rows: Rows, height: int, decision: int | None) -> Figure:
    """With a line at the decision, if there is one."""
    if decision is None:
        return figure(title, marks, rows, height=height)
    rule = others("decision").mark_rule(strokeDash=[4, 3], color=ORANGE, strokeWidth=1.5)
    made = marks + rule.encode(x=alt.X("step:Q"))
    return figure(title, made, rows, height=height, decision=[{"step": decision}])


def feature_maps(name: str, times: Array, t_max: int) -> Picture:
    """When each neuron of every channel fired."""
    made = pictures.sheet(pictures.of_times(times, t_max))
    channels, height, width = times.shape
    fired = int((times < t_max).sum())
    told = f"{name}: {channels} x {height} x {width}, {fired:,} spikes"
    wide = shown_width(made.shape[1], channels)
    return Picture(
        name, pictures.uri(made), wide, f"spike times of {told}",
        f"{counted(channels, 'channel')} of {height} x {width}, {fired:,} spikes",
    )  # fmt: skip


def shown_width(pixels: int, tiles: int) -> int:
    """Width of a picture in CSS pixels: whole multiples of its own, where there is room."""
    most = ONE if tiles == 1 else MANY
    return max(ONE // 2, min(most, pixels * max(1, most // pixels)))
