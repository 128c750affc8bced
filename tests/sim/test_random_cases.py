"""``verify random``: what is drawn, and that a generator that is wrong is found.

`sstdp-hw verify random --count 1000` plays so many.
"""

import json
import shlex

import numpy as np
import pytest
from support.quick_simulator import QUICK

from sstdp_hw.blocks.hardware import AcceleratorParameters
from sstdp_hw.cases.drawn import drawn_case
from sstdp_hw.command.cli import main
from sstdp_hw.engine.local import Local
from sstdp_hw.network.network import Network
from sstdp_sim.stress import random_cases
from sstdp_sim.stress.random_cases import Job, kept_of, play

SEED = 4  # of extreme shape, sequential, spike for spike: done in seconds
BROKEN = """\
import sys

if "generate" in sys.orig_argv:
    from sstdp_rtl.gateware import decision

    decision.signed = lambda width: 1  # margins are compared by one bit
"""


def test_every_kind_is_drawn_and_can_be_made():
    """And the same seed draws the same."""
    kinds, weathers, memories, replays, batches = set(), set(), set(), set(), set()
    for seed in range(1, 150):
        drawn = drawn_case(seed, 4)
        chosen, network = drawn.case.configuration, drawn.case.network
        parameters = AcceleratorParameters(network, chosen)  # refuses what does not fit
        if parameters.store.external:
            memories |= {word for word in drawn.generate if word.startswith("--")}
            replays.add(parameters.tiled.replays)
        assert len(drawn.case.images) == 4
        kinds.add((chosen.architecture, chosen.weights, network.input_kind, chosen.early_exit))
        batches.add(chosen.batch)
        weathers.add(("--gaps" in drawn.simulate, "--memory-stalls" in drawn.simulate))
        assert ("--every-spike" in drawn.simulate) != chosen.early_exit
    both = (True, False)
    assert kinds == {
        (architecture, store, kind, exits)
        for architecture, stores in (
            ("streaming", ("rom", "loadable")), ("sequential", ("rom", "loadable", "external"))
        )
        for store in stores for kind in ("pixels", "spikes") for exits in both
    }  # fmt: skip
    assert memories >= {"--base-port", "--base-address", "--weight-buffer", "--potential-memory"}
    assert replays == {True, False}
    assert weathers == {(False, False), (True, False), (True, True)}
    assert batches == {1, 2, 3, 8}
    one, two = drawn_case(7, 5), drawn_case(7, 5)
    assert one.case.network.digest == two.case.network.digest
    assert (one.generate, one.simulate) == (two.generate, two.simulate)
    np.testing.assert_array_equal(one.case.images, two.case.images)


def test_a_wrong_generator_is_found_and_a_right_one_is_not(tmp_path, monkeypatch, capsys):
    """The files and the commands that are left repeat it."""
    (tmp_path / "sitecustomize.py").write_text(BROKEN)
    command = ["verify", "random", "--count", "1", "--seed", str(SEED), "--simulator", QUICK,
               "--out", str(tmp_path / "out"), "--json", str(tmp_path / "told.json")]  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        assert main(command) == 1
    output = capsys.readouterr()
    (told,) = json.loads((tmp_path / "told.json").read_text())["failures"]
    assert told["seed"] == SEED and "images mismatch; first: image" in told["text"]
    assert f"1 of 1 network failed; first: seed {SEED}, simulate: " in output.err
    assert Network.load(tmp_path / "out" / str(SEED) / "network.safetensors").digest == (
        drawn_case(SEED, 8).case.network.digest
    )
    for text in told["commands"]:  # the generator is right again
        program, *arguments = shlex.split(text)
        assert program == "sstdp-hw" and f"  {text}\n" in output.out
        assert main(arguments) == 0


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch):
    """Of a longer run, too; another simulator or number of samples has cases of its own."""
    monkeypatch.setattr("sstdp_hw.engine.kept.cache_folder", lambda: tmp_path)
    monkeypatch.setattr(random_cases, "_played", lambda _opened, seed, _: played(seed))
    seen = []

    def played(seed):
        seen.append(seed)
        return "wrong" if seed == 5 else ""

    job = Job(8, "icarus")
    kept = kept_of(job)
    told = [0]
    for seeds, wanted in ((range(1, 7), list(range(1, 7))), (range(3, 10), [7, 8, 9])):
        failures = play(Local(1), job, seeds, kept=kept, progress=told.append)
        assert [(each.seed, each.text) for each in failures] == [(5, "wrong")]
        assert seen == wanted
        seen.clear()
    assert sum(told) == 6 + 7
    (kept.folder / "4").write_text("damaged")
    play(Local(1), job, range(3, 10), kept=kept)
    assert seen == [4]
    others = {kept_of(each).key for each in (job, Job(9, "icarus"), Job(8, "verilator"))}
    assert len(others) == 3


def test_a_finished_run_leaves_what_another_will_go_on_from(tmp_path, monkeypatch, capsys):
    """A long run was interrupted, and one of its cases is looked at meanwhile."""
    monkeypatch.setattr("sstdp_hw.engine.kept.cache_folder", lambda: tmp_path)
    monkeypatch.setattr(random_cases, "_played", lambda _opened, _seed, _: "")
    job = Job(8, QUICK)
    kept = kept_of(job)
    play(Local(1), job, range(1, 5), kept=kept)
    for seed, count in ((3, 1), (7, 2)):
        command = ["--count", str(count), "--seed", str(seed), "--simulator", QUICK]
        capsys.readouterr()
        assert main(["verify", "random", *command]) == 0
        told = "1 task done before are kept" in capsys.readouterr().err
        assert told == (seed == 3), "of its own tasks alone"
        assert {path.name for path in kept.folder.iterdir()} == {"1", "2", "4"}
    assert main(["verify", "random", "--count", "4", "--simulator", QUICK]) == 0
    assert not kept.folder.exists()


@pytest.mark.parametrize(
    "arguments, line",
    [
        (["--count", "0"], "Count must be at least 1, not 0"),
        (["--count", "1", "--samples", "0"], "Samples must be at least 1, not 0"),
        (["--count", "1", "--seed", "-1"], "Seed must be between 0 and"),
        (["--count", "1", "--simulator", "vcs"], "Simulator must be verilator or icarus"),
        (["--count", "1", "--out", "/dev/null"], "/dev/null: /dev/null must be a folder to write"),
    ],
)
def test_refusals_are_one_line(arguments, line, capsys):
    assert main(["verify", "random", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"sstdp-hw verify random: error: {line}") and error.count("\n") == 1
