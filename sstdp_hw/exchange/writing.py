"""From a network to a NIR graph and the sidecar beside it.

A layer becomes its weights and an IF whose reset is so low that it never fires again; first-spike
pooling becomes SumPool2d and an IF of threshold 0.5. An integer threshold theta becomes
theta + 0.5: a sum of integers is above the one where it is above the other, and never at it, so
that frameworks that fire at the threshold and those that fire above it agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.errors import UserError
from ..base.files import written_whole
from ..network.float_network import FloatNetwork
from ..network.layers import Array, Conv2d, Dense, Flatten, Pool2d, Shape, WeightedLayer
from ..network.network import Network
from .around import sidecar_path, write_sidecar

if TYPE_CHECKING:
    import nir

DT = 1.0  # steps are counted: snnTorch and Norse take no other r, SpikingJelly takes its dt


def write_nir(network: Network | FloatNetwork, path: Path | str, *, dt: float = DT) -> Path:
    """Write ``path``, the graph of a network, and its sidecar; same input, same bytes.

    Parameters
    ----------
    network : Network or FloatNetwork
    path : path
    dt : float
        Time step of the graph in the reader's unit: ``r`` of every IF is its inverse.

    Returns
    -------
    Path
        Of the sidecar: encoder, decision rule, time steps, classes, widths.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    import nir

    path = Path(path)
    graph = to_nir(network, dt=dt)
    beside = sidecar_path(path)
    with written_whole(path) as temporary:
        nir.write(temporary, graph)
        write_sidecar(beside, network)
    return beside


def to_nir(network: Network | FloatNetwork, *, dt: float = DT) -> nir.NIRGraph:
    """The graph of a network, without what NIR has no place for; see `write_nir`."""
    import nir

    if not (dt > 0 and math.isfinite(dt) and math.isfinite(1 / dt)):
        raise UserError(f"Time step dt must be positive and finite, not {dt}")
    nodes: dict[str, Any] = {"input": nir.Input(np.array(network.shapes[0]))}
    for index, layer in enumerate(network.layers):
        inputs, outputs = network.shapes[index], network.shapes[index + 1]
        if len(inputs) == 3 and len(outputs) == 1:
            nodes[f"flatten_{index}"] = _flatten(inputs)
        for name, node in NODES[layer.kind](layer, inputs, outputs, 1 / dt):
            nodes[f"{name}_{index}"] = node
    nodes["output"] = nir.Output(np.array(network.shapes[-1]))
    names = list(nodes)
    # Not checked by nir, which takes every kernel for a square one.
    return nir.NIRGraph(nodes, list(pairwise(names)), type_check=False)


Named = list[tuple[str, Any]]


def _flatten(shape: Shape) -> Any:
    import nir

    return nir.Flatten({"input": np.array(shape)}, start_dim=0, end_dim=-1)


def _dense(layer: Dense, inputs: Shape, outputs: Shape, r: float) -> Named:
    import nir

    return [("linear", nir.Linear(_real(layer.weight))), ("if", _neurons(layer, outputs, r))]


def _conv2d(layer: Conv2d, inputs: Shape, outputs: Shape, r: float) -> Named:
    import nir

    weights = nir.Conv2d(
        input_shape=(inputs[1], inputs[2]),
        weight=_real(layer.weight),
        stride=np.array(layer.stride),
        padding=np.array(layer.padding),
        dilation=np.array([1, 1]),
        groups=1,
        bias=np.zeros(layer.outputs, np.float32),
    )
    return [("conv", weights), ("if", _neurons(layer, outputs, r))]


def _pool2d(layer: Pool2d, inputs: Shape, outputs: Shape, r: float) -> Named:
    kernel = np.array(layer.kernel)
    return [("pool", _sums(kernel)), ("if", _if(np.full(outputs, 0.5), float(kernel.prod()), r))]


def _sums(kernel: Array) -> Any:
    import nir

    return nir.SumPool2d(kernel_size=kernel, stride=kernel, padding=np.array([0, 0]))


def _neurons(layer: WeightedLayer, shape: Shape, r: float) -> Any:
    threshold = layer.threshold.astype(np.float64)
    if layer.threshold.dtype.kind == "i":
        threshold = threshold + 0.5
    rows = layer.weight.reshape(layer.outputs, -1).astype(np.float64)
    highest = float(np.maximum(rows, 0).sum(axis=1).max())
    spread = threshold.reshape(-1, *[1] * (len(shape) - 1))
    return _if(np.broadcast_to(spread, shape), highest, r)


def _if(threshold: Array, highest: float, r: float) -> Any:
    """IF neurons that fire once: from their reset not even all inputs together, ``highest``, lead
    above the lowest threshold."""
    import nir

    reset = -(2.0 ** math.ceil(math.log2(2 * (highest + float(np.abs(threshold).max()) + 1))))
    return nir.IF(
        r=np.full(threshold.shape, r),
        v_threshold=_real(np.ascontiguousarray(threshold)),
        v_reset=_real(np.full(threshold.shape, reset)),
    )


def _real(array: Array) -> Array:
    """Numbers as float32, the type that frameworks take, or as float64 where that is inexact."""
    with np.errstate(over="ignore"):
        short = array.astype(np.float32)
    return short if np.array_equal(short, array) else array.astype(np.float64)


#: By the kind of a layer: its nodes, each with the beginning of its name, from the layer, the
#: shapes of its inputs and outputs, and ``r``.
NODES: dict[str, Callable[[Any, Shape, Shape, float], Named]] = {
    Dense.kind: _dense,
    Conv2d.kind: _conv2d,
    Pool2d.kind: _pool2d,
    Flatten.kind: lambda layer, inputs, outputs, r: [],
}
