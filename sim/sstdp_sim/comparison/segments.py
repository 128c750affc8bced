"""How images are divided: into segments, which decide what is measured, and groups of segments,
which decide only who plays them.

Every segment begins with a reset, and has traffic of its own. Where it begins shows in the cycles
of its first image; so the division follows from network and images alone, and answers and cycles
are the same bytes whoever plays what.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from sstdp_hw.engine.work import Advance, Work
from sstdp_hw.network.layers import Array

from ..simulation.packets import Answers, Packets, Part, Traffic
from ..simulation.simulator import Simulation

#: Images of a segment: as many as keep the busiest layer at work for so many cycles, which a
#: simulator does in about a second; but never so few that the reset shows in the mean.
SEGMENT_CYCLES = 1 << 18
FEWEST_IMAGES = 32
LOADING_SHARE = 20  # loading weights takes a twentieth of a segment at most
#: A group is worth the start of a simulator if it takes so many cycles. On one machine there are
#: at most so many for each process; on a cluster, where workers may still come, as many as are
#: worth it.
GROUP_CYCLES, GROUPS_EACH = 1 << 21, 8
#: But none is longer, for its answers are kept when it is done: a minute or two of a large network.
LONGEST_CYCLES = 1 << 25


@dataclass(frozen=True)
class Segment:
    """``count`` images from the one numbered ``first`` on."""

    number: int
    first: int
    count: int


@dataclass(frozen=True, eq=False)
class Group:
    """What one simulator plays: packets of consecutive segments, and how long they are."""

    packets: Packets
    counts: tuple[int, ...]
    traffic: Traffic
    seeds: tuple[int, ...]
    timeout_cycles: int


def segments_of(bound: Array, *, loading: int = 0, whole: bool = False) -> list[Segment]:
    """Segments of N images.

    Parameters
    ----------
    bound : array [N]
        Cycles of the busiest layer, by image.
    loading : int
        Cycles that every segment begins with, where weights are loaded.
    whole : bool
        All in one.
    """
    size = len(bound)
    if not whole:
        cycles = max(SEGMENT_CYCLES, LOADING_SHARE * loading)
        size = max(FEWEST_IMAGES, round(cycles / max(1.0, float(np.mean(bound)))))
    parts = max(1, len(bound) // size)
    borders = [len(bound) * part // parts for part in range(parts + 1)]
    return [
        Segment(number, first, last - first)
        for number, (first, last) in enumerate(pairwise(borders))
    ]


def groups_of(
    segments: Sequence[Segment], bound: Array, slots: int, *, remote: bool = False
) -> list[list[Segment]]:
    """Consecutive segments together, for ``slots`` who play at once, and more who may come if they
    are ``remote``. As many for each, or one would play the last group while the others wait."""
    cycles = sum(float(bound[s.first : s.first + s.count].sum()) for s in segments)
    worth = int(cycles / GROUP_CYCLES)
    most = worth if remote else min(GROUPS_EACH * slots, worth)
    wanted = max(slots, most, math.ceil(cycles / LONGEST_CYCLES))
    count = max(1, min(len(segments), slots * math.ceil(wanted / slots)))
    borders = [len(segments) * part // count for part in range(count + 1)]
    return [list(segments[a:b]) for a, b in pairwise(borders) if b > a]


def group_of(
    packets: Packets, segments: Sequence[Segment], traffic: Traffic, timeout_cycles: int
) -> Group:
    """The packets of consecutive segments."""
    first, last = segments[0].first, segments[-1].first + segments[-1].count
    return Group(
        packets[first:last], tuple(segment.count for segment in segments), traffic,
        tuple(traffic.seed + segment.number for segment in segments), timeout_cycles,
    )  # fmt: skip


def play(simulation: Simulation, group: Group, advance: Advance | None) -> list[Answers]:
    """Answers by segment: in one simulator process, or in one each where spikes are watched, whose
    file does not tell them apart."""
    starts = np.cumsum([0, *group.counts]).tolist()
    parts = [
        Part(first, count, seed)
        for first, count, seed in zip(starts, group.counts, group.seeds, strict=False)
    ]
    if not (simulation.probes or simulation.traces):
        return simulation.play(
            group.packets, parts=parts, traffic=group.traffic,
            timeout_cycles=group.timeout_cycles, progress=advance,
        )  # fmt: skip
    return [
        simulation.run(
            group.packets[part.first : part.first + part.count],
            traffic=replace(group.traffic, seed=part.seed),
            timeout_cycles=group.timeout_cycles, progress=advance,
        )
        for part in parts
    ]  # fmt: skip


def _opened(design: dict[str, Any]) -> Simulation:
    return Simulation(**design)


#: By simulator: what its answers rest on.
TOOLS: dict[str, tuple[str, ...]] = {"verilator": ("cocotb", "verilator"), "icarus": ("cocotb",)}


def playing(function: Callable[..., Any], simulator: str, unit: str = "image") -> Work:
    """Work on a `Simulation`, of which all share the arguments."""
    return Work(_opened, function, TOOLS.get(simulator, ()), unit=unit)
