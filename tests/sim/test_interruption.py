"""What ends the command ends its simulators, compilers and proofs, and nothing is tried again."""

import os
import signal
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from support.networks import small_network
from support.processes import Began

from sstdp_hw.base.programs import Stopped, run_program, working_threads
from sstdp_hw.base.waiting import completed
from sstdp_hw.blocks.hardware import Configuration
from sstdp_hw.command.interruption import Terminated, signals_raised
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.engine.local import Local
from sstdp_hw.engine.work import Work
from sstdp_rtl.generator.generate import generate
from sstdp_sim.comparison import segments
from sstdp_sim.mutants import campaign
from sstdp_sim.mutants.equivalence import LogicProof
from sstdp_sim.mutants.logic import logic_faults
from sstdp_sim.mutants.netlist import read_design
from sstdp_sim.simulation.simulator import Simulation

# Works for ever, by a process of its own.
WORKS = "sleep 10000 & echo $! > $FIFO; wait"
ENDS = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated, signal.SIGHUP: Terminated}


@pytest.fixture
def works(tmp_path):
    """A program for tests, by its path."""
    path = tmp_path / "works"
    path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exit\n{WORKS}\n')
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def heard():
    """Under nohup, and in a script's background, some signals are ignored, and rightly stay so."""
    before = {number: signal.getsignal(number) for number in ENDS}
    for number, handler in before.items():
        if handler is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    folder = tmp_path_factory.mktemp("interrupted") / "accelerator"
    generate(small_network(), Configuration((6, 3), 4, True), folder)
    return GeneratedDirectory.load(folder)


@pytest.mark.parametrize("number", list(ENDS))
def test_a_signal_reaches_the_simulators(number, works, tmp_path, monkeypatch):
    began = Began(tmp_path, 2, number, monkeypatch)

    def play(_nothing, _item, _advance):
        run_program([str(works)], tmp_path, dict(os.environ), heard=print)

    work = Work(nullcontext, play)
    with pytest.raises(ENDS[number]), signals_raised(), Local(2).session(work, None) as session:
        session.map([0, 1])
    assert began.all_ended()


def test_a_signal_reaches_the_compiler(works, tmp_path, monkeypatch):
    """By cocotb's runner, whose own way to start programs leaves those of a script alone."""
    (tmp_path / "bin").mkdir()
    works.rename(tmp_path / "bin" / "iverilog")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    began = Began(tmp_path, 1, signal.SIGTERM, monkeypatch)
    with pytest.raises(Terminated), signals_raised():
        Simulation("", beat_bytes=1, max_beats=1, simulator="icarus")
    assert began.all_ended()
    assert not list(tmp_path.glob("sstdp-hw-*"))


class _PlaysForEver:
    """Stands for the simulation: the design without a fault is right, every batch takes long."""

    def __init__(self, *_arguments, **_options):
        self.played = []

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        pass

    def play(self, _packets, *, mutants, **_options):
        self.played.append(mutants)
        if mutants != [0]:
            run_program(
                ["sh", "-c", WORKS],
                os.path.dirname(os.environ["FIFO"]),
                dict(os.environ),
                heard=print,
            )
        return [None] * len(mutants)


def test_a_signal_reaches_the_mutants(directory, tmp_path, monkeypatch):
    """A batch that was ended is not halved and played again: that takes so long as all of it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(campaign, "_BATCH", 4)
    monkeypatch.setattr(campaign, "_RESET_PACKETS", 20)
    monkeypatch.setattr(campaign.Scenario, "noticed", lambda *_: None)
    simulations = []

    def simulation(*_arguments, **_options):
        simulations.append(_PlaysForEver())
        return simulations[0]

    monkeypatch.setattr(segments, "Simulation", simulation)
    began = Began(tmp_path, 2, signal.SIGTERM, monkeypatch)
    with pytest.raises(Terminated), signals_raised():
        campaign.run(directory, np.zeros((2, 1, 8, 8), np.uint8), count=16, jobs=2)
    assert began.all_ended()
    assert sorted(map(len, simulations[0].played)) == [1, 4, 4]
    assert not list(tmp_path.glob("sstdp-hw-*"))


def test_a_signal_reaches_the_proofs(directory, works, tmp_path, monkeypatch):
    """No other proof is tried, and what was not proven counts as nothing."""
    modules = read_design(directory.verilog, tmp_path)
    proof = LogicProof(modules, tmp_path)
    fault = logic_faults(modules, directory)[0]
    monkeypatch.setenv("YOSYS", str(works))
    began = Began(tmp_path, 1, signal.SIGTERM, monkeypatch)
    with pytest.raises(Terminated), signals_raised(), working_threads(1) as pool:
        found = pool.submit(proof.equivalent, fault)
        list(completed([found]))
    assert began.all_ended()
    assert isinstance(found.exception(), Stopped)
    assert len(list(Path(tmp_path).glob("proof-*"))) == 1
