"""What a producer sees of the queue behind it."""

from __future__ import annotations

from collections import deque

from ...blocks.pipeline import HAS_ROOM_LATENCY, QUEUE_DEPTH, QUEUE_LATENCY, most_with_room

#: Before the first cycle: nothing waits for what happened then.
LONG_AGO = -(1 << 40)


def readable(written: int, popped_before: int) -> int:
    """The cycle in which an item is at a queue's output, from its write and the pop before it."""
    return max(written + QUEUE_LATENCY, popped_before + 1)


class Room:
    """A queue's ``has_room``: the cycles in which its producer may not issue.

    An item that was written raises the level, and the item `most_with_room` places before it has
    to leave until the producer may go on. Both are told to `wrote`, in the order of the items.

    Parameters
    ----------
    reserved : int
        Places kept for items on their way.
    depth : int
        Items that the queue holds.
    """

    __slots__ = ("blocked", "pops", "waited")

    def __init__(self, reserved: int, depth: int = QUEUE_DEPTH) -> None:
        spare = most_with_room(reserved, depth)
        self.pops = deque([LONG_AGO] * spare, maxlen=spare)
        self.blocked: deque[tuple[int, int]] = deque()  # [from, until), in order
        self.waited = 0  # cycles that issues came later than they could have

    def wrote(self, cycle: int) -> None:
        """An item is written."""
        until = self.pops[0]
        if until > cycle:
            self.blocked.append((cycle + HAS_ROOM_LATENCY, until + HAS_ROOM_LATENCY))

    def issue(self, cycle: int, count: int = 1) -> int:
        """The cycle of the last of ``count`` issues, one a cycle, the first not before ``cycle``.

        Calls come in the order of time.
        """
        while self.blocked and self.blocked[0][1] <= cycle:
            self.blocked.popleft()
        asked = cycle + count - 1
        for start, until in self.blocked:
            if start > cycle + count - 1:
                break
            count -= max(0, start - cycle)
            cycle = max(cycle, until)
        self.waited += cycle + count - 1 - asked
        return cycle + count - 1

    def issues(self, cycle: int, count: int) -> list[int]:
        """The cycles of all ``count`` issues; see `issue`."""
        found: list[int] = []
        asked = cycle + count - 1
        for start, until in self.blocked:
            found += range(cycle, min(start, cycle + count - len(found)))
            if len(found) == count:
                self.waited += found[-1] - asked if found else 0
                return found
            cycle = max(cycle, until)
        found += range(cycle, cycle + count - len(found))
        self.waited += found[-1] - asked if found else 0
        return found
