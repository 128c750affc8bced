"""Has the runs of all chains trained, by the engine, and tells every finished one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from sstdp_hw.engine.work import Advance, Engine, Work
from sstdp_train.training.task import TRAINING

from .chain import Chain, Data, Record, Step, carry_out, data_of, take, task_of
from .declaration import Entry, Run

Report = Callable[[Chain, Run, Record], None]
Key = tuple[str, str | None]


def key_of(entry: Entry) -> Key:
    """What names the `Data` of an entry."""
    return entry.dataset, entry.test_dataset


def carry_out_all(
    chains: Sequence[Chain], data: Mapping[Key, Data], engine: Engine | None, report: Report
) -> list[str]:
    """Carry out the chains: on the cores of this machine each run in its folder, on a cluster in a
    folder of the worker, from which it comes as soon as it is done.

    Parameters
    ----------
    data : mapping
        Images by `key_of`.
    engine : Engine or None
        None does it in this process, for tests.

    Returns
    -------
    list of str
        One line for every chain of which a run could not be done; its finished runs are kept.
    """
    steps = [Step(chain, run) for chain in chains for run in chain.runs]

    def of(step: Step) -> Data:
        return data[key_of(step.chain.entry)]

    def tell(number: int, record: Record | None) -> None:
        if record is not None:
            report(steps[number].chain, steps[number].run, record)

    if engine is None:
        for number, step in enumerate(steps):
            tell(number, carry_out(step, of(step)))
        return []
    died: dict[str, str] = {}

    def lost(number: int, why: str) -> None:
        died.setdefault(str(steps[number].chain), why)

    after = _after(steps, together=engine.remote)
    if not engine.remote:
        with engine.session(_HERE, None) as session:
            session.map(steps, done=tell, after=after, lost=lost)
    else:
        every = (one for each in data.values() for one in (each.samples, each.test) if one)
        images = {samples.digest: samples for samples in every}
        with engine.session(TRAINING, images) as session:
            session.map(
                _Tasks(steps, of), after=after, lost=lost,
                done=lambda number, trained: tell(
                    number, take(steps[number], of(steps[number]), trained)
                ),
            )  # fmt: skip
    return [f"{chain}: {why}" for chain, why in died.items()]


def _after(steps: Sequence[Step], *, together: bool) -> list[int | None]:
    """For each step the one before it: the run that it starts from, where those of a chain may be
    done together; else the chain's one before, which writes into the same log."""
    found: list[int | None] = []
    places: dict[tuple[Any, str], int] = {}
    for number, step in enumerate(steps):
        before = None
        if step.run.start:
            before = places[str(step.chain), step.run.start] if together else number - 1
        places[str(step.chain), step.run.name] = number
        found.append(before)
    return found


class _Tasks(Sequence[Any]):
    """What workers need for each step, made when it is its turn: the run that it starts from is
    there then."""

    def __init__(self, steps: Sequence[Step], data: Callable[[Step], Data]) -> None:
        self.steps, self.data = steps, data

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, number: Any) -> Any:
        return task_of(self.steps[number], self.data(self.steps[number]))


def _carried_out(_shared: None, step: Step, _advance: Advance) -> Record | None:
    """In a process of this machine."""
    return carry_out(step, data_of(*key_of(step.chain.entry), step.chain.test))


_HERE = Work(nullcontext, _carried_out, programs=False, apart=True, unit="training")
