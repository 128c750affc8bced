"""Additions that an inference costs: what a spiking network does instead of multiplying."""

from __future__ import annotations

import numpy as np

from ..network.float_network import FloatNetwork
from ..network.layers import Array
from ..network.network import Network
from .inference import Inference, arriving_spikes


def additions(
    network: Network | FloatNetwork, inference: Inference, *, up_to_decision: bool = True
) -> Array:
    """Additions of synapses per image: int64 [N].

    Every input spike costs one addition per neuron that it reaches, a pixel without any weight
    (`LayerChain.live_inputs`) none; after the decision nothing is added any more, unless
    ``up_to_decision`` is off.
    """
    total = np.zeros(len(inference.classes), np.int64)
    last = inference.last_steps() if up_to_decision else np.full(len(total), network.t_max - 1)
    for index, layer in network.weighted:
        times = arriving_spikes(network, inference, index)
        reached = layer.fan_out(network.shapes[index]).reshape(-1)
        total += (times <= last[:, None]) @ reached
    return total
