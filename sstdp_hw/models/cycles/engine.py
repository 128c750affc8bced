"""The sequential engine as a server: word by word, as far as words wait for each other."""

from __future__ import annotations

from collections import deque

from ...blocks.pipeline import QUEUE_LATENCY, RESET_BEFORE_BEAT, queue_latency
from ...blocks.sequential.engine import COMPARE_INTERVAL, HAZARD, EngineParameters
from .chain import Decision
from .layer_state import LayerState, Spike
from .room import LONG_AGO, readable


class Engine:
    """Takes the events of the first layer, and answers to the decision.

    Attributes are cycles in which something happened last, or may happen first.

    Parameters
    ----------
    parameters : EngineParameters
    decision : Decision
    early_exit : bool
    depth : int
        Of the queue of events in front of it.
    """

    def __init__(
        self, parameters: EngineParameters, decision: Decision, early_exit: bool, depth: int
    ) -> None:
        self.register = queue_latency(depth) - QUEUE_LATENCY
        self.p, self.decision, self.early_exit = parameters, decision, early_exit
        self.layers = [LayerState(layer) for layer in parameters.passes]
        self.drained = parameters.latency + 1  # cycles from an issue until nothing is on its way
        self.image, self.number = 0, 0  # the present image and layer
        self.popped = LONG_AGO  # the event before left its queue
        self.recent: deque[tuple[int, int]] = deque(maxlen=HAZARD)  # words issued: address, cycle
        self._begin(-RESET_BEFORE_BEAT)

    @property
    def layer(self) -> LayerState:
        return self.layers[self.number]

    def _begin(self, cycle: int) -> None:
        """The present layer begins: all words are given their initial potentials."""
        self.opened, self.step = cycle, 0  # what arrives is looked at
        cycle = self.began = self._gate(cycle)
        self.taken = LONG_AGO  # the walk before was taken over
        self.issued = self.free = cycle + self.layer.begin()
        words = self.layer.words
        self.recent.clear()
        for address in range(max(0, words - HAZARD), words):
            self.recent.append((address, self.issued - (words - 1 - address)))

    def _gate(self, cycle: int) -> int:
        """The cycle in which the layer that could begin in ``cycle`` does."""
        return cycle

    def _keep(self, step: int, spike: Spike | None) -> None:
        """An event of the first layer has come."""

    def reloaded(self, cycle: int) -> None:
        """The memories hold a whole network again: what was begun of the next image begins anew."""
        self._begin(cycle)

    def push(self, image: int, written: int, step: int, last: bool, end: bool, index: int) -> int:
        """One event, written into its queue; returns the cycle of its pop."""
        # An item of a deep queue leaves it for the register behind it first.
        left = readable(written, self.popped - self.register)
        seen = max(left + self.register, self.opened)
        if image != self.image:  # decided already
            self.popped = seen
            return left if self.register else seen
        self.popped = latched = max(seen + self.p.locate_cycles(0), self.taken)
        spike = None if end else self.layers[0].spike(index)
        self._keep(step, spike)
        going_on = self._take(latched + 1, step, spike)
        while not going_on and self.number:  # the layers behind the first
            going_on = self._run_from_list()
        return left if self.register else latched

    def _run_from_list(self) -> bool:
        """Run a layer on what the one before has listed; False, as of `_take`."""
        at, step = self.began + 1, 0  # the next item is there
        wait = self.p.locate_cycles(self.number)
        for item in self.layers[self.number - 1].listed:
            if isinstance(item, int):
                step, at = item, at + 2
                continue
            for spike in item:
                latched = max(at + 1 + wait, self.taken)
                if not self._take(latched + 1, step, spike):
                    return False
                at = latched
            at += 1
        latched = max(at + wait, self.taken)
        return self._take(latched + 1, step, None)

    def _take(self, known: int, step: int, spike: Spike | None) -> bool:
        """A spike, or the end, whose walk is known from a cycle on; whether the layer goes on."""
        cycle = max(self.free, known)
        if spike is None or step != self.step:
            settled = self._settle(max(cycle + 1, self.issued + self.drained))
            if settled is None:
                return False
            if spike is None:
                self._end(settled)
                return False
            self.step, cycle = step, settled + 1
        self.taken = cycle
        walk = self.layer.add(spike)
        if not walk:
            self.free = cycle + 1
            return True
        # Only its first words can meet those of the walks before.
        for address in walk[: HAZARD + 1]:
            cycle += 1
            for before, issued in self.recent:
                if before == address:
                    cycle = max(cycle, issued + HAZARD + 1)
            self.recent.append((address, cycle))
        cycle += max(0, len(walk) - HAZARD - 1)
        for back, address in enumerate(walk[-HAZARD:][::-1]):
            if len(walk) > HAZARD + 1:
                self.recent.appendleft((address, cycle - back))
        self.issued = self.free = cycle
        return True

    def _settle(self, cycle: int) -> int | None:
        """The step is complete and nothing is on its way: compare the candidates. The cycle in
        which that is done, or None if the image has ended with it."""
        count = len(self.layer.candidates)
        if not count:
            return cycle
        if self.number == len(self.layers) - 1:
            return self._show(cycle, final=False)
        self.layer.compare(self.step)
        return cycle + COMPARE_INTERVAL * count + self.drained

    def _show(self, cycle: int, *, final: bool) -> int | None:
        """All groups of the output layer, one after the other, as of `_settle`."""
        fired, groups = self.layer.fire() if not final else None, self.layer.words
        any_fired = False
        cycle += 1
        for group in range(groups):
            fires = int(fired[group].sum()) if fired is not None else 0
            any_fired |= bool(fires)
            last = group == groups - 1
            cycle += self.drained  # from the issue to the next one
            if final or fires or (last and any_fired):
                popped = self.decision.take(
                    self.image, max(cycle, self.decision.free), group, bool(fires),
                    last and not final, final,
                )  # fmt: skip
                cycle = popped + 1
        if final or (any_fired and self.early_exit):
            self._next(cycle + 1)
            return None
        return cycle + 1

    def _end(self, cycle: int) -> None:
        """The layer has no more spikes."""
        if self.number == len(self.layers) - 1:
            self._show(cycle, final=True)
        else:
            self._next(cycle + 1)

    def _next(self, cycle: int) -> None:
        """The next layer, or the next image, from the cycle behind this one on."""
        self.number += 1
        if self.number == len(self.layers):
            self.number, self.image = 0, self.image + 1
        self._begin(cycle + 1)
