"""The bound on the accelerator's cycles: the work of its busiest layer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..blocks.hardware import AcceleratorParameters, WeightedBlock
from ..network.layers import Array
from ..reference.inference import Inference, arriving_spikes


def arrivals(
    parameters: AcceleratorParameters, inference: Inference
) -> Iterator[tuple[int, WeightedBlock, Array]]:
    """The events that each weighted layer works on, in order: its number in the network, its block,
    and which inputs sent one in which image, bool [N, inputs]."""
    network = parameters.network
    last = inference.last_steps()
    every = np.full_like(last, network.t_max - 1)
    for (index, _), layer in zip(network.weighted, parameters.layers, strict=True):
        times = arriving_spikes(network, inference, index, parameters.live_inputs)
        # In a sequential architecture a decision spares only work of the output layer.
        exits = layer.output or not parameters.configuration.sequential
        upto = last if parameters.configuration.early_exit and exits else every
        yield index, layer, times <= upto[:, None]


def layer_work(parameters: AcceleratorParameters, inference: Inference) -> Array:
    """Weight words that each layer fetches per image: int64 [N, layers].

    One word a cycle is what the memory gives, so the largest of them bounds the layers' speed.
    """
    columns = [arrived @ layer.walk_cycles for _, layer, arrived in arrivals(parameters, inference)]
    return np.stack(columns, axis=1)


def cycle_bound(parameters: AcceleratorParameters, inference: Inference) -> Array:
    """Fewest cycles that one image keeps this configuration busy: int64 [N].

    The busiest layer at one weight word a cycle, or the input stream at one beat a cycle, whichever
    takes longer: also behind a decision the packet has to be read to its end. Images overlap in the
    chain, so a sequence in which different layers are the busiest can take less than the sum
    (docs/cost-model.md). In a sequential architecture one engine has the work of all layers; all
    weights from an external memory are fetched for every image, or batch of images, a beat a cycle.
    """
    work = layer_work(parameters, inference)
    busiest = work.sum(axis=1) if parameters.configuration.sequential else work.max(axis=1)
    if parameters.store.external:
        tiled = parameters.tiled
        busiest = np.maximum(busiest, -(-tiled.plan.fetched_beats // tiled.batch))
    return np.asarray(np.maximum(busiest, parameters.input.beats_of(inference.spike_times[0])))


def efficiency(bound: Array, cycles: Array) -> float:
    """Mean bound over mean measured cycles: 1.0 is one weight word (or one beat) in every cycle."""
    return float(np.mean(bound) / np.mean(cycles))
