"""Images that show a flipped bit: found among many, searched for step by step, or made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.network.layers import Array, Dense
from sstdp_hw.network.network import Network
from sstdp_hw.reference.inference import Inference, arriving_spikes, run

from ..comparison.mutation import Mutation, changed_network
from ..stress.stimulus import random_images
from .numbers import made_witness

_POOL = 2000  # random images to look among
_CROSSINGS = 8  # images with one that is taken back
_ROUNDS = 30  # of a search
_PARENTS, _CHILDREN = 40, 600  # of a round: images that come closest, and changed copies of them


def with_witnesses(
    directory: GeneratedDirectory, images: Array, flips: Sequence[Mutation], seed: int
) -> Array:
    """The images, and behind them those that show the flipped bits, as far as any are found, and
    some with a crossing of an output neuron's threshold that is `_taken_back`.

    Parameters
    ----------
    directory : GeneratedDirectory
    images : uint8 array [N, *input_shape]
    flips : sequence of Mutation
    seed : int
    """
    random = np.random.default_rng(seed)
    network = directory.network
    pool = np.concatenate([images, random_images(network, random, _POOL)])
    inference = run(network, pool)
    found = [pool[number] for number in _taken_back(network, inference)[:_CROSSINGS]]
    for flip in flips:
        found += _witnesses(directory, flip, pool, inference, random)
    return np.concatenate([images, *(image[None] for image in found)]).astype(np.uint8)


def _taken_back(network: Network, inference: Inference) -> Array:
    """Numbers of images in which, up to the decision, an output neuron is above its threshold after
    some spikes of a step, in the order of neurons, and nobody is at its end."""
    index, layer = network.weighted[-1]
    weight = layer.weight.reshape(len(layer.weight), -1).astype(np.int64)
    threshold = layer.threshold.astype(np.int64)
    times, last = arriving_spikes(network, inference, index), inference.last_steps()
    potential = np.zeros((len(times), len(weight)), np.int64)
    found = np.zeros(len(times), bool)
    for step in range(network.t_max):
        crossed = np.zeros(len(times), bool)
        for source in range(weight.shape[1]):
            potential += (times[:, source] == step)[:, None] * weight[:, source]
            crossed |= (potential > threshold).any(axis=1)
        found |= crossed & ~(potential > threshold).any(axis=1) & (step <= last)
    return np.flatnonzero(found)


def _witnesses(
    directory: GeneratedDirectory,
    flip: Mutation,
    pool: Array,
    inference: Inference,
    random: np.random.Generator,
) -> list[Array]:
    """Images that show the flip: in the answer, if there are any, else in a spike before it."""
    network, changed = directory.network, changed_network(directory, flip)
    theirs = run(changed, pool)
    answers = np.flatnonzero(_answers_differ(inference, theirs))
    if len(answers):
        return [pool[answers[0]]]
    spikes = np.flatnonzero(_spikes_differ(inference, theirs))
    found = [pool[place] for place in spikes[:1]]
    image = made_witness(directory, flip)
    if image is not None:
        found.append(image)
        pool = np.concatenate([pool, image[None]])
        inference, theirs = run(network, pool), run(changed, pool)
    image = _searched(_Pair(directory, flip, network, changed), pool, inference, theirs, random)
    return found if image is None else [*found, image]


@dataclass(frozen=True)
class _Pair:
    """A flipped bit, and the networks without and with it."""

    directory: GeneratedDirectory
    flip: Mutation
    network: Network
    changed: Network


def _searched(
    pair: _Pair, pool: Array, ours: Inference, theirs: Inference, random: np.random.Generator
) -> Array | None:
    """An image that the network with the flip answers differently, approached in many small steps:
    those images go on in which the changed neuron comes closest to mattering."""
    donors, images = pool, pool
    for _ in range(_ROUNDS):
        differ = np.flatnonzero(_answers_differ(ours, theirs))
        if len(differ):
            return np.array(images[differ[0]])
        nearest = np.argsort(_distance(pair, ours, theirs, random), kind="stable")[:_PARENTS]
        parents = images[nearest]
        children = parents[random.integers(len(parents), size=_CHILDREN)].reshape(_CHILDREN, -1)
        others = donors[random.integers(len(donors), size=_CHILDREN)].reshape(_CHILDREN, -1)
        share = random.choice([0.02, 0.05, 0.15, 0.4], (_CHILDREN, 1))
        taken = random.random(children.shape) < share
        taken[np.arange(_CHILDREN), random.integers(children.shape[1], size=_CHILDREN)] = True
        children = np.where(taken, others, children).reshape(_CHILDREN, *pool.shape[1:])
        images = np.concatenate([parents, children])
        ours, theirs = run(pair.network, images), run(pair.changed, images)
    return None


def _answers_differ(ours: Inference, theirs: Inference) -> Array:
    differ: Array = (ours.classes != theirs.classes) | (
        ours.decision_times != theirs.decision_times
    )
    return differ


def _spikes_differ(ours: Inference, theirs: Inference) -> Array:
    """How many spikes up to the decision differ in each image."""
    last = ours.last_steps()[:, None]
    count: Array = np.zeros(len(last), np.int64)
    for mine, other in zip(ours.spike_times[1:], theirs.spike_times[1:], strict=True):
        mine, other = mine.reshape(len(last), -1), other.reshape(len(last), -1)
        count += ((mine != other) & (np.minimum(mine, other) <= last)).sum(axis=1)
    return count


def _distance(
    pair: _Pair, ours: Inference, theirs: Inference, random: np.random.Generator
) -> Array:
    """How far each image is from an answer that the flip changes; the smaller the nearer.

    First the changed number must be in use before the decision, then its neuron near its threshold;
    in the output layer near the winner. Different spikes are nearer still, the more the better, and
    there the two best output neurons should be close to each other.
    """
    differ = _spikes_differ(ours, theirs)
    ordered = np.sort(ours.margins, axis=1)
    contest = ordered[:, -1] - ordered[:, -2] if ordered.shape[1] > 1 else np.abs(ordered[:, 0])
    near = -1.0 / (1 + contest) - differ
    distance: Array
    index = int(pair.flip.layer.partition(".")[2])
    layer = pair.network.layers[index]
    if not isinstance(layer, Dense):
        distance = np.where(differ > 0, near, random.random(len(differ)))
        return distance
    times = arriving_spikes(pair.network, ours, index)
    last = ours.last_steps()
    neuron = pair.flip.neuron
    first = times[:, pair.flip.input] if pair.flip.input >= 0 else np.zeros(len(times), np.uint8)
    steps = np.arange(pair.network.t_max)
    potential = (times[:, :, None] <= steps) * layer.weight[neuron].astype(np.int64)[:, None]
    gap = np.abs(potential.sum(axis=1) - int(layer.threshold[neuron]))
    usable = (steps >= first[:, None]) & (steps <= last[:, None])
    threshold = np.where(usable, gap, 1 << 30).min(axis=1)
    if index == len(pair.network.layers) - 1:
        winner = ours.margins.max(axis=1) - ours.margins[:, neuron]
        rivals = np.where(winner == 0, contest, winner)
        distance = np.where(usable.any(axis=1), np.minimum(threshold, rivals), 1 << 30)
        return distance
    # Not in use yet: as near as its input's spike is to the decision.
    late = 1e6 + np.maximum(0, first.astype(int) - last)
    distance = np.where(differ > 0, near, np.where(usable.any(axis=1), threshold, late))
    return distance
