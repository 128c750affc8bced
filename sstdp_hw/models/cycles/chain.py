"""Layers, serializers and the decision as servers."""

from __future__ import annotations

from collections.abc import Sequence

from ...blocks.dense import DenseParameters
from ...blocks.pipeline import SERIALIZER_STAGES, SPLITTER_STAGES, reserve
from ...blocks.sequential.layer import SequentialLayer
from .room import LONG_AGO, Room, readable
from .server import EventServer, GroupServer
from .spikes import GroupCounts

NEVER = 1 << 62


class Decision:
    """Answers the images and publishes when each goes stale.

    Attributes
    ----------
    stale : list of int
        First cycle in which each image is stale; `NEVER` while it is not decided.
    answers : list of int
        Cycle of each image's answer, so far.
    """

    def __init__(
        self, parameters: DenseParameters | SequentialLayer, early_exit: bool, stale: list[int]
    ) -> None:
        self.p, self.early_exit, self.stale = parameters, early_exit, stale
        self.answers: list[int] = []
        self.popped = LONG_AGO
        self.free = LONG_AGO  # it waits for an item again
        self.seen = LONG_AGO  # the item it took last was at its input
        self.decided = False

    def occupied(self) -> tuple[int, int]:
        """First and last cycle of the item taken last."""
        return self.seen, self.free - 1

    def finish(self) -> None:
        """Images are answered as they come."""

    def push(
        self, image: int, written: int, step: int, pieces: list[int], close: bool, final: bool,
        indices: Sequence[int],
    ) -> int:  # fmt: skip
        """One group of the output layer, written into its queue; returns the cycle of its pop."""
        seen = max(readable(written, self.popped), self.free)
        return self.take(image, seen, step, bool(pieces), close, final)

    def take(self, image: int, seen: int, group: int, fires: bool, close: bool, final: bool) -> int:
        """One group, at the input when nothing else is being looked at; returns the cycle of its
        pop."""
        self.seen = seen
        if seen >= self.stale[image]:
            self.popped, self.free = seen, seen + 1
            return seen
        last_group = group == self.p.groups - 1
        completes = not self.decided and (last_group if final else close)
        ends = completes if self.early_exit else final and last_group
        if ends:
            self.stale[image] = seen + 1
        scan = self.p.scan_cycles if not self.decided and (final or fires) else 0
        self.popped = seen + scan
        self.free = self.popped + 1
        if completes or ends:
            self.free += 1  # the last candidate is compared
            self.decided = True
        if ends:
            self.answers.append(self.free)
            self.free += 1
            self.decided = False
        return self.popped


class Splitter:
    """Wide groups in, pieces of them out, in front of a serializer.

    Parameters
    ----------
    stale : list of int
        See `Decision`.
    serializer : Serializer
    """

    def __init__(self, stale: list[int], serializer: Serializer) -> None:
        self.stale, self.serializer = stale, serializer
        self.popped = LONG_AGO
        self.ready = LONG_AGO  # first cycle in which the register of incoming groups is empty
        self.busy = LONG_AGO  # last cycle of the present group: the next one may follow in it
        self.room = Room(reserve(SPLITTER_STAGES))

    def push(
        self, image: int, written: int, step: int, pieces: list[int], close: bool, final: bool,
        indices: Sequence[int],
    ) -> int:  # fmt: skip
        """One group, written into the layer's queues; returns the cycle of its pop."""
        done = 0
        seen = max(readable(written, self.popped), self.ready)
        load = cycle = max(seen + 1, self.busy)
        for number, fired in enumerate(pieces or (0,)):
            cycle = self.room.issue(cycle + 1) if self.room.blocked else cycle + 1
            if cycle > self.stale[image]:  # what is stale is known a cycle later
                cycle = max(load, self.stale[image]) + 1
                break
            last = number >= len(pieces) - 1
            if fired or close or final:
                out = cycle + SPLITTER_STAGES
                self.room.wrote(out)
                piece = [fired] if fired else []
                self.room.pops.append(
                    self.serializer.push(
                        image, out, step, piece, close and last, final and last,
                        indices[done : done + fired],
                    )
                )  # fmt: skip
            done += fired
        self.popped, self.ready, self.busy = seen, load + 1, cycle
        return seen


