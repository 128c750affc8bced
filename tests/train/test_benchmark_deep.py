"""The benchmark of deep networks runs, and refuses backends that disagree."""

from __future__ import annotations

import pytest

from benchmarks import deep_speed

SMALL = ["--layers", "conv4k3p1,pool2,conv4k3p1,pool2", "--batch", "4", "--rounds", "1"]


def test_it_compares_and_times_three_steps(capsys):
    assert deep_speed.main(SMALL) == 0
    shown = capsys.readouterr().out
    assert "conv4k3p1,pool2,conv4k3p1,pool2-10, batch 4, firing [0." in shown
    for name in ("native", "dense", "event by event"):
        assert name in shown


def test_steps_that_disagree_are_refused(monkeypatch):
    monkeypatch.setattr(deep_speed, "AGREE", 0.0)
    with pytest.raises(SystemExit, match="native and dense steps must agree"):
        deep_speed.main(SMALL)
