"""The subverbs of ``verify``, and the short forms that stand for them."""

import dataclasses
from pathlib import Path

import pytest

from sstdp_hw.command.cli import main
from sstdp_sim.verbs.verify import SUBVERBS


@pytest.fixture
def ran(monkeypatch):
    """What ran, and with which options."""
    calls = []
    for name, verb in list(SUBVERBS.items()):

        def run(options, name=name):
            calls.append((name, options))
            return {}

        monkeypatch.setitem(SUBVERBS, name, dataclasses.replace(verb, run=run))
    return calls


@pytest.mark.parametrize(
    "subverb, long, short, told",
    [
        ("mutants", "DIR --count 5", "DIR --mutants 5", {"directory": Path("DIR"), "count": 5}),
        ("mutants", "--count 5 mutants", "mutants --mutants 5", {"directory": Path("mutants")}),
        ("mutants", "stress --count 5", "--mutants=5 stress", {"directory": Path("stress")}),
        (
            "stress", "DIR --beats 7 --coverage --seed 3",
            "DIR --stress 7 --coverage --seed 3", {"beats": 7, "coverage": True, "seed": 3},
        ),
        ("stress", "DIR --beats 7", "DIR --stress 7", {"coverage": False, "dataset": None}),
        ("stress", "stress --beats 7", "stress --stress=7", {"directory": Path("stress")}),
        (
            "record", "R --rerun all --jobs 2", "--check R --rerun all --jobs 2",
            {"record": Path("R"), "rerun": "all", "jobs": 2},
        ),
        ("record", "R", "--check R", {"rerun": "0"}),
    ],
)  # fmt: skip
def test_a_short_form_is_its_subverb(ran, subverb, long, short, told):
    for arguments in (["verify", subverb, *long.split()], ["verify", *short.split()]):
        assert main(arguments) == 0
        name, options = ran.pop()
        assert not ran
        assert name == subverb
        assert {key: getattr(options, key) for key in told} == told


@pytest.mark.parametrize(
    "arguments, line",
    [
        ("mutants", "sstdp-hw verify mutants: error: the following arguments are required: DIR"),
        ("mutants DIR --mutants 5", "sstdp-hw verify mutants: error: the following"),
        ("mutants DIR --count 0", "sstdp-hw verify mutants: error: Mutants must be at least 1"),
        ("stress DIR --beats 0", "sstdp-hw verify stress: error: Beats must be at least 1"),
        ("stress DIR --beats 9 --seed -1", "sstdp-hw verify stress: error: Seed must be between"),
        ("record R --rerun some", "sstdp-hw verify record: error: Rerun must be a number or"),
        ("record nowhere", "sstdp-hw verify record: error: nowhere: no such record file"),
        ("DIR", "sstdp-hw verify: error: Verify must have one of"),
        ("DIR --mutants 5 --stress 5", "sstdp-hw verify: error: Verify must have one of"),
        ("DIR --mutants 0", "sstdp-hw verify: error: Mutants must be at least 1, not 0"),
        ("--mutants 5", "sstdp-hw verify: error: Verify must have the folder"),
    ],
)
def test_refusals_are_one_line(arguments, line, capsys):
    try:
        status = main(["verify", *arguments.split()])
    except SystemExit as stopped:
        status = stopped.code
    error = capsys.readouterr().err
    assert (status, error.count("\n")) == (2, 1)
    assert error.startswith(line)


@pytest.mark.parametrize("name", SUBVERBS)
def test_help_of_each_has_an_example(name, capsys):
    with pytest.raises(SystemExit):
        main(["verify", name, "--help"])
    assert f"\n  sstdp-hw verify {name} " in capsys.readouterr().out
