"""The accelerator as a Python object: images or spike times in, classes out, through the simulated
hardware."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from sstdp_hw.base.errors import UserError
from sstdp_hw.contract.answer import unpack_answers
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.memory_image import memory_image
from sstdp_hw.network.layers import Array
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference

from .comparison.cosimulation import timeout_cycles
from .simulation.packets import Packets, Traffic
from .simulation.simulator import Simulation


@dataclass(frozen=True, eq=False)
class Predictions:
    """The hardware's answers to N images.

    Parameters
    ----------
    classes, decision_times : int arrays [N]
    silent, frame_errors : bool arrays [N]
    cycles : int64 array [N]
        Clock cycles since the answer before.
    """

    classes: Array
    decision_times: Array
    silent: Array
    frame_errors: Array
    cycles: Array


class Accelerator:
    """A generated accelerator, compiled for simulation on first use.

    Use as a context manager, or call `close`, to remove the compiled simulation.

    Parameters
    ----------
    directory : path
        What `sstdp_rtl.generator.generate.generate` wrote.
    simulator : str
        ``verilator`` or ``icarus``.

    Raises
    ------
    UserError
        If the directory is not whole, or the simulator is missing.

    Examples
    --------
    >>> with Accelerator("build/accelerator") as accelerator:       # doctest: +SKIP
    ...     classes = accelerator.predict(images).classes

    With weights that are loaded, any network of the same shape:

    >>> with Accelerator("build/loadable") as accelerator:       # doctest: +SKIP
    ...     classes = accelerator.load("RUN/network.safetensors").predict(images).classes
    """

    def __init__(self, directory: Path | str, simulator: str = "verilator") -> None:
        self.directory = GeneratedDirectory.load(directory)
        self.simulator = simulator
        self._simulation: Simulation | None = None

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def compile(self) -> Accelerator:
        """Compile the simulation now rather than at the first prediction."""
        if self._simulation is None:
            self._simulation = Simulation.of(
                self.directory.verilog, self.directory.parameters, simulator=self.simulator
            )
        return self

    @property
    def network(self) -> Network:
        """What the memories hold, or what the Verilog was made from."""
        return self.directory.network

    def load(self, network: Network | Path | str) -> Accelerator:
        """Predict with another network from now on; it stays if the accelerator is compiled again.

        Parameters
        ----------
        network : Network or path
            Of the same shape; see `sstdp_hw.contract.fitting.fitted`.

        Raises
        ------
        UserError
            If weights are constants of the Verilog, or the network does not fit.
        """
        if not isinstance(network, Network):
            network = Network.load(network)
        self.directory = self.directory.with_loaded(network)
        if self._simulation is not None:
            self._simulation.memories = memory_image(self.directory.parameters)
        return self

    def predict(self, images: Array, *, traffic: Traffic = Traffic()) -> Predictions:  # noqa: B008
        """Run images [N, *input_shape] or [N, H, W] (uint8) through the hardware; spike times
        where the network takes these, ``t_max`` being silent.

        Raises
        ------
        UserError
            If the images do not fit the network, or the hardware does not answer.
        """
        images = reference.check_images(self.directory.network, images)
        self.compile()
        assert self._simulation is not None, "just compiled"
        if not len(images):
            empty = np.zeros(0, np.int64)
            return Predictions(empty, empty, empty.astype(bool), empty.astype(bool), empty)
        answers = self._simulation.run(
            Packets.of(self.directory.parameters, images),
            traffic=traffic,
            timeout_cycles=timeout_cycles(self.directory, traffic),
        )
        if len(answers.words) != len(images):
            raise UserError(
                f"Hardware must answer every image; image {len(answers.words)} got no answer"
            )
        found = unpack_answers(answers.words)
        return Predictions(
            classes=found["class"],
            decision_times=found["decision_time"],
            silent=found["silent"],
            frame_errors=found["frame_error"],
            cycles=np.diff(answers.cycles, prepend=answers.first_beats[0] - 1),
        )

    def close(self) -> None:
        """Remove the compiled simulation."""
        if self._simulation is not None:
            self._simulation.__exit__()
            self._simulation = None
