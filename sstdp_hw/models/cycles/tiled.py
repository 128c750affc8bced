"""The sequential engine whose weights come tile by tile from an external memory, as a server."""

from __future__ import annotations

from functools import cache

from ...blocks.pipeline import RESET_BEFORE_BEAT
from ...blocks.sequential.tiled import TiledEngineParameters
from .chain import Decision
from .engine import Engine
from .layer_state import Spike
from .room import LONG_AGO

#: Cycles from the end of a tile to the first event that was kept, and from one to the next.
REPLAY_LATENCY, REPLAY_INTERVAL = 2, 2


class TiledEngine(Engine):
    """Exact for a memory that answers a burst after a fixed number of cycles and then gives a beat
    every so many; a lower bound for one that is slower at times.

    Parameters
    ----------
    parameters : TiledEngineParameters
    decision, early_exit, depth
        As of `Engine`.
    latency, interval : int
        Of the memory: cycles from an address that was taken to its first beat, one more than these;
        cycles from a beat to the next one.
    """

    p: TiledEngineParameters

    def __init__(
        self, parameters: TiledEngineParameters, decision: Decision, early_exit: bool, depth: int,
        latency: int = 0, interval: int = 1,
    ) -> None:  # fmt: skip
        plan = parameters.plan

        @cache
        def fetch(number: int, free: int) -> int:
            address, beats = plan.base + plan.offsets[number], plan.beats(plan.tiles[number])
            return plan.bus.cycles(address, beats, latency, interval, free)

        self.fetch, self.interval = fetch, interval
        self.present = 0  # passes that have begun since the reset
        self.there = -RESET_BEFORE_BEAT + fetch(0, 0)  # the next tile is in the buffer
        self.kept: list[tuple[int, Spike]] = []  # events of the image: step, place
        super().__init__(parameters, decision, early_exit, depth)

    def _gate(self, cycle: int) -> int:
        """A pass begins when its tile is there. The tile before is not needed any more, so that the
        next one is fetched in its place."""
        begins = max(cycle, self.there)
        self.present += 1
        free = max(0, self.there - 1 + self.interval - begins)  # behind the last beat
        self.there = begins + self.fetch(self.present % len(self.p.plan.tiles), free)
        return begins

    def _keep(self, step: int, spike: Spike | None) -> None:
        if spike is not None:
            self.kept.append((step, spike))

    def _run_from_list(self) -> bool:
        layer = self.p.pass_layers[self.number]
        wait = self.p.locate_cycles(layer)
        if layer == 0:
            return self._run_again(wait, self.kept)
        self.kept = []
        first = self.p.pass_layers.index(layer - 1)
        count = self.p.plan.counts()[layer - 1]
        segments = [state.listed for state in self.layers[first : first + count]]
        return self._run_merged(segments, wait)

    def _run_again(self, wait: int, events: list[tuple[int, Spike]], came: int = LONG_AGO) -> bool:
        """Run a tile of the first layer on events that were kept, the last of which ``came`` in
        that cycle."""
        valid = max(self.opened - 1, came) + REPLAY_LATENCY
        for step, spike in events:
            latched = max(valid + wait, self.taken)
            if not self._take(latched + 1, step, spike):
                return False
            valid = latched + REPLAY_INTERVAL
        return self._take(max(valid + wait, self.taken) + 1, self.step, None)

    def _run_merged(self, segments: list[list[int | list[Spike]]], wait: int) -> bool:
        """Run a tile on what the tiles of the layer before have listed, merged by step."""
        places = [0] * len(segments)
        begins, step = self.opened, 0
        while True:
            later: int | None = None
            for number, segment in enumerate(segments):
                at = begins + 2  # an item is there
                while places[number] < len(segment):
                    item = segment[places[number]]
                    if isinstance(item, int):
                        if item != step:
                            later = item if later is None else min(later, item)
                            break
                        at += 2
                    else:
                        for spike in item:
                            latched = max(at + 1 + wait, self.taken)
                            if not self._take(latched + 1, step, spike):
                                return False
                            at = latched
                        at += 1
                    places[number] += 1
                begins = at + 2
            if later is None:
                return self._take(max(begins + wait, self.taken) + 1, step, None)
            step = later
