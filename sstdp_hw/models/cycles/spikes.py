"""The spikes of each image, sorted as the hardware meets them: by step and group, or by step and
list."""

from __future__ import annotations

import numpy as np

from ...blocks.dense import DenseParameters
from ...blocks.hardware import AcceleratorParameters
from ...blocks.inputs import PixelInput
from ...reference.inference import Inference, sent_spikes

#: For each step with spikes: the step, and how many there are in each list.
ListCounts = list[tuple[int, list[int]]]
#: For each step with spikes: indices of the events of each list, in the order in which they come.
ListIndices = dict[int, list[list[int]]]
#: For each step with spikes: groups in which neurons fire, and how many in each of its pieces.
GroupCounts = dict[int, list[tuple[int, list[int]]]]


def list_counts(pixels: PixelInput, t_max: int, inference: Inference) -> list[ListCounts]:
    """Spikes of the encoder per image, step and lane of the beat."""
    times = sent_spikes(pixels.network, inference, 0, pixels.store.live_inputs(pixels.network))
    inputs = pixels.inputs
    lanes = np.empty(times.shape[1], np.int64)
    lanes[inputs[inputs >= 0]] = np.nonzero(inputs >= 0)[1]
    image, pixel = np.nonzero(times < t_max)
    shape = (len(times), t_max, pixels.lanes)
    keys = np.ravel_multi_index((image, times[image, pixel], lanes[pixel]), shape)
    counts = np.bincount(keys, minlength=int(np.prod(shape))).reshape(shape)
    found: list[ListCounts] = [[] for _ in range(len(times))]
    image, step = np.nonzero(counts.any(axis=2))
    rows = counts[image, step].tolist()
    for number, at, row in zip(image.tolist(), step.tolist(), rows, strict=True):
        found[number].append((at, row))
    return found


def list_indices(pixels: PixelInput, t_max: int, inference: Inference) -> list[ListIndices]:
    """Events of the encoder per image, step and lane of the beat.

    A list gives back last what it was given first.
    """
    times = sent_spikes(pixels.network, inference, 0, pixels.store.live_inputs(pixels.network))
    order = np.flatnonzero(pixels.order >= 0)[::-1]
    times, lanes = times[:, pixels.order[order]], order % pixels.stride
    found: list[ListIndices] = [{} for _ in range(len(times))]
    image, place = np.nonzero(times < t_max)
    columns = image, times[image, place], lanes[place], order[place]
    for number, step, lane, index in zip(*(part.tolist() for part in columns), strict=True):
        lists = found[number].setdefault(step, [[] for _ in range(pixels.lanes)])
        lists[lane].append(index)
    return found


def group_counts(
    parameters: AcceleratorParameters, layer: DenseParameters, inference: Inference, place: int
) -> list[GroupCounts]:
    """Spikes of a layer per image, step, group and piece of the group."""
    times = sent_spikes(parameters.network, inference, place)
    neuron = np.arange(layer.neurons)
    group, lane = neuron // layer.lanes, neuron % layer.lanes
    piece = lane // layer.piece
    image, fired = np.nonzero(times < parameters.t_max)
    pieces = -(-layer.lanes // layer.piece)
    shape = (len(times), parameters.t_max, layer.groups, pieces)
    keys = np.ravel_multi_index((image, times[image, fired], group[fired], piece[fired]), shape)
    keys, counts = np.unique(keys, return_counts=True)
    found: list[GroupCounts] = [{} for _ in range(len(times))]
    columns = [column.tolist() for column in (*np.unravel_index(keys, shape)[:3], counts)]
    for number, step, index, count in zip(*columns, strict=True):
        groups = found[number].setdefault(step, [])
        if groups and groups[-1][0] == index:
            groups[-1][1].append(count)
        else:
            groups.append((index, [count]))
    return found


def chunk(inference: Inference, first: int, count: int) -> Inference:
    """``count`` images of a batch."""
    part = slice(first, first + count)
    return Inference(
        inference.classes[part],
        inference.decision_times[part],
        inference.silent[part],
        inference.margins[part],
        tuple(times[part] for times in inference.spike_times),
    )
