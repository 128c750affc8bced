"""What hostile packets hold, by the kind of the accelerator's input, and what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.contract.event_packets import EVENT, event_words, read_words
from sstdp_hw.contract.fields import pack, unpack
from sstdp_hw.network.layers import Array
from sstdp_hw.reference import inference as reference
from sstdp_hw.reference.inference import Inference


class Contents(NamedTuple):
    """Packets of one kind of input.

    Parameters
    ----------
    packets : callable
        From parameters, samples, random numbers and a count: so many packets, among them the
        brightest and the darkest; their bytes, twice as many as a whole one has, and their beats.
    spoil : callable
        Changes bytes and beats of packets, those that a mask chooses, in place.
    read : callable
        From the bytes of whole packets and whether each has ended: what the reference answers,
        which are frame errors, and which are answered at all.
    """

    packets: Callable[[AcceleratorParameters, Array, np.random.Generator, int], tuple[Array, Array]]
    spoil: Callable[[AcceleratorParameters, np.random.Generator, Array, Array, Array], None]
    read: Callable[[AcceleratorParameters, Sequence[Array], Array], tuple[Inference, Array, Array]]


def _pixels(
    p: AcceleratorParameters, images: Array, random: np.random.Generator, count: int
) -> tuple[Array, Array]:
    data = random.integers(0, 256, (count, 2 * p.beats * p.pixels_per_beat), dtype=np.uint8)
    data[:, : p.pixels] = images[random.integers(len(images), size=count)].reshape(count, -1)
    data[random.random(count) < 0.1] = 0
    data[random.random(count) < 0.1] = 255
    return data, np.full(count, p.beats)


def _of_any_length(
    p: AcceleratorParameters, random: np.random.Generator, data: Array, beats: Array, wrong: Array
) -> None:
    beats[wrong] = random.integers(1, 2 * p.beats + 1, np.count_nonzero(wrong))


def _read_pixels(
    p: AcceleratorParameters, contents: Sequence[Array], ended: Array
) -> tuple[Inference, Array, Array]:
    """A whole image is answered, whether its tlast comes or not; a part of one waits for more."""
    width = p.pixels_per_beat
    length = np.array([len(content) // width for content in contents])
    pixels = np.zeros((len(contents), p.beats * width), np.uint8)
    for row, content in zip(pixels, contents, strict=True):
        row[: len(content)] = content[: len(row)]
    shape = (len(length), *p.network.input_shape)
    present = np.arange(p.pixels) < length[:, None] * width
    inference = reference.run(
        p.network, pixels[:, : p.pixels].reshape(shape), present=present.reshape(shape)
    )
    return inference, (length != p.beats) | ~ended, ended | (length >= p.beats)


def _events(
    p: AcceleratorParameters, times: Array, random: np.random.Generator, count: int
) -> tuple[Array, Array]:
    chosen = times[random.integers(len(times), size=count)].reshape(count, -1)
    chosen[random.random(count) < 0.1] = 0
    chosen[random.random(count) < 0.1] = p.t_max
    data = random.integers(0, 1 << 32, (count, 2 * p.beats)).astype("<u4")
    found = [event_words(sample, p.t_max) for sample in chosen]
    for row, words in zip(data, found, strict=True):
        row[: len(words)] = words
    return data.view(np.uint8), np.array([len(words) for words in found])


def _with_wrong_events(
    p: AcceleratorParameters, random: np.random.Generator, data: Array, beats: Array, wrong: Array
) -> None:
    """Each wrong packet gets its own share of beats that are not what they were: another index, in
    range or not, another step, an index again, none at all; every third keeps its order."""
    words = data.view("<u4")
    for number in np.flatnonzero(wrong):
        count = int(random.integers(1, 2 * p.beats + 1))
        row = words[number, :count]
        index = random.integers(0, p.pixels, count)
        strange = random.random(count) < random.random() ** 3
        index[strange] = random.integers(0, 1 << 24, np.count_nonzero(strange))
        step = random.integers(0, min(256, p.t_max + 3), count)
        if number % 3 or random.random() < 0.5:
            step.sort()
        made = pack(EVENT, {"index": index, "step": step}).astype("<u4")
        kept = random.random(count) < random.random()
        row[:] = np.where(kept & (np.arange(count) < beats[number]), row, made)
        if number % 3 == 0:  # in order and in range all the same: late, repeated, or none
            found = unpack(EVENT, row.astype(np.int64))
            found["step"] = np.sort(found["step"])
            found["step"][random.random(count) < 0.1] = 255
            row[:] = pack(EVENT, found | {"index": found["index"] % p.pixels}).astype("<u4")
        beats[number] = count


def _read_events(
    p: AcceleratorParameters, contents: Sequence[Array], ended: Array
) -> tuple[Inference, Array, Array]:
    """A packet is answered when it has ended, and not before."""
    found = [read_words(content.view("<u4"), p.pixels, p.t_max) for content in contents]
    times = np.stack([sample for sample, _ in found])
    inference = reference.run(p.network, times.reshape(-1, *p.network.input_shape))
    return inference, np.array([error for _, error in found]), ended


#: By the kind of the accelerator's input.
CONTENTS = {
    "pixels": Contents(_pixels, _of_any_length, _read_pixels),
    "spikes": Contents(_events, _with_wrong_events, _read_events),
}
