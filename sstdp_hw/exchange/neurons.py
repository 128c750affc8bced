"""What an IF node makes of the sums before it: integers-to-be thresholds, exact, and whether its
neurons fire once.

A NIR neuron integrates ``v' = r I``; in a step of ``dt`` an input of weight w adds ``w * r * dt``.
Ours adds w. So the gain ``g = r * dt``, times what a Scale node adds, goes into the threshold where
it is one for all neurons (``g * V > th`` is ``V > th / g``), and else into the weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..network.layers import Array
from .fields import Unmapped

#: Steps whose inverse frameworks write as ``r``: Norse and Sinabs count in steps, SpikingJelly and
#: snnTorch in steps of 0.1 ms.
STEPS = (1.0, 1e-4)


@dataclass(frozen=True, eq=False)
class Rows:
    """Neurons that share weights row by row, before and after.

    Parameters
    ----------
    weight : array [out, ...]
    threshold : float64 array [out]
        The neuron fires above it, whatever the graph's comparison was.
    reset : float64 array [out]
        What is left of the sum after a spike.
    fires_again : bool array [out]
        Whether the inputs, each at most once, can bring a neuron above its threshold twice.
    lowest_safe_reset : float
        With a ``v_reset`` up to this no neuron fires again; in the graph's own unit.
    """

    weight: Array
    threshold: Array
    reset: Array
    fires_again: Array
    lowest_safe_reset: float


def rows_of(
    weight: Array, bias: Array, gain: Array, threshold: Array, reset: Array, *, strict: bool
) -> Rows:
    """Bring neurons into the form of the network file.

    Parameters
    ----------
    weight : array [out, ...]
    bias : float64 array [out]
        Added once, before the first step.
    gain : float64 array [out]
        What one unit of weight adds to the potential.
    threshold, reset : float64 arrays [out]
    strict : bool
        Whether a neuron fires above its threshold only, or also at it.
    """
    shared = bool((gain == gain[0]).all() and gain[0] > 0)
    if shared:
        unit, added = float(gain[0]), bias
    else:
        unit, added = 1.0, bias * gain
        weight = weight.astype(np.float64) * gain.reshape(-1, *[1] * (weight.ndim - 1))
    exact = [
        Fraction(float(value)) / Fraction(unit) - Fraction(float(add))
        for value, add in zip(threshold, added, strict=True)
    ]
    border = np.array([float(value) for value in exact])
    left = reset / unit - added
    most = np.array([_positive(row) for row in weight.reshape(len(weight), -1)])
    # What can still come after the first spike: all but what it took to get there.
    to_come = most - np.maximum(border, 0)
    safe = border - to_come
    again = left > safe if strict else left >= safe
    again &= most > border if strict else most >= border
    lowest = np.where(to_come > 0, (safe + added) * unit, np.inf).min()
    return Rows(
        weight, np.array([below(value, strict=strict) for value in exact]), left, again,
        float(lowest if strict else np.nextafter(lowest, -np.inf)),
    )  # fmt: skip


def below(value: Fraction, *, strict: bool) -> float:
    """The largest float64 up to ``value``, or, if not strict, below it.

    For a potential V of the precision of the weights, ``V > value`` is ``V > below(value,
    strict=True)``, and ``V >= value`` is ``V > below(value, strict=False)``.
    """
    nearest = float(value)
    if Fraction(nearest) > value or (not strict and Fraction(nearest) == value):
        return math.nextafter(nearest, -math.inf)
    return nearest


def _positive(row: Array) -> float:
    """The highest potential: every input fires at most once."""
    return math.fsum(row[row > 0].tolist())


def gain_of(r: Array, dt: float) -> Array:
    """``r * dt``; exactly 1 where r was made as 1 / dt."""
    gain: Array = np.where(r == 1 / dt, 1.0, r * dt)
    return gain


def step_of(resistances: list[Array], asked: float | None) -> float:
    """The ``dt`` of a graph, which no NIR file tells.

    Raises
    ------
    Unmapped
        If ``r`` is not that of a framework whose step is known.
    """
    if asked is not None:
        return asked
    values = np.unique(np.concatenate([r.reshape(-1) for r in resistances] or [np.ones(1)]))
    for step in STEPS:
        if (values == 1 / step).all():
            return step
    shown = f"{values[0]:g}" if len(values) == 1 else f"{values[0]:g} to {values[-1]:g}"
    raise Unmapped(
        f"r must be {' or '.join(f'{1 / step:g}' for step in STEPS)} for all neurons, and is "
        f"{shown}; tell the graph's time step with --dt (then r * dt is the gain)"
    )
