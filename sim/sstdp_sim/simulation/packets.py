"""What is played to the accelerator, how the streams behave, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.contract.event_packets import EVENT_BYTES, NO_EVENT, event_words
from sstdp_hw.network.layers import Array

#: Bytes of a record in the packets' file before its beats: whether ``tlast`` is set, number of
#: beats, when to reset.
HEADER_BYTES = 9


@dataclass(frozen=True, eq=False)
class Packets:
    """What to play.

    Parameters
    ----------
    data : uint8 array [N, max_beats * bytes of a beat]
    beats : int array [N]
        Length of each packet.
    last : bool array [N]
        Whether ``tlast`` is set on its last beat.
    resets : int array [N], optional
        The accelerator is reset so many cycles after the packet's last beat; -1: it is not.
    """

    data: Array
    beats: Array
    last: Array
    resets: Array | None = None

    @classmethod
    def of(cls, parameters: AcceleratorParameters, samples: Array) -> Packets:
        """Well-formed packets of samples [N, ...]: images, or spike times where the network takes
        these."""
        return PACKED[parameters.input.kind](parameters, samples)

    @classmethod
    def of_spike_times(cls, times: Array, t_max: int) -> Packets:
        """A packet of events per sample [N, ...]."""
        found = [event_words(sample, t_max) for sample in times]
        data = np.full((len(times), max(1, times[:1].size)), NO_EVENT, "<u4")
        for row, words in zip(data, found, strict=True):
            row[: len(words)] = words
        beats = np.array([len(words) for words in found], np.int64)
        flat = data.view(np.uint8).reshape(len(times), data.shape[1] * EVENT_BYTES)
        return cls(flat, beats, np.ones(len(times), bool))

    @classmethod
    def of_images(cls, images: Array, pixels_per_beat: int) -> Packets:
        """Well-formed packets, one per image [N, ...]; unused bytes of the last beat are 255, which
        the accelerator must ignore."""
        pixels = images.reshape(len(images), -1)
        beats = -(-pixels.shape[1] // pixels_per_beat)
        data = np.full((len(images), beats * pixels_per_beat), 255, np.uint8)
        data[:, : pixels.shape[1]] = pixels
        return cls(data, np.full(len(images), beats), np.ones(len(images), bool))

    def __getitem__(self, chosen: slice) -> Packets:
        resets = None if self.resets is None else self.resets[chosen]
        return Packets(self.data[chosen], self.beats[chosen], self.last[chosen], resets)

    def __len__(self) -> int:
        return len(self.beats)

    def to_bytes(self) -> bytes:
        """One record per packet, for the harness.

        ``$fread`` puts the first byte of a record highest, so the bytes of a packet are turned
        round.
        """
        records = np.empty((len(self), HEADER_BYTES + self.data.shape[1]), np.uint8)
        resets = np.full(len(self), -1) if self.resets is None else self.resets
        for start, numbers in ((0, resets + 1), (5, self.beats)):
            places = records[:, start : start + 4]
            places[:] = numbers.astype(">u4")[:, None].view(np.uint8)
        records[:, 4] = self.last
        records[:, HEADER_BYTES:] = self.data[:, ::-1]
        return records.tobytes()


#: By the kind of the accelerator's input.
PACKED: dict[str, Callable[[AcceleratorParameters, Array], Packets]] = {
    "pixels": lambda parameters, images: Packets.of_images(images, parameters.pixels_per_beat),
    "spikes": lambda parameters, times: Packets.of_spike_times(times, parameters.t_max),
}


@dataclass(frozen=True)
class Traffic:
    """How the streams behave: the chance, in 256ths, that a cycle has a gap or a stall.

    With both zero, images come back to back and answers are taken at once. ``isolated`` holds every
    image back until the one before it is answered. A stall, and the time without one, lasts a
    multiple of ``stall_cycles``.

    Of an external memory: cycles until the first beat of a burst, one more than these; the chance,
    in 256ths, that an address or a beat waits a cycle; and that a burst is a wrong one.
    """

    gap_chance: int = 0
    stall_chance: int = 0
    seed: int = 1
    isolated: bool = False
    stall_cycles: int = 1
    memory_latency: int = 0
    memory_stalls: int = 0
    memory_faults: int = 0

    @property
    def back_to_back(self) -> bool:
        return not (self.gap_chance or self.stall_chance or self.isolated)


@dataclass(frozen=True)
class Part:
    """So many packets of a file, from the one numbered ``first`` on, and the seed of their
    traffic."""

    first: int
    count: int
    seed: int

    def settings(self) -> dict[str, int]:
        """Of the harness."""
        return {
            "mutant": 0, "first": self.first, "packets": self.count, "wanted": self.count,
            "random_seed": self.seed,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Answers:
    """What the hardware said to a shard of packets.

    Parameters
    ----------
    words : int64 array [M]
        Output beats in order, see `contract.answer`.
    cycles : int64 array [M]
        Clock cycle of each answer.
    first_beats : int64 array [M]
        Clock cycle in which the first beat of each answered packet was taken.
    extra, violated : bool
        More answers than packets came; a rule of the output stream was broken.
    spikes : int64 array [K, 4]
        (probe, tag of the image, step, neuron), if probes were asked for; neuron -1 is the image's
        end.
    resets : int64 array [R, 2]
        For each reset: answers, and packets begun, before it.
    loads : int64 array [L, 4]
        Of each load that took effect: answers before it, its number, cycle in which it was offered,
        and in which it had ended.
    refused : int64 array [F, 2]
        Number of each load that was refused, and why.
    """

    words: Array
    cycles: Array
    first_beats: Array
    extra: bool
    violated: bool
    spikes: Array
    resets: Array = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    loads: Array = field(default_factory=lambda: np.zeros((0, 4), np.int64))
    refused: Array = field(default_factory=lambda: np.zeros((0, 2), np.int64))
