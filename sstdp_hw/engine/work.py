"""What an engine is asked to do, and what it promises. docs/decisions/0023-one-engine.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

#: Told how many units are done since the last call.
Advance = Callable[[int], None]


@dataclass(frozen=True)
class Work:
    """A kind of task.

    Parameters
    ----------
    opened : callable
        Of what all tasks share: a context manager whose value every task is given. Here it is
        entered once, on a cluster once per task.
    function : callable
        Of that value, of an item, and of an `Advance`. Like ``opened`` it is a function of a
        module, so that another process finds it; what goes in and comes out can be pickled. It may
        be carried out more than once.
    tools : tuple of str
        Distributions on which the answer rests: their versions must be the same everywhere.
    programs : bool
        It spends its time in programs that it starts: here threads will do for it.
    apart : bool
        It computes for long, and what becomes of one task must be nothing to the others: here each
        has a process to itself, with one thread of arithmetic.
    unit : str
        What is counted: "image".
    """

    opened: Callable[[Any], AbstractContextManager[Any]]
    function: Callable[[Any, Any, Advance], Any]
    tools: tuple[str, ...] = ()
    programs: bool = True
    apart: bool = False
    unit: str = "image"


@dataclass(frozen=True)
class Share:
    """What one worker did: tasks, units of work, and seconds from begin to end of each task.

    ``worker`` names it as the cluster does, without any path.
    """

    worker: str
    tasks: int
    units: int
    seconds: float


class Session(Protocol):
    """Tasks that share one input; many of them can be asked for, one after the other.

    Members
    -------
    opened : object
        The value of `Work.opened`, where tasks are carried out here; else None.
    slots : int
        Tasks at once, of those who are there or are expected.
    present : int
        Of those who are there.
    remote : bool
        As of the `Engine`.
    """

    opened: Any

    @property
    def remote(self) -> bool: ...

    @property
    def present(self) -> int: ...

    @property
    def slots(self) -> int: ...

    def map(
        self,
        items: Sequence[Any],
        *,
        given: Any = None,
        units: Sequence[int] | None = None,
        advance: Advance | None = None,
        done: Callable[[int, Any], None] | None = None,
        after: Sequence[int | None] | None = None,
        lost: Callable[[int, str], None] | None = None,
    ) -> list[Any]:
        """Results in the order of the items, whatever finishes first.

        Parameters
        ----------
        items : sequence
            Each is asked for when it is its turn, so that a sequence may make it then.
        given : object, optional
            What these items share beside what all do; the function then gets the pair of it and the
            item.
        units : sequence of int, optional
            How much each item counts for progress; by default 1.
        advance : callable, optional
            Told of progress.
        done : callable, optional
            Called with the number of an item and its result, as soon as it is there.
        after : sequence of int or None, optional
            For each item the number of the one that has to be done before it; only for work that is
            ``apart``. ``done`` is called of that one before the later one is asked for.
        lost : callable, optional
            Called with the number of an item that cannot be done, and why; the others go on, and
            its result is None. Only for work that is ``apart``; without it that is an error.

        Raises
        ------
        Exception
            Of a task, or that of an `Engine`. What has been done by then was told to ``done``.
        """
        ...

    def shares(self) -> list[Share]:
        """Who did what so far, by name; empty where all is done here."""
        ...


class Engine(Protocol):
    """Where tasks are carried out.

    Members
    -------
    remote : bool
        Not on this machine, so that files must be sent.
    """

    @property
    def remote(self) -> bool: ...

    def session(
        self, work: Work, shared: Any, *, jobs: int | None = None
    ) -> AbstractContextManager[Session]:
        """Begin; at the end of the block, or with Ctrl-C or SIGTERM in it, every task has ended or
        is told to.

        Parameters
        ----------
        shared : object
            What `Work.opened` gets.
        jobs : int, optional
            Tasks at once here, instead of the engine's own number.
        """
        ...
