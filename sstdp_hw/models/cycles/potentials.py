"""Membrane potentials of a convolution layer, event by event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...blocks.convolution import ConvParameters


@dataclass(frozen=True)
class Walk:
    """What an event reaches.

    Parameters
    ----------
    address : int
        The first word.
    width, count : int
        Words in a row of positions; words altogether.
    pitch : int
        Words from one row to the next.
    candidates : list of int
        Which of them become candidates for the comparison, by their place in the walk.
    """

    address: int
    width: int
    count: int
    pitch: int
    candidates: list[int]

    def word(self, offset: int) -> int:
        return self.address + offset // self.width * self.pitch + offset % self.width


class Potentials:
    """Adds weights as the hardware does, and knows which words are candidates."""

    def __init__(self, parameters: ConvParameters) -> None:
        p = self.p = parameters
        height, width = p.shape[1:]
        channels = p.groups * p.lanes
        ordered = p.layer.weight[:, :, p.rows.order][:, :, :, p.columns.order]
        self.weight = np.zeros((*ordered.shape[1:], channels), np.int64)
        self.weight[..., : p.channels] = ordered.transpose(1, 2, 3, 0)
        self.initial = np.full(channels, -1, np.int64)
        self.initial[: p.channels] = p.initial
        self.v = np.empty((height, width, channels), np.int64)
        self.rests = np.empty(self.v.shape, bool)  # has fired, or has no neuron
        self.listed = np.empty((height, width, p.groups), bool)
        self.pitch = width * p.groups
        channel, y, x = (part.tolist() for part in p.coordinates)
        self.places = list(zip(channel, y, x, strict=True))
        self.axes = [
            list(
                zip(*(part.tolist() for part in (axis.first, axis.count, axis.place)), strict=True)
            )
            for axis in (p.rows, p.columns)
        ]

    def begin(self) -> None:
        """The next image."""
        self.v[:] = self.initial
        self.rests[:] = np.arange(self.v.shape[2]) >= self.p.channels
        self.listed[:] = False

    def add(self, index: int) -> Walk | None:
        """One event; None if it reaches nothing."""
        channel, y, x = self.places[index]
        row, rows, weight_row = self.axes[0][y]
        column, columns, weight_column = self.axes[1][x]
        if not rows or not columns:
            return None
        here = slice(row, row + rows), slice(column, column + columns)
        v = self.v[here]
        v += self.weight[
            channel, weight_row : weight_row + rows, weight_column : weight_column + columns
        ]
        groups = self.p.groups
        over = (v >= 0) > self.rests[here]
        above = np.any(over.reshape(rows, columns, groups, -1), axis=-1)
        listed = self.listed[here]
        candidates: list[int] = np.flatnonzero(above > listed).tolist()
        listed |= above
        address = row * self.pitch + column * groups
        width = columns * groups
        return Walk(address, width, rows * width, self.pitch, candidates)

    def compare(self, word: int) -> None:
        """Those above threshold in a word fire."""
        position, group = divmod(word, self.p.groups)
        y, x = divmod(position, self.v.shape[1])
        lanes = slice(group * self.p.lanes, (group + 1) * self.p.lanes)
        self.rests[y, x, lanes] |= self.v[y, x, lanes] >= 0
        self.listed[y, x, group] = False

    def compare_all(self) -> None:
        """The same for all words."""
        self.rests |= self.v >= 0
        self.listed[:] = False
