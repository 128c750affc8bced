"""What ends the command ends its simulators."""

import os
import signal
import time

import pytest

from sstdp_hw.command.cli import _sigterm_raised
from sstdp_sim.simulation.simulator import Simulation


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_simulators(number, tmp_path, monkeypatch):
    """The main thread waits for the shards, and they look for a file that tells them to end."""
    simulation = object.__new__(Simulation)  # without compiling anything
    simulation._stop = tmp_path / "stop"
    ended = []

    def run(_simulation, part, **_options):
        if part == [0]:
            time.sleep(0.2)  # until the main thread waits
            os.kill(os.getpid(), number)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if simulation._stop.exists():
                ended.append(part)
                break
            time.sleep(0.01)

    monkeypatch.setattr(Simulation, "run", run)
    with pytest.raises(BaseException) as caught, _sigterm_raised():
        simulation.run_sharded([0, 1], 2)
    assert not isinstance(caught.value, Exception)
    assert sorted(ended) == [[0], [1]]
