"""Plays the segments that are not kept from before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sstdp_hw.base.progress import say
from sstdp_hw.engine.kept import Kept, key_of
from sstdp_hw.engine.work import Session, Work
from sstdp_hw.network.layers import Array

from ..simulation.packets import Answers, Packets, Traffic
from ..simulation.simulator import tools_of
from .kept import kept_answers
from .segments import Segment, group_of, groups_of


def kept_of(
    design: dict[str, Any], packets: Packets, segments: Sequence[Segment], traffic: Traffic,
    timeout: int, work: Work,
) -> Kept:  # fmt: skip
    """Under a hash of all that answers depend on."""
    memories = design["memories"]
    plain = {name: value for name, value in design.items() if name != "memories"}
    plain |= {"traffic": vars(traffic), "timeout": timeout, "tools": tools_of(design["simulator"])}
    plain["borders"] = [segment.first for segment in segments]
    key = key_of(
        work.tools, plain, b"" if memories is None else memories.tobytes(),
        packets.data.tobytes(), packets.beats.tobytes(), packets.last.tobytes(),
    )  # fmt: skip
    return kept_answers("simulated", key)


def played(
    session: Session, packets: Packets, segments: Sequence[Segment], bound: Array,
    traffic: Traffic, timeout: int, kept: Kept | None, progress: Callable[[int], None] | None,
) -> tuple[dict[int, Answers], int]:  # fmt: skip
    """Answers by segment, those that are kept and those that are played; simulators at once."""
    found: dict[int, Answers] = {}
    if kept is not None:
        for segment in segments:
            answers = kept.find(_name(segment))
            if answers is not None and len(answers.words) <= segment.count:
                found[segment.number] = answers
        again = sum(segment.count for segment in segments if segment.number in found)
        if again:
            say(f"{again:,} of {len(packets):,} images were simulated before, and go on from there")
            if progress:
                progress(again)
    runs: list[list[Segment]] = []
    for segment in segments:  # consecutive ones that are missing
        if segment.number not in found:
            if not runs or runs[-1][-1].number + 1 != segment.number:
                runs.append([])
            runs[-1].append(segment)
    missing = sum(map(len, runs))
    groups = [
        group
        for run in runs
        for group in groups_of(
            run, bound, max(1, -(-session.slots * len(run) // missing)), remote=session.remote
        )
    ]

    def keep(number: int, made: list[Answers]) -> None:
        for segment, answers in zip(groups[number], made, strict=True):
            found[segment.number] = answers
            if kept is not None:
                kept.keep(_name(segment), answers)

    session.map(
        [group_of(packets, group, traffic, timeout) for group in groups],
        units=[sum(segment.count for segment in group) for group in groups],
        advance=progress, done=keep,
    )  # fmt: skip
    return found, min(session.slots, len(groups))


def _name(segment: Segment) -> str:
    return f"{segment.number}.npz"
