"""Potentials of a layer on the sequential engine, spike by spike, and what it lists."""

from __future__ import annotations

import numpy as np

from ...blocks.sequential.layer import SequentialLayer
from ...network.layers import Array

#: Channel, y and x of an input.
Spike = tuple[int, int, int]


class LayerState:
    """Adds weights as the engine does, and knows which words are candidates, in which order.

    Parameters
    ----------
    parameters : SequentialLayer

    Attributes
    ----------
    candidates : list of int
        Words in which somebody was above threshold in the present step.
    listed : list of int, and of list of `Spike`
        What the layer sends: a step, and the groups that fire in it, lane by lane.
    """

    def __init__(self, parameters: SequentialLayer) -> None:
        p = self.p = parameters
        _, height, width = p.shape
        rows, columns = p.kernel
        weights = p.weight_words().reshape(p.groups, rows, columns, p.arriving[0], p.lanes)
        self.weight = np.ascontiguousarray(weights.transpose(1, 2, 3, 0, 4))
        initial = np.full(p.groups * p.lanes, -1, np.int64)
        initial[: p.channels] = p.initial
        self.initial = initial.reshape(p.groups, p.lanes)
        self.idle = np.arange(p.groups * p.lanes).reshape(p.groups, p.lanes) >= p.channels
        self.v = np.empty((height, width, p.groups, p.lanes), np.int64)
        self.rests = np.empty(self.v.shape, bool)  # has fired, or has no neuron
        self.waiting = np.empty(self.v.shape[:3], bool)  # is a candidate
        self.axes = [list(zip(*p.axis(number), strict=True)) for number in (0, 1)]
        self.windows = [p.window(number)[0] for number in (0, 1)]
        self.passed = np.empty((p.sends[1], p.sends[2], p.groups, p.lanes), bool)
        self.addresses = np.arange(p.words).reshape(self.waiting.shape)
        self.candidates: list[int] = []
        self.listed: list[int | list[Spike]] = []
        self.places: list[Spike] = []
        if p.entry is not None:
            parts = (part.tolist() for part in p.entry.coordinates)
            self.places = list(zip(*parts, strict=True))

    @property
    def words(self) -> int:
        return self.p.words

    def begin(self) -> int:
        """The next image; returns the number of words that are given their initial potentials."""
        self.v[:], self.rests[:] = self.initial, self.idle
        self.passed[:] = False
        self.listed = []
        above = np.any((self.v >= 0) & ~self.rests, axis=-1)
        self.waiting[:] = above
        self.candidates = np.flatnonzero(above).tolist()
        return self.words

    def spike(self, index: int) -> Spike:
        """What an event of the input stands for."""
        return self.places[index] if self.places else (index, 0, 0)

    def add(self, spike: Spike) -> list[int]:
        """One spike; returns the words that it reaches, in order."""
        channel, y, x = spike
        row, rows, weight_row = self.axes[0][y]
        column, columns, weight_column = self.axes[1][x]
        if not rows or not columns:
            return []
        here = slice(row, row + rows), slice(column, column + columns)
        v = self.v[here]
        v += self.weight[
            weight_row : weight_row + rows, weight_column : weight_column + columns, channel
        ]
        above = np.any((v >= 0) > self.rests[here], axis=-1)
        waiting, addresses = self.waiting[here], self.addresses[here]
        self.candidates += addresses[above > waiting].tolist()
        waiting |= above
        found: list[int] = addresses.reshape(-1).tolist()
        return found

    def compare(self, step: int) -> None:
        """Candidates that still are above threshold fire, and are listed as far as the pooling
        layers behind let them pass."""
        self.listed.append(step)
        groups, lanes, first = self.p.groups, self.p.lanes, self.p.first_group
        for word in self.candidates:
            position, group = divmod(word, groups)
            y, x = divmod(position, self.v.shape[1])
            fires = (self.v[y, x, group] >= 0) & ~self.rests[y, x, group]
            self.rests[y, x, group] |= fires
            self.waiting[y, x, group] = False
            to_y, to_x = self.windows[0][y], self.windows[1][x]
            if to_y < 0 or to_x < 0:
                continue
            passed = self.passed[to_y, to_x, group]
            found = np.flatnonzero(fires & ~passed).tolist()
            passed |= fires
            if found:
                base = (first + group) * lanes
                self.listed.append([(base + lane, to_y, to_x) for lane in found])
        self.candidates = []

    def fire(self) -> Array:
        """All words are compared; who fires: bool [words, lanes]."""
        fires: Array = (self.v >= 0) & ~self.rests
        self.rests |= fires
        self.waiting[:] = False
        self.candidates = []
        return fires.reshape(self.words, -1)