class Serializer:
    """Groups of fired neurons in, single events out.

    Parameters
    ----------
    stale : list of int
        See `Decision`.
    layer : EventServer
        The next one.
    depth : int
        Of the queue of events behind it.
    """

    def __init__(self, stale: list[int], layer: EventServer, depth: int) -> None:
        self.stale, self.layer = stale, layer
        self.popped = LONG_AGO
        self.busy = LONG_AGO  # last cycle of the group before: the next one may load in it
        self.room = Room(reserve(SERIALIZER_STAGES), depth)
        # Image, step and index of an event of which it is not known whether it is the last.
        self.held: tuple[int, int, int] | None = None

    def push(
        self, image: int, written: int, step: int, pieces: list[int], close: bool, final: bool,
        indices: Sequence[int],
    ) -> int:  # fmt: skip
        """One group of at most one piece, written into its queue; returns the cycle of its pop."""
        load = cycle = max(readable(written, self.popped), self.busy)
        fired, stale, room = sum(pieces), self.stale, self.room
        for left in range(max(fired, 1) - 1, -1, -1):
            cycle = room.issue(cycle + 1) if room.blocked else cycle + 1
            if cycle >= stale[image]:
                cycle = max(load + 1, stale[image])
                break
            if self.held is not None:
                self._emit(*self.held, cycle + SERIALIZER_STAGES - 1, close and not fired, False)
                self.held = None
            index = indices[fired - 1 - left] if indices else -1
            if final or (close and fired and not left):
                self._emit(image, step, index, cycle + SERIALIZER_STAGES, close, final)
            elif fired:
                self.held = image, step, index
        self.busy = cycle
        self.popped = load
        return load

    def _emit(self, image: int, step: int, index: int, cycle: int, last: bool, end: bool) -> None:
        self.room.wrote(cycle)
        self.room.pops.append(self.layer.push(image, cycle, step, last, end, index))


class Layer:
    """Walks over its groups for every event.

    Parameters
    ----------
    parameters : DenseParameters
    stale : list of int
        See `Decision`.

    Attributes
    ----------
    next : GroupServer
        Set once.
    spikes : list of GroupCounts
        Of the images from ``first_image`` on.
    """

    next: GroupServer

    def __init__(self, parameters: DenseParameters, stale: list[int]) -> None:
        self.p, self.stale = parameters, stale
        self.room = Room(reserve(parameters.latency))
        self.popped = LONG_AGO
        self.busy = LONG_AGO  # last cycle of the event before: the next one is popped in it
        self.walked = -1  # the last image seen
        self.spikes: list[GroupCounts] = []
        self.first_image = 0

    def occupied(self) -> tuple[int, int]:
        """First and last cycle of the event taken last."""
        return self.popped + 1, self.busy

    def push(self, image: int, written: int, step: int, last: bool, end: bool, index: int) -> int:
        """One event, written into its queue; returns the cycle of its pop."""
        self.popped = max(readable(written, self.popped), self.busy)
        seen = cycle = self.popped + 1
        if seen < self._dropped(image):
            p = self.p
            if p.spontaneous and self.walked != image and (end or step):
                cycle = self._compare(image, 0, seen) + 1
            if cycle >= self._dropped(image):
                pass
            elif not end:
                cycle = self._compare(image, step, cycle) if last else self._walk(cycle)
            elif p.output:
                for group in range(p.groups):
                    cycle = self.room.issue(cycle)
                    if cycle >= self._dropped(image):
                        break
                    self._report(image, step, cycle, group, [], False, True)
                    cycle += group < p.groups - 1
            else:
                cycle = self.room.issue(cycle)
                if cycle < self._dropped(image):
                    self._report(image, step, cycle, 0, [], False, True)
            # A walk of a stale image is abandoned.
            cycle = min(cycle, max(seen, self._dropped(image)))
        self.walked = image
        self.busy = cycle
        return self.popped

    def _dropped(self, image: int) -> int:
        """The first cycle in which the layer takes the image for stale."""
        return self.stale[image] + 1

    def _walk(self, cycle: int) -> int:
        """The last cycle of a walk that begins at ``cycle`` at the earliest."""
        groups = self.p.groups
        return self.room.issue(cycle, groups) if self.room.blocked else cycle + groups - 1

    def _compare(self, image: int, step: int, cycle: int) -> int:
        """The same for a walk that compares: groups that fire are reported."""
        groups = self.p.groups
        fired = self.spikes[image - self.first_image].get(step, [])
        if self.p.skew:  # all groups come out, also those in which nothing fired
            pieces_of = dict(fired)
            fired = [(group, pieces_of.get(group, [])) for group in range(groups)]
        if not fired:
            return self._walk(cycle)
        room, done, cycle = self.room, 0, cycle - 1
        for group, pieces in fired:
            ahead = group + 1 - done
            cycle = room.issue(cycle + 1, ahead) if room.blocked else cycle + ahead
            if cycle >= self._dropped(image):
                return cycle
            done = group + 1
            self._report(image, step, cycle, group, pieces, done == groups, False)
        if done < groups:
            ahead = groups - done
            cycle = room.issue(cycle + 1, ahead) if room.blocked else cycle + ahead
            if cycle < self._dropped(image):
                self._report(image, step, cycle, groups - 1, [], True, False)
        return cycle

    def _report(
        self, image: int, step: int, cycle: int, group: int, pieces: list[int], close: bool,
        final: bool,
    ) -> None:  # fmt: skip
        written = cycle + self.p.latency
        self.room.wrote(written)
        where = group if self.p.output else step
        self.room.pops.append(
            self.next.push(image, written + self.p.skew, where, pieces, close, final, ())
        )
