"""What is played to the accelerator, how the streams behave, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sstdp_hw.network.layers import Array

#: Bytes of a record in the packets' file before its beats: whether ``tlast`` is set, number of
#: beats, when to reset.
HEADER_BYTES = 9


@dataclass(frozen=True, eq=False)
class Packets:
    """What to play.

    Parameters
    ----------
    data : uint8 array [N, max_beats * pixels_per_beat]
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


@dataclass(frozen=True)
class Traffic:
    """How the streams behave: the chance, in 256ths, that a cycle has a gap or a stall.

    With both zero, images come back to back and answers are taken at once. ``isolated`` holds every
    image back until the one before it is answered. A stall, and the time without one, lasts a
    multiple of ``stall_cycles``.
    """

    gap_chance: int = 0
    stall_chance: int = 0
    seed: int = 1
    isolated: bool = False
    stall_cycles: int = 1

    @property
    def back_to_back(self) -> bool:
        return not (self.gap_chance or self.stall_chance or self.isolated)


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
