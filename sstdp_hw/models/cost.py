"""What an inference costs: additions of the network, and the bound on the accelerator's cycles."""

from __future__ import annotations

import numpy as np

from ..blocks.hardware import AcceleratorParameters
from ..network.float_network import FloatNetwork
from ..network.layers import Array, Conv2d, Dense
from ..network.network import Network
from ..reference.events import Inference, arriving_spikes


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
        reached = fan_out(layer, network.shapes[index]).reshape(-1)
        total += (times <= last[:, None]) @ reached
    return total


def fan_out(layer: Dense | Conv2d, shape: tuple[int, ...]) -> Array:
    """Number of neurons that each input of the layer reaches: int64 of the input's shape."""
    if isinstance(layer, Dense):
        return np.full(shape, layer.neurons, np.int64)
    counts = []
    for axis in (0, 1):
        size, kernel = shape[1 + axis], layer.weight.shape[2 + axis]
        stride, padding = layer.stride[axis], layer.padding[axis]
        outputs = (size + 2 * padding - kernel) // stride + 1
        touched = np.zeros(size + 2 * padding, np.int64)
        for position in range(outputs):
            touched[position * stride : position * stride + kernel] += 1
        counts.append(touched[padding : padding + size])
    return np.broadcast_to(np.outer(*counts) * layer.weight.shape[0], shape)


def layer_work(parameters: AcceleratorParameters, inference: Inference) -> Array:
    """Weight words that each layer fetches per image: int64 [N, layers].

    One word a cycle is what the memory gives, so the largest of them bounds the layers' speed.
    """
    network = parameters.network
    last = inference.last_steps()
    if not parameters.configuration.early_exit:
        last = np.full_like(last, network.t_max - 1)
    columns = []
    for (index, _), layer in zip(network.weighted, parameters.layers, strict=True):
        times = arriving_spikes(network, inference, index)
        columns.append((times <= last[:, None]) @ layer.walk_cycles)
    return np.stack(columns, axis=1)


def cycle_bound(parameters: AcceleratorParameters, inference: Inference) -> Array:
    """Fewest cycles that one image keeps this configuration busy: int64 [N].

    The busiest layer at one weight word a cycle, or the input stream at one beat a cycle, whichever
    takes longer. Images overlap in the chain, so a sequence in which different layers are the
    busiest can take less than the sum (docs/cost-model.md).
    """
    busiest = layer_work(parameters, inference).max(axis=1)
    return np.asarray(np.maximum(busiest, parameters.beats))


def efficiency(bound: Array, cycles: Array) -> float:
    """Mean bound over mean measured cycles: 1.0 is one weight word (or one beat) in every cycle."""
    return float(np.mean(bound) / np.mean(cycles))
