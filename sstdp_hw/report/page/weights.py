"""Weights before and after quantization, kernels, receptive fields."""

from __future__ import annotations

from collections.abc import Iterator

import altair as alt
import numpy as np

from ...network.layers import Array, WeightedLayer
from ...network.network import Network
from ..run_report import pick
from . import pictures
from .charts import BLUE, ORANGE, chart, colours, figure, left_axis, rounded
from .evidence import Evidence
from .parts import Figure, PageSection, Part, Picture, Pictures
from .raster import shown_width

BEFORE, AFTER = "before, in units of the scale", "after"
#: Bins of the histogram before quantization to one integer step.
FINE = 4
#: Pictures of one layer at most.
MOST = 64


def weights(evidence: Evidence) -> PageSection | None:
    """The section; None without a network."""
    network = evidence.network
    if network is None:
        return None
    parts: list[Part] = [_histogram(evidence, network, *place) for place in network.weighted]
    shown = list(_pictures(evidence, network))
    if shown:
        parts.append(Pictures(shown))
    widths = ", ".join(str(layer.weight_width) for _, layer in network.weighted)
    return PageSection(
        "weights", "Weights", parts, f"Signed integers of {widths} bits, layer by layer."
    )


def _scale(evidence: Evidence, index: int) -> float | None:
    for layer in pick(evidence.report.quantize, "layers") or ():
        if layer.get("index") == index and isinstance(layer.get("scale"), float):
            return float(layer["scale"])
    return None


def _histogram(evidence: Evidence, network: Network, index: int, layer: WeightedLayer) -> Figure:
    values, counts = np.unique(layer.weight, return_counts=True)
    rows = [
        {"from": value - 0.42, "to": value + 0.42, "share": rounded(share, 5), "what": AFTER}
        for value, share in zip(values.tolist(), counts / layer.weight.size, strict=True)
    ]
    scale, real = _scale(evidence, index), evidence.float_network
    kinds = [(AFTER, BLUE)]
    if scale and real is not None and len(real.layers) > index:
        rows += _before(np.asarray(real.layers[index].weight) / scale)  # type: ignore[attr-defined]
        kinds = [(BEFORE, ORANGE), (AFTER, BLUE)]
    bars = chart().mark_bar(opacity=0.6, binSpacing=0).encode(
        x=alt.X("from:Q", bin="binned", title="weight", axis=alt.Axis(tickMinStep=1)),
        x2=alt.X2("to:Q"),
        y=alt.Y("share:Q", stack=None, axis=left_axis("share per unit", format=".0%")),
        color=colours(kinds),
        tooltip=[alt.Tooltip("what:N"), alt.Tooltip("from:Q"), alt.Tooltip("to:Q"),
                 alt.Tooltip("share:Q", format=".2%")],
    )  # fmt: skip
    zero = float(np.mean(layer.weight == 0))
    return figure(
        f"layers.{index}: {layer.name}, {layer.weight.size:,} weights", bars, rows, height=180,
        narrow=True, note=f"{zero:.1%} are zero.",
    )  # fmt: skip


def _before(scaled: Array) -> list[dict[str, object]]:
    """Shares of the weights in bins of a quarter step, times four: comparable with a step's."""
    low, high = np.floor(scaled.min()), np.ceil(scaled.max())
    edges = np.linspace(low, high, int(min(400, max(1, (high - low) * FINE))) + 1)
    counts, _ = np.histogram(scaled, edges)
    factor = 1 / (edges[1] - edges[0]) / scaled.size
    return [
        {"from": rounded(edges[n]), "to": rounded(edges[n + 1]), "share": rounded(c * factor, 5),
         "what": BEFORE}
        for n, c in enumerate(counts.tolist()) if c
    ]  # fmt: skip


def _pictures(evidence: Evidence, network: Network) -> Iterator[Picture]:
    """Kernels of every convolution; receptive fields of a first layer that sees all pixels."""
    for index, layer in network.weighted:
        if layer.weight.ndim == 4:
            tiles = layer.weight.astype(np.float64)
            if tiles.shape[1] > 1:  # one tile a channel: what it takes from all channels together
                tiles = tiles.sum(axis=1, keepdims=True)
            told = (
                "sum over the channels in front" if layer.weight.shape[1] > 1 else "one a channel"
            )
            yield _sheet(f"layers.{index}: kernels", tiles[:MOST, 0], told)
        elif network.takes_pixels(index):
            channels, height, width = network.shapes[0]
            fields = layer.weight.reshape(-1, channels, height, width).astype(np.float64)
            order = _busiest(evidence, index)[:MOST]
            yield _sheet(
                f"layers.{index}: receptive fields",
                fields[order].reshape(-1, height, width)[:MOST],
                f"{min(MOST, len(order))} of {len(fields)} neurons, those that fire most",
            )


def _busiest(evidence: Evidence, index: int) -> Array:
    """Neurons by how often they fire, most often first."""
    assert evidence.network is not None, "asked for its weights"
    if evidence.inference is None or not len(evidence.inference.classes):
        return np.arange(evidence.network.shapes[index + 1][0])
    times = evidence.inference.spike_times[index + 1]
    fires = (times.reshape(len(times), -1) < evidence.network.t_max).sum(axis=0)
    return np.argsort(-fires, kind="stable")


def _sheet(title: str, tiles: Array, note: str) -> Picture:
    made = pictures.sheet(pictures.of_weights(tiles))
    width = shown_width(made.shape[1], len(tiles))
    return Picture(
        title, pictures.uri(made), width, f"{title}: {note}",
        f"{note}; orange excites, blue inhibits",
    )  # fmt: skip
