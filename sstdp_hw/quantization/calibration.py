"""Finds the scale of a layer that disturbs the spikes of calibration images least."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..network.float_network import FloatNetwork
from ..network.layers import Array, Dense, Layer, WeightedLayer
from ..reference.firing import fire, spike_times
from ..reference.inference import BATCH, classify, encode


class Calibration:
    """Spike times of calibration images, in float throughout and in integers as far as they go.

    Parameters
    ----------
    network : FloatNetwork
    images : uint8 array [N, *input_shape]
        Training images, never test images.
    """

    def __init__(self, network: FloatNetwork, images: Array) -> None:
        self.network = network
        times = encode(network, images)
        self._wanted = [times]
        for index, layer in enumerate(network.layers):
            self._wanted.append(self._run(index, layer, self._wanted[-1]))
        self._reached, self._inputs = 0, times

    def _run(self, index: int, layer: Layer, inputs: Array) -> Array:
        shape = self.network.shapes[index + 1]
        starts = range(0, max(len(inputs), 1), BATCH)
        return np.concatenate([
            spike_times(layer, inputs[start : start + BATCH], shape, self.network.t_max)
            for start in starts
        ])  # fmt: skip

    def best(
        self,
        index: int,
        layers: Sequence[Layer],
        scales: Sequence[float],
        trial: Callable[[float], WeightedLayer],
    ) -> float:
        """The scale with which the fewest spikes of layer ``index`` move.

        A hidden layer minimises the share of its spike times that differ from the float network's.
        The output layer minimises the share of images whose class differs, and among equals the
        share of spike times. The first of equally good scales is taken.

        Parameters
        ----------
        index : int
            A weighted layer; calls come in ascending order.
        layers : sequence of Layer
            All layers; those before ``index`` are in integers already.
        scales : sequence of float
            Candidates, the preferred ones first.
        trial : callable
            Makes the integer layer of a scale.
        """
        while self._reached < index:
            self._inputs = self._run(self._reached, layers[self._reached], self._inputs)
            self._reached += 1
        output = index == len(layers) - 1

        def loss(scale: float) -> tuple[float, float]:
            layer = trial(scale)
            moved = np.mean(self._run(index, layer, self._inputs) != self._wanted[index + 1])
            return self._classes_changed(layer) if output else 0.0, float(moved)

        if output:
            self._wanted_classes = self._classify(layers[index], self._wanted[index])
        return min(scales, key=loss)

    def _classes_changed(self, layer: WeightedLayer) -> float:
        return float(np.mean(self._classify(layer, self._inputs) != self._wanted_classes))

    def _classify(self, layer: Layer, inputs: Array) -> Array:
        assert isinstance(layer, Dense), "the network's own check"
        t_max = self.network.t_max
        return classify(*fire(layer, inputs, t_max), t_max)[0]
