"""The integer reference: what the hardware must do, spike for spike (docs/arithmetic.md).

`run` takes pixels, or spike times where a network's input is spikes, `encode` makes spike times of
them, `infer` goes on from there. When the neurons
of a layer fire stands in `firing`. `plain` holds the same rules as plain loops and checks this
module in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

from ..base.errors import UserError
from ..network.chain import INPUT_NAMES, PIXELS, SPIKES
from ..network.float_network import FloatNetwork
from ..network.layers import Array, Dense
from ..network.network import Network
from .firing import fire, flattened, spike_times

BATCH = 256


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


def sent_places(network: Network | FloatNetwork) -> dict[str, int]:
    """Where in ``Inference.spike_times`` the input's spikes and those of every weighted layer
    stand, by name, in order: the spikes that travel as messages, and that the probes show."""
    layers = {f"layers.{index}": index + 1 for index, _ in network.weighted}
    return {"input": 0} | layers


def sent_spikes(
    network: Network | FloatNetwork, inference: Inference, place: int, live: Array | None = None
) -> Array:
    """Spike times [N, neurons] of ``inference.spike_times[place]`` as far as they are worth a
    message: silent are also the inputs that are not ``live``, bool [inputs]; by default those that
    no neuron has a weight for (`LayerChain.live_inputs`).
    """
    times = flattened(inference.spike_times[place])
    if place:
        return times
    return np.where(network.live_inputs if live is None else live, times, np.uint8(network.t_max))


def arriving_spikes(
    network: Network | FloatNetwork, inference: Inference, index: int, live: Array | None = None
) -> Array:
    """Spike times [N, inputs] of what reaches layer ``index``; see `sent_spikes`."""
    return sent_spikes(network, inference, 0 if network.takes_pixels(index) else index, live)


def check_images(network: Network | FloatNetwork, images: Array) -> Array:
    """Return images, or spike times, as uint8 [N, *input_shape]; [N, H, W] is taken as one channel.

    Raises
    ------
    UserError
        If type or shape do not fit the network, or a spike time exceeds its ``t_max``.
    """
    images, name = np.asarray(images), INPUT_NAMES[network.input_kind].capitalize()
    if images.dtype != np.uint8:
        raise UserError(f"{name} must be uint8, not {images.dtype}")
    if images.ndim == 3:
        images = images[:, None]
    if images.shape[1:] != tuple(network.input_shape):
        raise UserError(
            f"{name} must have the network's input shape {list(network.input_shape)}, "
            f"not {list(images.shape[1:])}{shape_hint(network, images)}"
        )
    if network.input_kind == SPIKES and images.size and images.max() > network.t_max:
        raise UserError(
            f"{name} must not exceed the network's t_max {network.t_max}, which is silent, "
            f"not {images.max()}"
        )
    return images


def shape_hint(network: Network | FloatNetwork, images: Array) -> str:
    """What would make images of another shape fit, if that is easily told."""
    channels, height, width = network.input_shape
    found = images.shape[1:]
    if found == (height, width, channels):
        return "; channels come first: images.transpose(0, 3, 1, 2)"
    if found != network.input_shape and math.prod(found) == network.pixels:
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
        Pixels, or spike times, as the network's input is.
    present : bool array [N, *input_shape], optional
        Pixels that are there; the others never fire, as in a packet that ends early.
    progress : callable, optional
        Called with the number of images done since the last call.

    Raises
    ------
    UserError
        If the images do not fit the network.
    """
    return infer(network, encode(network, images, present=present), progress=progress)


def encode(
    network: Network | FloatNetwork, images: Array, *, present: Array | None = None
) -> Array:
    """Spike times of the input, uint8 [N, *shapes[0]]; arguments and errors as of `run`."""
    images = check_images(network, images)
    times = ENCODED[network.input_kind](network, images)
    if present is not None:
        times = np.where(present[:, :, None], times, np.uint8(network.t_max))
    return times.reshape(len(images), *network.shapes[0])


def _of_pixels(network: Network | FloatNetwork, images: Array) -> Array:
    return np.stack([table[images] for table in network.tables], axis=2)


def _of_spikes(network: Network | FloatNetwork, times: Array) -> Array:
    return times[:, :, None]


#: By the kind of a network's input: its spike times, uint8 [N, channels, planes, height, width].
ENCODED: dict[str, Callable[[Network | FloatNetwork, Array], Array]] = {
    PIXELS: _of_pixels,
    SPIKES: _of_spikes,
}


def infer(
    network: Network | FloatNetwork,
    times: Array,
    *,
    progress: Callable[[int], None] | None = None,
) -> Inference:
    """Run the input's spike times, uint8 [N, *shapes[0]], through all layers."""
    batches = []
    with _multiplication().limit(limits=1):
        for start in range(0, max(len(times), 1), BATCH):
            batches.append(_infer_batch(network, times[start : start + BATCH]))
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


@cache
def _multiplication() -> ThreadpoolController:
    """numpy's library for products of matrices. Ours are small, and beside other work its threads
    wait for each other in busy loops: ten times the time of one thread."""
    return ThreadpoolController().select(user_api="blas")


def _infer_batch(network: Network | FloatNetwork, inputs: Array) -> Inference:
    t_max, times = network.t_max, [inputs]
    for layer, shape in zip(network.layers[:-1], network.shapes[1:-1], strict=True):
        times.append(spike_times(layer, times[-1], shape, t_max))
    output = network.layers[-1]
    assert isinstance(output, Dense), "the network's own check"
    last, margins = fire(output, times[-1], t_max)
    times.append(last)
    return Inference(*classify(last, margins, t_max), margins, tuple(times))


def classify(times: Array, margins: Array, t_max: int) -> tuple[Array, Array, Array]:
    """Rule 6: classes, decision times and silent flags from the output layer's `fire`."""
    decision_times = times.min(axis=1)
    silent = decision_times == t_max
    candidates = (times == decision_times[:, None]) | silent[:, None]
    lowest = np.iinfo(np.int64).min if margins.dtype == np.int64 else -np.inf
    classes = np.argmax(np.where(candidates, margins, lowest), axis=1)  # first of equal ones
    return classes, decision_times, silent
