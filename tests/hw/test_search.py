"""Trials of a search: who chooses them, who shares them, and which are best; tests/train/
test_search.py has fine-tuning."""

import platform
import subprocess
import sys
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

pytest.importorskip("optuna")

import optuna

from sstdp_hw.base.errors import UserError
from sstdp_hw.network.float_network import FloatNetwork
from sstdp_hw.network.layers import Dense, Flatten
from sstdp_hw.search.front import OBJECTIVES, pareto_front
from sstdp_hw.search.journal import CHANCE, WHO, Journal
from sstdp_hw.search.space import Space

SPACE = Space((40, 10), 1, (4, 16), 0.6, (1, 2, 4, 8))
MADE_OF = {"float network": "a1", "data set": "digits"}


def measured(_number, choice):
    """Objectives that pull apart: wide weights are right, narrow ones small."""
    bits = sum(choice.weight_widths)
    return {
        "accuracy": bits / 16, "images_per_second": 1e3 * min(choice.lanes),
        "lut": 10 * bits + sum(choice.lanes), "energy_picojoules": float(choice.t_max),
    }  # fmt: skip


def journal(folder, seed=0, **changes):
    return Journal(folder / "journal.log", {**MADE_OF, **changes}, seed)


def without_numbers(found):
    return [{name: value for name, value in row.items() if name != "trial"} for row in found.rows()]


def test_a_search_that_was_cut_off_ends_as_one_that_was_not(tmp_path):
    """By chance first, then by what was learned; a trial that is cut off comes again."""
    whole = journal(tmp_path)
    whole.carry_out(CHANCE + 3, SPACE, measured)
    numbers = count()

    def cut_off(number, choice):
        if next(numbers) in (2, CHANCE + 1):
            raise KeyboardInterrupt
        return measured(number, choice)

    (tmp_path / "cut").mkdir()
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            journal(tmp_path / "cut").carry_out(CHANCE + 3, SPACE, cut_off)
    part = journal(tmp_path / "cut")
    assert part.finished() == CHANCE
    part.carry_out(CHANCE + 3, SPACE, measured)
    assert without_numbers(part) == without_numbers(whole)
    rows = whole.rows()
    assert len({row["seed"] for row in rows}) == len(rows)
    whole.carry_out(4, SPACE, None)  # there are more already
    (tmp_path / "other").mkdir()
    other = journal(tmp_path / "other", seed=1)
    other.carry_out(3, SPACE, measured)
    assert without_numbers(other) != without_numbers(whole)[:3]


def test_processes_share_the_trials(tmp_path):
    """What one is at counts for the other; what a process left that is no more does not."""
    first, second = journal(tmp_path), journal(tmp_path)
    inner = []

    def measuring(number, choice):
        if number == 0:
            second.carry_out(3, SPACE, lambda n, c: inner.append(n) or measured(n, c))
        return measured(number, choice)

    first.carry_out(3, SPACE, measuring)
    assert inner == [1, 2] and [row["trial"] for row in second.rows()] == [0, 1, 2]
    choices = [tuple(trial.params.values()) for trial in first.study.trials]
    assert len(set(choices)) == 3
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for who in (f"{platform.node()} {ended.pid}", f"elsewhere {ended.pid}"):
        first.study.ask().set_user_attr(WHO, who)
    second.carry_out(5, SPACE, measured)
    states = [trial.state.name for trial in first.study.get_trials()]
    assert states == ["COMPLETE"] * 3 + ["FAIL", "RUNNING", "COMPLETE"]
    assert second.finished() == 4


def test_a_trial_that_fails_is_told_and_not_tried_again(tmp_path):
    found = journal(tmp_path)

    def fails(number, choice):
        if number == 1:
            raise UserError("Training diverged in epoch 1")
        return measured(number, choice)

    found.carry_out(3, SPACE, fails)
    (failed,) = found.failed()
    assert failed["trial"] == 1 and failed["failure"] == "Training diverged in epoch 1"
    assert "lanes.0" in failed["asked"] and [row["trial"] for row in found.rows()] == [0, 2]
    again = journal(tmp_path)
    again.carry_out(3, SPACE, None)
    assert again.finished() == 3


def test_a_journal_of_something_else_is_refused(tmp_path):
    journal(tmp_path)
    said = r"is the journal of a search with another float network, a1, not b2; move it away"
    with pytest.raises(UserError, match=said):
        journal(tmp_path, **{"float network": "b2"})
    for text in ("no journal\n", '{"op_code": 4}\n'):
        (tmp_path / "journal.log").write_text(text)
        with pytest.raises(UserError, match="must be the journal of a search") as refusal:
            journal(tmp_path)
        assert "\n" not in str(refusal.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="must be a file to write into"):
        journal(tmp_path / "file")


def test_the_front_has_exactly_the_trials_that_none_beats():
    random = np.random.default_rng(5)
    rows = [
        {"trial": n, **{name: int(random.integers(4)) for name in OBJECTIVES}} for n in range(60)
    ]
    signs = np.array([-1 if more else 1 for more in OBJECTIVES.values()])
    costs = np.array([[row[name] for name in OBJECTIVES] for row in rows]) * signs
    beaten = [bool(((costs <= own).all(1) & (costs < own).any(1)).any()) for own in costs]
    front = pareto_front(rows)
    wanted = {tuple(own) for own, lost in zip(costs.tolist(), beaten, strict=True) if not lost}
    assert {tuple(costs[row["trial"]].tolist()) for row in front} == wanted
    assert len(front) == len(wanted) < len(rows)
    assert [row["accuracy"] for row in front] == sorted(
        (row["accuracy"] for row in front), reverse=True
    )


def network(*, pruned):
    weight = np.ones((5, 4), np.float32)
    weight[:, 0] = not pruned
    layers = (Flatten(), Dense(weight, np.ones(5, np.float32), 0))
    names = tuple("abcde")
    encoder = np.zeros(256, np.uint8)
    return FloatNetwork("n", 8, (1, 2, 2), names, encoder, layers, (None, None))


def test_bounds_are_those_of_the_network():
    """And no pixel is pruned, or has been, where weights of 0 cannot be."""
    space = Space.of(network(pruned=False), prunes=True, recodes=True)
    assert (space.spanned, space.narrowest, space.steps) == ((5,), 1, (4, 16))
    assert Space.of(network(pruned=True), prunes=True, recodes=True).narrowest == 2
    fixed = Space.of(network(pruned=False), prunes=False, recodes=False, pixels_per_beat=2)
    assert (fixed.steps, fixed.pruning, fixed.pixels_per_beat) == ((8, 8), 0.0, (2,))
    asked = {"weight_width.0": 1, "pruning": 0.3, "t_max": 5, "lanes.0": 5, "pixels_per_beat": 8}
    choice = space.suggested(optuna.trial.FixedTrial(asked))
    assert (choice.pruning, choice.t_max, choice.lanes, choice.pixels_per_beat) == (0, 5, (5,), 8)
    wider = space.suggested(optuna.trial.FixedTrial({**asked, "weight_width.0": 2}))
    assert wider.pruning == 0.3
    alone = fixed.suggested(optuna.trial.FixedTrial({"weight_width.0": 8, "lanes.0": 1}))
    assert (alone.pruning, alone.t_max, alone.pixels_per_beat) == (0.0, 8, 2)
    spikes = replace(network(pruned=False), encoder=None)
    assert Space.of(spikes, prunes=False, recodes=False).pixels_per_beat == (1,)
    with pytest.raises(UserError, match="must be 1 where the input is spikes, not 4"):
        Space.of(spikes, prunes=False, recodes=False, pixels_per_beat=4)
