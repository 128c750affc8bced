"""The integer reference: what the hardware must do, spike for spike (docs/arithmetic.md).

One matrix product per occupied time step. Sums of integers are exact in floating point as long as
they stay below the mantissa, so the products run in float32 or float64, whichever the bound on the
membrane potential allows; a float network is evaluated by the same code in float64.
`reference_plain` holds the same rules as plain loops and checks this module in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.errors import UserError
from ..network.float_network import FloatNetwork
from ..network.layers import Array, Conv2d, Dense, Flatten, Layer, Pool2d, Shape
from ..network.network import Network

BATCH = 256
WINDOW_CELLS = 1 << 18  # spike times in the windows of a convolution that are looked at together


@dataclass(frozen=True, eq=False)
class Inference:
    """What the reference says about a batch of N images.

    Parameters
    ----------
    classes : int array [N]
    decision_times : uint8 array [N]
        ``t_max`` where every output neuron stayed silent.
    silent : bool array [N]
    margins : int64 (float64 for a float network) array [N, classes]
        ``V - theta`` of the output neurons at the decision time (at ``t_max - 1`` if silent).
    spike_times : tuple of uint8 arrays
        ``spike_times[0]`` is the encoded input [N, channels, height, width], ``spike_times[n + 1]``
        the output of layer n, all of them complete (as without early exit).
    """

    classes: Array
    decision_times: Array
    silent: Array
    margins: Array
    spike_times: tuple[Array, ...]

    def accuracy(self, labels: Array) -> float:
        """Share of images whose class by rule 6 is the label, on all images."""
        return float(np.mean(self.classes == labels))

    def accuracy_ties_counted(self, labels: Array) -> float:
        """The laxer figure of the SSTDP paper's script: a tie for the first spike is correct."""
        rows = np.arange(len(labels))
        tied = self.spike_times[-1][rows, labels] == self.decision_times
        return float(np.mean(np.where(self.silent, self.classes == labels, tied)))

    def only(self, chosen: slice) -> Inference:
        """The same of some of the images."""
        return Inference(
            self.classes[chosen], self.decision_times[chosen], self.silent[chosen],
            self.margins[chosen], tuple(times[chosen] for times in self.spike_times),
        )  # fmt: skip

    def last_steps(self) -> Array:
        """The last step that matters per image: the decision's, or the last of all if silent."""
        return self.decision_times - self.silent.astype(np.uint8)


def flattened(times: Array) -> Array:
    """Spike times as [N, neurons]; N may be 0."""
    return times.reshape(len(times), int(np.prod(times.shape[1:])))


def sent_spikes(network: Network | FloatNetwork, inference: Inference, place: int) -> Array:
    """Spike times [N, neurons] of ``inference.spike_times[place]`` as far as they are worth a
    message: silent are also the pixels that no neuron has a weight for
    (`LayerChain.live_inputs`).
    """
    times = flattened(inference.spike_times[place])
    return times if place else np.where(network.live_inputs, times, np.uint8(network.t_max))


def arriving_spikes(network: Network | FloatNetwork, inference: Inference, index: int) -> Array:
    """Spike times [N, inputs] of what reaches layer ``index``; see `sent_spikes`."""
    only_flat = all(isinstance(layer, Flatten) for layer in network.layers[:index])
    return sent_spikes(network, inference, 0 if only_flat else index)


