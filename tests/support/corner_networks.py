"""Networks of extreme shapes, those of `sstdp_hw.cases`, and packets for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sstdp_hw.cases.dense import Case
from sstdp_hw.cases.extreme import corner_case
from sstdp_hw.network.layers import Array

from .simulation import beats_of

__all__ = ["Traffic", "corner_case", "traffic_of"]


@dataclass(frozen=True, eq=False)
class Traffic:
    """Packets of a case, some of a wrong length.

    Parameters
    ----------
    packets : list of list of int
        Beats.
    present : bool [N, *input_shape]
        Pixels that are sent.
    errors : bool [N]
        The packet's length is wrong.
    """

    packets: list[list[int]]
    present: Array
    errors: Array


def traffic_of(case: Case) -> Traffic:
    """A packet for every image, and about every third one too short or too long."""
    rng = np.random.default_rng(case.seed + 1)
    size = case.configuration.pixels_per_beat
    packets, present = [], np.ones(case.images.shape, bool)
    errors = np.zeros(len(case.images), bool)
    for number, image in enumerate(case.images):
        beats = beats_of(image, size)
        change = int(rng.integers(-len(beats) + 1, 4)) if rng.random() < 0.4 else 0
        if change > 0:
            beats += [int(beat) for beat in rng.integers(0, 256, change)]
        elif change < 0:
            beats = beats[:change]
            present[number].reshape(-1)[len(beats) * size :] = False
        errors[number] = change != 0
        packets.append(beats)
    return Traffic(packets, present, errors)
