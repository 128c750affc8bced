"""A search by Optuna whose trials stand in a journal: a file that several processes and machines
write into, without a server (docs/search.md)."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from ..base.errors import UserError
from .front import OBJECTIVES, Row
from .space import Choice, Space

NAME = "sstdp-hw"
MADE_OF, OUTCOME, FAILURE, WHO = "made of", "outcome", "failure", "who"
#: Trials by chance before the sampler has something to learn from.
CHANCE = 10


class PerTrial(BaseSampler):
    """TPE, with random numbers that depend on the search's seed and on which trial it is, and on
    nothing else: a search that was cut off goes on as if it had not been."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._of: tuple[int, BaseSampler] | None = None

    def trial_seed(self, study: Any, number: int) -> int:
        """Trials that were cut off are not counted: they come again."""
        before = study.get_trials(deepcopy=False)[:number]
        return self.seed * 1_000_003 + sum(not _cut_off(trial) for trial in before)

    def _sampler(self, study: Any, trial: FrozenTrial) -> BaseSampler:
        if self._of is None or self._of[0] != trial.number:
            seed = self.trial_seed(study, trial.number) % (1 << 32)
            made = TPESampler(
                seed=seed, multivariate=True, constant_liar=True, n_startup_trials=CHANCE
            )
            self._of = trial.number, made
        return self._of[1]

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> dict[str, Any]:
        return self._sampler(study, trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Any, trial: FrozenTrial, search_space: dict[str, Any]
    ) -> dict[str, Any]:
        return self._sampler(study, trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Any, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        return self._sampler(study, trial).sample_independent(
            study, trial, param_name, param_distribution
        )


class Journal:
    """The trials of one search.

    Parameters
    ----------
    file : Path
        Made if it is not there.
    made_of : dict of JSON
        What all trials rest on; a journal of anything else is refused.
    seed : int

    Raises
    ------
    UserError
        If the file is of something else, or damaged.
    """

    def __init__(self, file: Path, made_of: dict[str, Any], seed: int) -> None:
        self.file, self.sampler = file, PerTrial(seed)
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)  # what matters is told in a line
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.study = optuna.create_study(
                    storage=JournalStorage(JournalFileBackend(str(file))), study_name=NAME,
                    load_if_exists=True, sampler=self.sampler,
                    directions=["maximize" if more else "minimize" for more in OBJECTIVES.values()],
                )  # fmt: skip
            before = self.study.user_attrs.get(MADE_OF)
        except OSError as error:
            raise UserError(f"{file}: must be a file to write into ({error.strerror})") from None
        except Exception as error:  # what is no journal may raise anything
            raise UserError(
                f"{file}: must be the journal of a search ({type(error).__name__}); remove it to "
                "begin anew"
            ) from None
        if before is None:
            self.study.set_user_attr(MADE_OF, made_of)
        elif before != made_of:
            name = next(name for name in made_of if before.get(name) != made_of[name])
            raise UserError(
                f"{file}: is the journal of a search with another {name}, {before.get(name)}, not "
                f"{made_of[name]}; move it away to begin anew"
            )

    def carry_out(
        self, count: int, space: Space, measure: Callable[[int, Choice], Row],
        done: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """Go on until there are ``count`` trials, those at work elsewhere included; where several
        processes come to the end at once there may be a few more.

        Parameters
        ----------
        measure : callable
            Of the number of a trial and what to look at. A `UserError` is a trial that failed.
        done : callable
            Called after each trial.
        """
        self._clear()
        while len(self._counted()) < count:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that some of the sampler is new
                trial = self.study.ask()
                trial.set_user_attr(WHO, _who())
                choice = space.suggested(trial)
            try:
                row = measure(trial.number, choice)
            except UserError as error:
                trial.set_user_attr(FAILURE, str(error))
                self.study.tell(trial, state=TrialState.FAIL)
            except BaseException:
                self.study.tell(trial, state=TrialState.FAIL)
                raise
            else:
                trial.set_user_attr(OUTCOME, row)
                self.study.tell(trial, [row[name] for name in OBJECTIVES])
            done()

    def rows(self) -> list[Row]:
        """Trials that were done, each with its number and the seed of its choice."""
        return [
            {"trial": trial.number, "seed": self._seed(trial), **trial.user_attrs[OUTCOME]}
            for trial in self._counted() if trial.state == TrialState.COMPLETE
        ]  # fmt: skip

    def failed(self) -> list[Row]:
        """Those that failed: number, seed, the choice as it was asked for, and why."""
        return [
            {"trial": trial.number, "seed": self._seed(trial), "asked": trial.params,
             "failure": trial.user_attrs[FAILURE]}
            for trial in self._counted() if trial.state == TrialState.FAIL
        ]  # fmt: skip

    def finished(self) -> int:
        """Trials that are over."""
        return sum(trial.state.is_finished() for trial in self._counted())

    def _seed(self, trial: FrozenTrial) -> int:
        return self.sampler.trial_seed(self.study, trial.number) % (1 << 32)

    def _counted(self) -> Sequence[FrozenTrial]:
        found = self.study.get_trials(deepcopy=False)
        return [trial for trial in found if not _cut_off(trial)]

    def _clear(self) -> None:
        """Processes of this machine that are no more have left their trials."""
        for trial in self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            machine, _, number = str(trial.user_attrs.get(WHO, "")).rpartition(" ")
            if machine == platform.node() and not _runs(int(number)):
                with suppress(ValueError, RuntimeError):  # another process told it first
                    self.study.tell(trial.number, state=TrialState.FAIL)


def _cut_off(trial: FrozenTrial) -> bool:
    """It has ended and does not say how."""
    return trial.state == TrialState.FAIL and FAILURE not in trial.user_attrs


def _who() -> str:
    return f"{platform.node()} {os.getpid()}"


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
