"""The accelerator as a Python object: images or spike times in, classes out; through the reference,
the simulated hardware, or a board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np

from sstdp_hw.base.errors import UserError
from sstdp_hw.contract.answer import unpack_answers
from sstdp_hw.contract.directory import GeneratedDirectory
from sstdp_hw.contract.memory_image import memory_image
from sstdp_hw.network.layers import Array
from sstdp_hw.network.network import Network
from sstdp_hw.reference import inference as reference

from .board.host import DEFAULT_BAUD, Host
from .comparison.cosimulation import NO_ANSWER, timeout_cycles
from .simulation.packets import Packets, Traffic
from .simulation.simulator import Simulation


@dataclass(frozen=True, eq=False)
class Predictions:
    """The answers to N images.

    Parameters
    ----------
    classes, decision_times : int arrays [N]
    silent, frame_errors : bool arrays [N]
    cycles : int64 array [N]
        Clock cycles since the answer before; -1 where there is no clock to count, in the reference
        and on a board.
    """

    classes: Array
    decision_times: Array
    silent: Array
    frame_errors: Array
    cycles: Array

    @classmethod
    def of_words(cls, words: Array, cycles: Array) -> Predictions:
        """From result words [N], see `sstdp_hw.contract.answer`."""
        found = unpack_answers(words)
        return cls(
            classes=found["class"],
            decision_times=found["decision_time"],
            silent=found["silent"],
            frame_errors=found["frame_error"],
            cycles=cycles,
        )


class Place(Protocol):
    """Where an accelerator answers."""

    def prepare(self, directory: GeneratedDirectory) -> None:
        """Compile or connect, and load weights where they are loaded; again after a `close`."""

    def loaded(self, directory: GeneratedDirectory) -> None:
        """Other weights are in the directory from now on."""

    def predict(
        self, directory: GeneratedDirectory, samples: Array, traffic: Traffic
    ) -> Predictions:
        """Answers to checked samples, at least one."""

    def close(self) -> None: ...


class Reference:
    """The integer reference in Python."""

    def prepare(self, directory: GeneratedDirectory) -> None: ...

    def loaded(self, directory: GeneratedDirectory) -> None: ...

    def predict(
        self, directory: GeneratedDirectory, samples: Array, traffic: Traffic
    ) -> Predictions:
        found = reference.run(directory.network, samples)
        return Predictions(
            classes=found.classes.astype(np.int64),
            decision_times=found.decision_times.astype(np.int64),
            silent=found.silent,
            frame_errors=np.zeros(len(samples), bool),
            cycles=np.full(len(samples), NO_ANSWER, np.int64),
        )

    def close(self) -> None: ...


class Simulated:
    """The Verilog in a simulator."""

    def __init__(self, simulator: str) -> None:
        self.simulator = simulator
        self._simulation: Simulation | None = None

    def prepare(self, directory: GeneratedDirectory) -> None:
        if self._simulation is None:
            self._simulation = Simulation.of(
                directory.verilog, directory.parameters, simulator=self.simulator
            )

    def loaded(self, directory: GeneratedDirectory) -> None:
        if self._simulation is not None:
            self._simulation.memories = memory_image(directory.parameters)

    def predict(
        self, directory: GeneratedDirectory, samples: Array, traffic: Traffic
    ) -> Predictions:
        assert self._simulation is not None, "prepared"
        answers = self._simulation.run(
            Packets.of(directory.parameters, samples),
            traffic=traffic,
            timeout_cycles=timeout_cycles(directory, traffic),
        )
        if len(answers.words) != len(samples):
            raise UserError(
                f"Hardware must answer every image; image {len(answers.words)} got no answer"
            )
        cycles = np.diff(answers.cycles, prepend=answers.first_beats[0] - 1)
        return Predictions.of_words(answers.words, cycles)

    def close(self) -> None:
        if self._simulation is not None:
            self._simulation.__exit__()
            self._simulation = None


class OnBoard:
    """A board on a serial port, or a simulated one."""

    def __init__(self, port: str | None, baud: int) -> None:
        if not port:
            raise UserError("Port must be given for a board: /dev/ttyUSB0 or the like, or sim")
        self.port, self.baud = port, baud
        self._host: Host | None = None

    def prepare(self, directory: GeneratedDirectory) -> None:
        if self._host is None:
            directory.refuse_external("a board")
            self._host = Host(directory, self.port, self.baud)
            self.loaded(directory)

    def loaded(self, directory: GeneratedDirectory) -> None:
        if self._host is not None and directory.loads:
            self._host.directory = directory
            try:
                self._host.load()
            except BaseException:
                self.close()  # what the board holds now is nobody's: load before the next answer
                raise

    def predict(
        self, directory: GeneratedDirectory, samples: Array, traffic: Traffic
    ) -> Predictions:
        assert self._host is not None, "prepared"
        if not traffic.back_to_back:
            raise UserError("Traffic must be back to back on a board: its line is as it is")
        played = self._host.play(samples)
        if played.ended:
            raise UserError(played.ended)
        missing = np.flatnonzero(played.words == NO_ANSWER)
        if len(missing):
            raise UserError(f"Hardware must answer every image; image {missing[0]} got no answer")
        return Predictions.of_words(played.words, np.full(len(samples), NO_ANSWER, np.int64))

    def close(self) -> None:
        if self._host is not None:
            self._host.close()
            self._host = None


#: By what ``on`` may be.
PLACES: dict[str, Callable[[str, str | None, int], Place]] = {
    "reference": lambda _simulator, _port, _baud: Reference(),
    "simulation": lambda simulator, _port, _baud: Simulated(simulator),
    "board": lambda _simulator, port, baud: OnBoard(port, baud),
}


class Accelerator:
    """A generated accelerator, compiled for simulation or connected on first use.

    Use as a context manager, or call `close`, to remove the compiled simulation or free the port.

    Parameters
    ----------
    directory : path
        What `sstdp_rtl.generator.generate.generate` wrote.
    simulator : str
        ``verilator`` or ``icarus``, for the simulation.
    on : str
        ``reference``, ``simulation`` or ``board``: who answers. All answer alike.
    port : str, optional
        Of the board: ``/dev/ttyUSB0`` or the like, or ``sim`` for a simulated board, see
        `sstdp_sim.board.simulated.Conditions`.
    baud : int
        Of the board's bitstream.

    Raises
    ------
    UserError
        If the directory is not whole, or the simulator is missing.

    Examples
    --------
    >>> with Accelerator("build/accelerator") as accelerator:       # doctest: +SKIP
    ...     classes = accelerator.predict(images).classes

    The same on a board:

    >>> with Accelerator("build/accelerator", on="board", port="/dev/ttyUSB0") as accelerator:
    ...     classes = accelerator.predict(images).classes       # doctest: +SKIP

    With weights that are loaded, any network of the same shape:

    >>> with Accelerator("build/loadable") as accelerator:       # doctest: +SKIP
    ...     classes = accelerator.load("RUN/network.safetensors").predict(images).classes
    """

    def __init__(
        self,
        directory: Path | str,
        simulator: str = "verilator",
        *,
        on: str = "simulation",
        port: str | None = None,
        baud: int = DEFAULT_BAUD,
    ) -> None:
        if on not in PLACES:
            raise UserError(f"Place must be {', '.join(PLACES)}, not {on!r}")
        if port is not None and on != "board":
            raise UserError(f"Port is of a board, and this one answers in the {on}")
        self.directory = GeneratedDirectory.load(directory)
        self.on = on
        self._place = PLACES[on](simulator, port, baud)

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
        """Compile the simulation, or connect to the board, now rather than at the first
        prediction."""
        self._place.prepare(self.directory)
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
        self._place.loaded(self.directory)
        return self

    def predict(self, images: Array, *, traffic: Traffic = Traffic()) -> Predictions:  # noqa: B008
        """Run images [N, *input_shape] or [N, H, W] (uint8) through it; spike times
        where the network takes these, ``t_max`` being silent.

        Raises
        ------
        UserError
            If the images do not fit the network, or the hardware does not answer.
        """
        images = reference.check_images(self.directory.network, images)
        self.compile()
        if not len(images):
            return Predictions.of_words(np.zeros(0, np.int64), np.zeros(0, np.int64))
        return self._place.predict(self.directory, images, traffic)

    def close(self) -> None:
        """Remove the compiled simulation, or free the port."""
        self._place.close()
