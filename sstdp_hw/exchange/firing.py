"""The neurons of a chain: with the sums before them they become one layer.

As `synapses`: each function takes a node and the state before it.
"""

from __future__ import annotations

import numpy as np

from ..network.layers import Array, Flatten, Pool2d, Shape
from . import fields, neurons
from .fields import Unmapped
from .graph import Node
from .state import Blind, MappedLayer, Mapping, Sums


def integrate_and_fire(node: Node, mapping: Mapping) -> str:
    r = fields.numbers(node, "r")
    if r.min() <= 0:
        raise Unmapped(f"r must be positive, not {r.min():g}")
    dt = mapping.dt if mapping.dt is not None else 1 / float(r.reshape(-1)[0])
    return _neurons(node, mapping, neurons.gain_of(r.astype(np.float64), dt))


def without_leak(node: Node, mapping: Mapping) -> str:
    """A leak with an infinite time constant is none: the way that snnTorch writes beta = 1."""
    tau = fields.numbers(node, "tau", finite=False)
    if not np.isposinf(tau).all():
        raise Unmapped(
            f"must not leak, and has time constants down to {tau.min():g}; train with IF "
            "neurons (beta = 1 in snnTorch)"
        )
    if not np.isposinf(fields.numbers(node, "r", finite=False)).all():
        raise Unmapped("r must be infinite like tau, for their ratio is what an input adds")
    return _neurons(node, mapping, np.ones(1))


def _neurons(node: Node, mapping: Mapping, own_gain: Array) -> str:
    """The rule of neurons: the sums before them and they are one layer."""
    threshold = fields.numbers(node, "v_threshold")
    reset = fields.numbers(node, "v_reset", finite=False) if "v_reset" in node.fields else None
    if reset is not None and (np.isnan(reset).any() or np.isposinf(reset).any()):
        raise Unmapped("v_reset must be a number or minus infinity")
    sums, reading = mapping.sums, mapping.reading
    if sums is None and mapping.blind:
        raise Blind
    if sums is None:
        raise Unmapped("must have Linear, Affine, Conv2d or SumPool2d before it, and takes spikes")
    all_gain = sums.gain * fields.of_shape(own_gain, sums.shape, "r")
    if not np.isfinite(all_gain).all():
        raise OverflowError
    thresholds = fields.of_shape(threshold, sums.shape, "v_threshold")
    resets = fields.of_shape(np.zeros(1) if reset is None else reset, sums.shape, "v_reset")
    strict = not reading.at_threshold
    if sums.weight is None:
        rows = _window_rows(sums, all_gain, thresholds, resets, strict=strict)
    else:
        gain = fields.of_rows(all_gain, "gain (r, scale)")
        bars = fields.of_rows(thresholds, "v_threshold")
        highest = resets.reshape(len(resets), -1).max(axis=1)
        rows = neurons.rows_of(sums.weight, sums.bias, gain, bars, highest, strict=strict)
        if not np.isfinite(rows.weight).all():
            raise OverflowError
    again = bool(rows.fires_again.any())
    if again and not reading.spike_once:
        count = np.count_nonzero(rows.fires_again)
        what = "neurons" if len(rows.fires_again) == np.prod(sums.shape) else "channels"
        raise Unmapped(
            f"may fire again after its reset to {resets.max():g} ({count} of "
            f"{len(rows.fires_again)} {what}); fires once with v_reset up to "
            f"{rows.lowest_safe_reset:g}, or say --spike-once to make it so"
        )
    place = len(mapping.layers)
    layer = sums.make(rows.weight, rows.threshold)
    reset, border = (_each(row, sums.shape) for row in (rows.reset, rows.threshold))
    mapping.layers.append(MappedLayer(layer, reset, border, again))
    if sums.flat:
        mapping.layers.append(MappedLayer(Flatten()))
    mapping.sums = None
    what = "first-spike pooling" if sums.weight is None else "neurons"
    made = ", which fire once now" if again else ""
    return f"{what} of layers.{place}, {layer.name}{made}"


def _window_rows(
    sums: Sums, gain: Array, threshold: Array, reset: Array, *, strict: bool
) -> neurons.Rows:
    """The neurons behind sums of windows, each a row of its own: they fire with the first spike of
    their window, and all others of it come later."""
    pool = sums.make(gain, threshold)
    assert isinstance(pool, Pool2d)
    fires = threshold < gain if strict else threshold <= gain
    rests = threshold >= 0 if strict else threshold > 0
    if not (fires & rests).all():
        wrong = threshold[~(fires & rests)][0]
        raise Unmapped(
            f"v_threshold must be one that every single spike of a window reaches and none does "
            f"not, such as 0.5, not {wrong:g}: only so it is first-spike pooling"
        )
    to_come = pool.kernel[0] * pool.kernel[1] - 1
    left, border = (reset / gain).reshape(-1), (threshold / gain).reshape(-1)
    again = left + to_come > border if strict else left + to_come >= border
    safe = float((threshold - to_come * gain).min())
    return neurons.Rows(
        np.ones((len(left), 1)), border, left, again,
        safe if strict else float(np.nextafter(safe, -np.inf)),
    )  # fmt: skip


def _each(rows: Array, shape: Shape) -> Array:
    """A value for every neuron, of one for every row of weights."""
    if rows.size == np.prod(shape):
        return rows.reshape(shape)
    return np.broadcast_to(rows.reshape(-1, *[1] * (len(shape) - 1)), shape)
