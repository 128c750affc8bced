"""When the neurons of one layer fire, kind by kind.

One matrix product per occupied time step. Sums of integers are exact in floating point as long as
they stay below the mantissa, so the products run in float32 or float64, whichever the bound on the
membrane potential allows; a float network is evaluated by the same code in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..network.layers import Array, Conv2d, Dense, Layer, Pool2d, Shape

WINDOW_CELLS = 1 << 18  # spike times in the windows of a convolution that are looked at together


def spike_times(layer: Layer, inputs: Array, shape: Shape, t_max: int) -> Array:
    """Spike times [N, *shape] of one layer from those of its inputs."""
    found = SPIKE_TIMES[layer.kind](layer, inputs, shape, t_max)
    return found.reshape(len(found), *shape)


def flattened(times: Array) -> Array:
    """Spike times as [N, neurons]; N may be 0."""
    return times.reshape(len(times), int(np.prod(times.shape[1:])))


def fire(layer: Dense, inputs: Array, t_max: int) -> tuple[Array, Array]:
    """Spike times [N, neurons] of a fully connected layer, and ``V - theta`` at each image's first
    spike in it; an image without a spike gets the margins of the last step."""
    return _fire_rows(layer, flattened(inputs), t_max, True)


def _dense(layer: Dense, inputs: Array, shape: Shape, t_max: int) -> Array:
    return _fire_rows(layer, flattened(inputs), t_max, False)[0]


def _conv2d(layer: Conv2d, inputs: Array, shape: Shape, t_max: int) -> Array:
    """A convolution is a dense layer on the window of every position: [N, channels, rows, columns].

    The windows of a few images are laid out at a time, as spike times, so that all steps find them
    in the processor's cache.
    """
    channels, _, *kernel = layer.weight.shape
    (stride_y, stride_x), (pad_y, pad_x) = layer.stride, layer.padding
    padding = ((0, 0), (0, 0), (pad_y, pad_y), (pad_x, pad_x))
    padded = np.pad(inputs, padding, constant_values=t_max)  # no spike from there
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(2, 3))
    windows = windows[:, :, ::stride_y, ::stride_x].transpose(0, 2, 3, 1, 4, 5)
    height, width = windows.shape[1:3]
    dense = Dense(layer.weight.reshape(channels, -1), layer.threshold, layer.weight_width)
    times = np.empty((len(inputs), height, width, channels), np.uint8)
    at_once = max(1, WINDOW_CELLS // (height * width * dense.inputs))
    for start in range(0, len(inputs), at_once):
        rows = windows[start : start + at_once].reshape(-1, dense.inputs)
        found, _ = _fire_rows(dense, rows, t_max, False)
        times[start : start + at_once] = found.reshape(-1, height, width, channels)
    return np.ascontiguousarray(times.transpose(0, 3, 1, 2))


def _fire_rows(
    layer: Dense, inputs: Array, t_max: int, margins_at_first_spike: bool
) -> tuple[Array, Array]:
    """Spike times [rows, neurons] from those of the inputs [rows, fan-in]; and, if asked for,
    margins as `fire` says."""
    exact, real, threshold = _arithmetic(layer)
    theta = layer.threshold.astype(exact)
    matrix = np.ascontiguousarray(layer.weight.T.astype(real))
    potential: Array | None = None
    for step in range(t_max):
        arriving = inputs == step
        if step and not arriving.any():
            continue  # nothing was added, so nothing can newly exceed its threshold
        with np.errstate(invalid="ignore"):  # set by unused vector lanes of BLAS: all is finite
            added = arriving.astype(real) @ matrix
        if potential is None:
            potential = added
            times = np.full(potential.shape, t_max, np.uint8)
            margins = np.zeros(potential.shape if margins_at_first_spike else (0,), exact)
            undecided = np.ones(len(inputs), bool)
        else:
            potential += added
        fired = potential > threshold
        fired &= times == t_max
        np.copyto(times, step, where=fired, casting="unsafe")  # fits: t_max is at most 255
        if margins_at_first_spike:
            now = undecided & fired.any(axis=1)
            margins[now] = potential[now].astype(exact) - theta
            undecided &= ~now
    assert potential is not None, "t_max is at least 1"
    if margins_at_first_spike:
        margins[undecided] = potential[undecided].astype(exact) - theta
    return times, margins


def potential_bounds(weight: Array) -> tuple[Array, Array]:
    """Lowest and highest potential each neuron (row of ``weight``) can reach: int64 arrays.

    Every input fires at most once, so the potential is always the sum over a subset of the weights.
    """
    rows = weight.reshape(len(weight), -1).astype(np.int64)
    return np.minimum(rows, 0).sum(axis=1), np.maximum(rows, 0).sum(axis=1)


def _arithmetic(layer: Dense) -> tuple[Any, Any, Array]:
    """Type of margins, type that holds every potential exactly, and thresholds in that type.

    A threshold outside the potential's range is moved to its border, which changes no comparison
    and keeps it exact.
    """
    if layer.weight.dtype.kind == "f":
        return np.float64, np.float64, layer.threshold.astype(np.float64)
    low, high = potential_bounds(layer.weight)
    bound = max(int(-low.min()), int(high.max())) + 1
    real = np.float32 if bound < 1 << 24 else np.float64
    return np.int64, real, np.clip(layer.threshold.astype(np.int64), low - 1, high).astype(real)


def _pool2d(layer: Pool2d, times: Array, shape: Shape, t_max: int) -> Array:
    """Earliest spike of every window; rows and columns that fill no window are dropped."""
    kernel, (channels, height, width) = layer.kernel, shape
    cropped = times[:, :, : height * kernel[0], : width * kernel[1]]
    windows = cropped.reshape(len(times), channels, height, kernel[0], width, kernel[1])
    earliest: Array = windows.min(axis=(3, 5))
    return earliest


def _flatten(layer: Layer, times: Array, shape: Shape, t_max: int) -> Array:
    return times


#: By the kind of layer: spike times [N, ...] of its neurons, from the layer, the spike times of its
#: inputs, the shape of its output and t_max.
SPIKE_TIMES: dict[str, Callable[[Any, Array, Shape, int], Array]] = {
    "dense": _dense,
    "conv2d": _conv2d,
    "pool2d": _pool2d,
    "flatten": _flatten,
}