def check_images(network: Network | FloatNetwork, images: Array) -> Array:
    """Return images as uint8 [N, *input_shape]; [N, H, W] is taken as one channel.

    Raises
    ------
    UserError
        If type or shape do not fit the network.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise UserError(f"Images must be uint8, not {images.dtype}")
    if images.ndim == 3:
        images = images[:, None]
    if images.shape[1:] != tuple(network.input_shape):
        raise UserError(
            f"Images must have the network's input shape {list(network.input_shape)}, "
            f"not {list(images.shape[1:])}{shape_hint(network, images)}"
        )
    return images


def shape_hint(network: Network | FloatNetwork, images: Array) -> str:
    """What would make images of another shape fit, if that is easily told."""
    channels, height, width = network.input_shape
    found = images.shape[1:]
    if found == (height, width, channels):
        return "; channels come first: images.transpose(0, 3, 1, 2)"
    if found != network.input_shape and math.prod(found) == network.inputs:
        return f"; they have as many pixels: images.reshape(-1, {channels}, {height}, {width})"
    return ""


def run(
    network: Network | FloatNetwork,
    images: Array,
    *,
    present: Array | None = None,
    progress: Callable[[int], None] | None = None,
) -> Inference:
    """Run every image through the network.

    Parameters
    ----------
    network : Network or FloatNetwork
    images : uint8 array [N, *input_shape] or [N, H, W]
    present : bool array [N, *input_shape], optional
        Pixels that are there; the others never fire, as in a packet that ends early.
    progress : callable, optional
        Called with the number of images done since the last call.

    Raises
    ------
    UserError
        If the images do not fit the network.
    """
    images = check_images(network, images)
    batches = []
    for start in range(0, max(len(images), 1), BATCH):
        part = slice(start, start + BATCH)
        there = None if present is None else present[part]
        batches.append(_run_batch(network, images[part], there))
        if progress:
            progress(len(batches[-1].classes))
    return Inference(
        np.concatenate([batch.classes for batch in batches]),
        np.concatenate([batch.decision_times for batch in batches]),
        np.concatenate([batch.silent for batch in batches]),
        np.concatenate([batch.margins for batch in batches]),
        tuple(
            np.concatenate(parts)
            for parts in zip(*(batch.spike_times for batch in batches), strict=True)
        ),
    )


def _run_batch(network: Network | FloatNetwork, images: Array, present: Array | None) -> Inference:
    t_max = network.t_max
    times = [network.encoder[images]]
    if present is not None:
        times[0] = np.where(present, times[0], np.uint8(t_max))
    for layer, shape in zip(network.layers[:-1], network.shapes[1:-1], strict=True):
        times.append(spike_times(layer, times[-1], shape, t_max))
    output = network.layers[-1]
    assert isinstance(output, Dense), "the network's own check"
    last, margins = fire(output, times[-1], t_max, margins_at_first_spike=True)
    times.append(last)
    return Inference(*classify(last, margins, t_max), margins, tuple(times))


def spike_times(layer: Layer, inputs: Array, shape: Shape, t_max: int) -> Array:
    """Spike times [N, *shape] of one layer from those of its inputs."""
    if isinstance(layer, Conv2d | Dense):
        inputs = fire(layer, inputs, t_max)[0]
    elif isinstance(layer, Pool2d):
        inputs = _pool(inputs, layer.kernel, shape)
    return inputs.reshape(len(inputs), *shape)


def classify(times: Array, margins: Array, t_max: int) -> tuple[Array, Array, Array]:
    """Rule 6: classes, decision times and silent flags from the output layer's `fire`."""
    decision_times = times.min(axis=1)
    silent = decision_times == t_max
    candidates = (times == decision_times[:, None]) | silent[:, None]
    lowest = np.iinfo(np.int64).min if margins.dtype == np.int64 else -np.inf
    classes = np.argmax(np.where(candidates, margins, lowest), axis=1)  # first of equal ones
    return classes, decision_times, silent


def fire(
    layer: Dense | Conv2d, inputs: Array, t_max: int, *, margins_at_first_spike: bool = False
) -> tuple[Array, Array]:
    """Spike times of a weighted layer; if asked for, V - theta at each image's first spike in it.

    An image without a spike gets the margins of the last step. Only a dense layer has margins.
    """
    if isinstance(layer, Conv2d):
        assert not margins_at_first_spike, "a network ends with a dense layer"
        return _fire_windows(layer, inputs, t_max), np.zeros(0)
    return _fire_rows(layer, flattened(inputs), t_max, margins_at_first_spike)


def _fire_windows(layer: Conv2d, inputs: Array, t_max: int) -> Array:
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
    """Spike times [rows, neurons] from those of the inputs [rows, fan-in]; and margins as `fire`
    says."""
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


def _pool(times: Array, kernel: tuple[int, int], shape: Shape) -> Array:
    """Earliest spike of every window; rows and columns that fill no window are dropped."""
    channels, height, width = shape
    cropped = times[:, :, : height * kernel[0], : width * kernel[1]]
    windows = cropped.reshape(len(times), channels, height, kernel[0], width, kernel[1])
    earliest: Array = windows.min(axis=(3, 5))
    return earliest
