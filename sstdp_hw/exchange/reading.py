"""From a NIR graph to the float network of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..base.errors import UserError
from ..network.chain import printable
from ..network.float_network import FloatNetwork
from ..network.layers import Array, Flatten, Layer, Shape, WeightedLayer, fits_width
from ..quantization.quantize import EXACT_STEPS
from .around import Around
from .coding import choose
from .graph import Chain, chain_of
from .hdf5 import read_graph
from .mapping import map_chain
from .state import MappedLayer, Mapping, Reading


@dataclass(frozen=True, eq=False)
class Graph:
    """A NIR graph that was looked at, whether it can become a network or not.

    Parameters
    ----------
    source : str
        What errors call it.
    chain : Chain
        Its nodes, and what was found about each.
    mapping : Mapping
    """

    source: str
    chain: Chain
    mapping: Mapping

    @property
    def refused(self) -> tuple[str, ...]:
        """One line per reason."""
        return tuple(
            f"node {finding.node} ({finding.kind}) {reason}"
            for finding in self.chain.findings
            for reason in finding.refusals
        )

    @property
    def layers(self) -> list[MappedLayer]:
        return self.mapping.layers


def look_at(graph: Path | str | Any, reading: Reading | None = None) -> Graph:
    """Read a graph and find what each of its nodes becomes.

    Parameters
    ----------
    graph : path, nir.NIRGraph, or its ``to_dict()``
    reading : Reading, optional

    Raises
    ------
    UserError
        If this is no NIR graph. A node that cannot be mapped is told by ``Graph.refused``.
    """
    if isinstance(graph, str | Path):
        source, content = str(graph), read_graph(graph)
    else:
        source, content = "graph", graph if isinstance(graph, dict) else graph.to_dict()
    chain = chain_of(content, source)
    return Graph(source, chain, map_chain(chain, reading or Reading()))


def read_nir(
    graph: Path | str | Any,
    *,
    t_max: int | None = None,
    cutoff: int | None = None,
    encoder: Array | None = None,
    input_kind: str | None = None,
    input_shape: Sequence[int] | None = None,
    class_names: Sequence[str] | None = None,
    name: str | None = None,
    dt: float | None = None,
    fires_at_threshold: bool = False,
    bias_once: bool = False,
    spike_once: bool = False,
) -> FloatNetwork:
    """The float network that a NIR graph is; `quantize` makes integers of it.

    Parameters
    ----------
    graph : path or nir.NIRGraph
    t_max : int, optional
        Time steps of an inference; with a sidecar beside the file they are known.
    cutoff : int, optional
        Darkest pixel that spikes, for `ttfs_table`.
    encoder : uint8 array [256] or [planes, 256], optional
        Spike time of every pixel value.
    input_kind : {"pixels", "spikes"}, optional
        What an inference begins with; spikes need no encoder. Default: as encoder or sidecar say,
        else pixels.
    input_shape : (channels, height, width), optional
        Of the image, where the graph's Input is flat.
    class_names, name : optional
    dt, fires_at_threshold, bias_once, spike_once : optional
        See `Reading`.

    Raises
    ------
    UserError
        If the graph is damaged, or a node of it cannot be mapped: names the first.
    """
    path = Path(graph) if isinstance(graph, str | Path) else None
    around = choose(path, t_max=t_max, cutoff=cutoff, encoder=encoder, input_kind=input_kind)
    reading = Reading(dt, fires_at_threshold, bias_once, spike_once, around.t_max)
    network = build(look_at(graph, reading), around, input_shape=input_shape)
    changes: dict[str, Any] = {} if name is None else {"name": name}
    if class_names is not None:
        changes["class_names"] = tuple(class_names)
    return replace(network, **changes)


def build(
    graph: Graph,
    around: Around,
    *,
    input_shape: Sequence[int] | None = None,
    images: Shape | None = None,
    provenance: dict[str, Any] | None = None,
) -> FloatNetwork:
    """The network of a graph of which no node is refused.

    Parameters
    ----------
    graph : Graph
    around : Around
    input_shape : (channels, height, width), optional
    images : (channels, height, width), optional
        Of the images that the network is for; they are asked where the graph's Input is flat.
    provenance : dict, optional

    Raises
    ------
    UserError
        If a node is refused, or encoder, image and graph do not fit each other.
    """
    if refused := graph.refused:
        more = f"; and {len(refused) - 1} more" if len(refused) > 1 else ""
        raise UserError(
            f"{graph.source}: {refused[0]}{more}; `sstdp-hw import --check` tells of every node"
        )
    layers = [mapped.layer for mapped in graph.layers]
    scales: list[float | None] = [None] * len(layers)
    if around.layers is not None:
        layers, scales = _as_written(graph, layers, around)
    classes = _last(layers).outputs
    names = around.class_names
    if names is None or (around.layers is None and len(names) != classes):
        names = tuple(str(number) for number in range(classes))
    return FloatNetwork(
        name=around.name or _name(graph.source),
        t_max=around.t_max,
        input_shape=_image(graph, around, input_shape, images),
        class_names=names,
        encoder=around.encoder,
        layers=tuple(layers),
        scales=tuple(scales),
        provenance=provenance if provenance is not None else dict(around.provenance or {}),
        source=graph.source,
    )


def _last(layers: list[Layer]) -> WeightedLayer:
    last = layers[-1]
    assert isinstance(last, WeightedLayer), "the mapping's own check"
    return last


def _name(source: str) -> str:
    return printable(Path(source).stem) or "imported"


def _image(
    graph: Graph, around: Around, asked: Sequence[int] | None, images: Shape | None
) -> Shape:
    """Shape of the image, whose spikes the graph's Input takes."""
    wanted, planes = graph.mapping.input_shape, around.planes
    assert wanted is not None, "a chain begins with an Input"
    if wanted[0] % planes:
        raise UserError(
            f"{graph.source}: Input must have a multiple of the encoder's {planes} planes, not "
            f"{list(wanted)}"
        )
    if len(wanted) == 3:
        image = (wanted[0] // planes, *wanted[1:])
        if asked is not None and tuple(asked) != image:
            raise UserError(
                f"{graph.source}: input shape must be that of its Input, {list(image)}, not "
                f"{list(asked)}"
            )
        return image
    pixels = wanted[0] // planes
    if asked is not None:
        shape = tuple(asked)
        if len(shape) != 3 or min(shape) < 1 or math.prod(shape) != pixels:
            raise UserError(
                f"{graph.source}: input shape must be three numbers with {pixels} pixels, as its "
                f"Input has, not {list(shape)}"
            )
        return shape
    for shape_or_none in (around.input_shape, images):
        if shape_or_none is not None and math.prod(shape_or_none) == pixels:
            return tuple(shape_or_none)
    return square(pixels)


def square(pixels: int) -> Shape:
    """The image of so many pixels, where nobody tells: a square if they make one, else a row. It
    decides only which images are taken: in C order both have the same pixels."""
    side = math.isqrt(pixels)
    return (1, side, side) if side * side == pixels else (1, 1, pixels)


def _as_written(
    graph: Graph, layers: list[Layer], around: Around
) -> tuple[list[Layer], list[float | None]]:
    """The layers where the sidecar has them, with the widths that their weights still have."""
    assert around.layers is not None
    found = [layer for layer in layers if not isinstance(layer, Flatten)]
    kinds = [entry["kind"] for entry in around.layers]
    if [layer.kind for layer in found] != [kind for kind in kinds if kind != Flatten.kind]:
        raise UserError(
            f"{around.source}: layers must be those of the graph, "
            f"{', '.join(layer.kind for layer in found)}, not {', '.join(kinds)}; take the sidecar "
            "away and give --steps"
        )
    remaining = iter(found)
    ordered: list[Layer] = []
    scales: list[float | None] = []
    for entry in around.layers:
        layer = Flatten() if entry["kind"] == Flatten.kind else next(remaining)
        width, scale = entry.get("weight_width", 0), entry.get("scale")
        kept = None
        if isinstance(layer, WeightedLayer) and width and _is_of(layer.weight, width, scale):
            layer, kept = replace(layer, weight_width=width), scale
        ordered.append(layer)
        scales.append(kept)
    return ordered, scales


def _is_of(weight: Array, width: int, scale: float | None) -> bool:
    """Whether weights are still integers of a width at a scale, or were changed since."""
    if scale is None or not (scale > 0 and math.isfinite(scale)):
        return False
    steps = weight.astype(np.float64) / scale
    near = np.rint(steps)
    return bool(np.abs(steps - near).max() <= EXACT_STEPS) and fits_width(near, width)
