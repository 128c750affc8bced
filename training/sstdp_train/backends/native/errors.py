"""What the rule does to a row of errors before they are summed, compiled by numba."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from sstdp_hw.network.layers import Array

from ...rule.layer_rule import LayerRule
from .arrays import array_of
from .compiled import njit


class Rules(NamedTuple):
    """The rules of all layers, as compiled code takes them.

    Members
    -------
    t_max : int
    triangle, normalize, wake_silent : bool
        The same in all layers; see `LayerRule`.
    units : float32 [layers]
    gated : bool [layers]
        Which layers have a gate.
    reach, push : float32 [thresholds of all layers]
        0 for layers that have none.
    """

    t_max: Any
    triangle: Any
    normalize: Any
    wake_silent: Any
    units: Any
    gated: Any
    reach: Any
    push: Any

    @classmethod
    def of(
        cls, rules: Sequence[LayerRule], reaches: Sequence[Tensor | None],
        pushes: Sequence[Tensor | None], first: Array,
    ) -> Rules:  # fmt: skip
        """``first`` says where the thresholds of each layer begin; see `NetworkPass.send_back`."""
        return cls(
            t_max=rules[0].t_max,
            triangle=rules[0].gate_shape == "triangle",
            normalize=rules[0].normalize_error,
            wake_silent=rules[0].wake_silent,
            units=np.array([rule.unit for rule in rules], np.float32),
            gated=np.array([rule.gate > 0 for rule in rules]),
            reach=_side_by_side(reaches, first),
            push=_side_by_side(pushes, first),
        )


def _side_by_side(of_layers: Sequence[Tensor | None], first: Array) -> Array:
    row = np.zeros(first[-1], np.float32)
    for layer, numbers in enumerate(of_layers):
        if numbers is not None:
            row[first[layer] : first[layer + 1]] = array_of(numbers)
    return row


@njit(cache=True, nogil=True, error_model="numpy")
def gate_errors(error: Any, excess: Any, unit: Any, reach: Any, triangle: bool) -> None:
    """Keep of errors what the gate lets through; it closes at ``reach`` [neurons]. They may be of
    several positions of these neurons."""
    neurons = reach.shape[0]
    for at in range(0, error.shape[0], neurons):
        for j in range(neurons):
            distance = abs(excess[at + j] * unit) / reach[j]
            share = np.float32(1) - distance
            # At a threshold of 0 a distance may be 0/0, which is not below 1 either.
            passing = share if share > 0 else np.float32(0)
            error[at + j] *= passing if triangle else np.float32(distance < 1)


@njit(cache=True, nogil=True, error_model="numpy")
def normalize_errors(error: Any, batch: int) -> None:
    """Scale errors to Euclidean length 1, and to the share of one sample of the batch."""
    total = np.float64(0)  # in order, so that it is the same whatever a vector instruction holds
    for j in range(error.shape[0]):
        total += np.float64(error[j]) * np.float64(error[j])
    length = (np.float32(np.sqrt(total)) + np.float32(1e-10)) * np.float32(batch)
    for j in range(error.shape[0]):
        error[j] /= length


@njit(cache=True, nogil=True)
def select_late(chosen: Any, error: Any, spike_times: Any, step: Any) -> None:
    """The errors of the neurons that had not fired before ``step``, 0 for the others."""
    for j in range(chosen.shape[0]):
        chosen[j] = error[j] if spike_times[j] >= step else np.float32(0)
