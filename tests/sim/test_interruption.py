"""What ends the command ends its simulators."""

import signal
import threading

import pytest

from sstdp_hw.command.interruption import signals_raised
from sstdp_sim.simulation.simulator import Simulation

LONGEST = 600  # seconds; only a failure takes them


class StopFile:
    """Stands for the file that tells the simulators to end, and can be waited for."""

    def __init__(self):
        self._made = threading.Event()
        self.touch = self._made.set

    def seen(self):
        return self._made.wait(LONGEST)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_simulators(number, monkeypatch):
    """The main thread waits for the shards, and they look for a file that tells them to end."""
    simulation = object.__new__(Simulation)  # without compiling anything
    simulation._stop = StopFile()
    both_run = threading.Barrier(2)
    ended = []

    def run(_simulation, part, **_options):
        both_run.wait(LONGEST)
        if part == [0]:
            signal.raise_signal(number)  # to this thread: it does not wake the main one
        if simulation._stop.seen():
            ended.append(part)

    monkeypatch.setattr(Simulation, "run", run)
    with pytest.raises(BaseException) as caught, signals_raised():
        simulation.run_sharded([0, 1], 2)
    assert not isinstance(caught.value, Exception)
    assert sorted(ended) == [[0], [1]]
