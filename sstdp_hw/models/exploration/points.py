"""Configurations worth a look, what the models say of them, and which are best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...base.errors import UserError
from ...blocks.hardware import PIXELS_PER_BEAT, AcceleratorParameters, Configuration
from ...blocks.weight_store import EXTERNAL, ROM, STORES
from ...engine.local import Local
from ...engine.work import Advance, Work
from ...network.chain import PIXELS
from ...network.layers import Array
from ...network.network import Network
from ...reference.inference import Inference
from ..area import Area, predict_area
from ..cost import layer_work
from ..cycles import cycles_per_image
from ..energy import Range, energy_estimate
from .workload import Workload

#: Spikes carried through the cycle model that are worth processes of their own: some 15 seconds.
SPIKES_WORTH_PROCESSES = 1_000_000


@dataclass(frozen=True, eq=False)
class EstimatedPoint:
    """One configuration as the models see it.

    Parameters
    ----------
    configuration : Configuration
    cycles : float
        Per image, mean of `counted`.
    area : Area
    energy : Range, optional
        Picojoules per image, an estimate (docs/energy.md).
    image_bytes : int
        Read from an external memory for every image, in a full batch.
    """

    configuration: Configuration
    cycles: float
    area: Area
    energy: Range | None = None
    image_bytes: int = 0

    @property
    def lanes(self) -> str:
        """As on the command line."""
        return ",".join(map(str, self.configuration.lanes or ()))

    @property
    def costs(self) -> tuple[float, int, int, int]:
        """What less is better of."""
        return self.cycles, self.area.lut, self.area.bram, self.image_bytes

    @property
    def kind(self) -> str:
        """Architecture and where the weights stand, in words."""
        chosen = self.configuration
        if not STORES[chosen.weights].external:
            return f"{chosen.architecture}, {chosen.weights}"
        batch = f", {chosen.batch} a batch" if chosen.batch > 1 else ""
        return f"{chosen.architecture}, {chosen.weights} {chosen.memory_width} bit{batch}"

    def to_json(self) -> dict[str, Any]:
        """A JSON-serializable dictionary."""
        chosen = self.configuration
        return {
            "lanes": list(chosen.lanes or ()),
            "pixels_per_beat": chosen.pixels_per_beat,
            "early_exit": chosen.early_exit,
            "weights": chosen.weights,
            **({"architecture": chosen.architecture} if chosen.sequential else {}),
            "cycles_per_image": round(self.cycles, 2),
            **vars(self.area),
            **self._outside(),
            "energy_estimate_picojoules": self.energy.to_json() if self.energy else None,
        }

    def _outside(self) -> dict[str, int]:
        """What is chosen and needed of an external memory; nothing without one."""
        chosen = self.configuration
        if not STORES[chosen.weights].external:
            return {}
        return {
            "memory_width": chosen.memory_width,
            "weight_buffer": chosen.weight_buffer,
            "potential_memory": chosen.potential_memory,
            **({"batch": chosen.batch} if chosen.batch > 1 else {}),
            "bytes_per_image": self.image_bytes,
        }


@dataclass(frozen=True)
class MemorySpeed:
    """An external memory of weights, as the cycle model takes it.

    Parameters
    ----------
    latency : int
        Cycles from an address to its first beat, one more than these.
    interval : int
        Cycles from a beat to the next.

    Raises
    ------
    UserError
        If one is out of range.
    """

    latency: int = 0
    interval: int = 1

    def __post_init__(self) -> None:
        most = EXTERNAL.bus.timeout
        if not 0 <= self.latency < most:
            raise UserError(
                f"--memory-latency must be at least 0 and below {most}, after which a fetch has "
                f"failed, not {self.latency}"
            )
        if not 1 <= self.interval < most:
            raise UserError(
                f"--memory-interval must be at least 1 and below {most}, after which a fetch has "
                f"failed, not {self.interval}"
            )


def balanced_configurations(
    network: Network,
    inference: Inference,
    *,
    early_exit: bool = True,
    pixels_per_beat: int | None = None,
    weights: str = ROM.kind,
) -> list[Configuration]:
    """Configurations in which no layer has lanes that wait for another.

    For every number of cycles that the busiest layer can take, each layer gets the fewest lanes
    with which it is no slower, and the input the fewest pixels per beat with which it keeps up;
    beside them twice those pixels, because a sorter with one list gives a spike every second cycle.
    """
    neurons = [layer.weight.shape[0] for _, layer in network.weighted]
    parameters = AcceleratorParameters(network, Configuration(None, 1, early_exit, weights))
    groups_there = [layer.groups for layer in parameters.layers]
    events = (layer_work(parameters, inference) // groups_there).mean(axis=0)
    most = [layer.most_lanes for layer in parameters.layers]
    found: dict[tuple[tuple[int, ...], int], None] = {}
    busiest = {
        float(count * groups)
        for count, size, widest in zip(events, neurons, most, strict=True)
        for groups in {-(-size // lanes) for lanes in range(1, widest + 1)}
    }
    for cycles in sorted(busiest):
        lanes = tuple(
            min(widest, -(-size // max(1, min(size, int(cycles / max(count, 1e-9) + 1e-9)))))
            for count, size, widest in zip(events, neurons, most, strict=True)
        )
        for pixels in pixels_worth_a_look(network, cycles):
            found[lanes, pixels if pixels_per_beat is None else pixels_per_beat] = None
    return [Configuration(lanes, pixels, early_exit, weights) for lanes, pixels in found]


def pixels_worth_a_look(network: Network, cycles: float) -> set[int]:
    """Pixels per beat worth a look if the busiest layer takes so many cycles."""
    if network.input_kind != PIXELS:
        return {1}
    enough = [n for n in PIXELS_PER_BEAT if -(-network.pixels // n) <= cycles]
    fewest = enough[0] if enough else PIXELS_PER_BEAT[-1]
    return {fewest, min(2 * fewest, PIXELS_PER_BEAT[-1])}


def fitting_configurations(
    network: Network, configurations: Iterable[Configuration]
) -> list[Configuration]:
    """Those that the network can be generated with.

    Raises
    ------
    UserError
        If it is none of them: what the last one says.
    """
    found: list[Configuration] = []
    refused: UserError | None = None
    for configuration in configurations:
        try:
            predict_area(AcceleratorParameters(network, configuration))
        except UserError as error:
            refused = error
        else:
            found.append(configuration)
    if refused is not None and not found:
        raise refused
    return found


def estimate(
    network: Network,
    workload: Workload,
    configurations: Sequence[Configuration],
    *,
    memory: MemorySpeed = MemorySpeed(),
    jobs: int = 1,
    progress: Callable[[int], None] | None = None,
) -> list[EstimatedPoint]:
    """Cycles and area of every configuration, in order.

    Parameters
    ----------
    memory : MemorySpeed
        Of weights that stand outside.
    jobs : int
        Processes at once; fewer are used where there is little to do.
    progress : callable, optional
        Called with 1 whenever a configuration is done.

    Raises
    ------
    UserError
        If a configuration does not fit the network.
    """
    spikes = sum(int((times < network.t_max).sum()) for times in workload.inference.spike_times)
    if jobs > 1 and spikes * len(configurations) >= SPIKES_WORTH_PROCESSES:
        work = Work(nullcontext, _estimated, programs=False, unit="configuration")
        with Local(jobs).session(work, (network, workload, memory)) as session:
            return session.map(configurations, advance=progress)
    points = []
    for configuration in configurations:
        points.append(_estimate(network, workload, memory, configuration))
        if progress:
            progress(1)
    return points


def _estimated(
    shared: tuple[Network, Workload, MemorySpeed], configuration: Configuration, _advance: Advance
) -> EstimatedPoint:
    return _estimate(*shared, configuration)


def _estimate(
    network: Network, workload: Workload, memory: MemorySpeed, configuration: Configuration
) -> EstimatedPoint:
    parameters = AcceleratorParameters(network, configuration)
    cycles = cycles_per_image(
        parameters, workload.inference,
        memory_latency=memory.latency, memory_interval=memory.interval,
    )  # fmt: skip
    outside = parameters.tiled.image_bytes if parameters.store.external else 0
    mean = float(np.mean(counted(cycles, configuration.batch)))
    energy = energy_estimate(parameters, workload.inference).total
    return EstimatedPoint(configuration, mean, predict_area(parameters), energy, outside)


def counted(of_images: Array, batch: int) -> Array:
    """Figures of the images that a mean is of: all but the first one, which fills an empty
    pipeline, and in a long run counts for nothing, and those that share its fetch."""
    return of_images[batch:] if len(of_images) > batch else of_images


def pareto_front(points: list[EstimatedPoint]) -> list[EstimatedPoint]:
    """The points that no other beats in cycles, LUTs and block RAMs at once, fewest cycles
    first."""
    front: list[EstimatedPoint] = []
    for point in sorted(points, key=lambda point: point.costs):
        if not any(
            all(a <= b for a, b in zip(other.costs, point.costs, strict=True)) for other in front
        ):
            front.append(point)
    return front
