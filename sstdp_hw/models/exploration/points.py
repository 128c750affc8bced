"""Configurations worth a look, what the models say of them, and which are best."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...blocks.hardware import PIXELS_PER_BEAT, AcceleratorParameters, Configuration
from ...network.network import Network
from ...reference.inference import Inference
from ..area import Area, predict_area
from ..cost import layer_work
from ..cycles import cycles_per_image
from .workload import Workload


@dataclass(frozen=True, eq=False)
class EstimatedPoint:
    """One configuration as the models see it.

    Parameters
    ----------
    configuration : Configuration
    cycles : float
        Per image, mean.
    area : Area
    """

    configuration: Configuration
    cycles: float
    area: Area

    @property
    def lanes(self) -> str:
        """As on the command line."""
        return ",".join(map(str, self.configuration.lanes or ()))

    @property
    def costs(self) -> tuple[float, int, int]:
        """What less is better of."""
        return self.cycles, self.area.lut, self.area.bram

    def to_json(self) -> dict[str, Any]:
        """A JSON-serializable dictionary."""
        chosen = self.configuration
        return {
            "lanes": list(chosen.lanes or ()),
            "pixels_per_beat": chosen.pixels_per_beat,
            "early_exit": chosen.early_exit,
            "cycles_per_image": round(self.cycles, 2),
            **vars(self.area),
        }


def balanced_configurations(
    network: Network,
    inference: Inference,
    *,
    early_exit: bool = True,
    pixels_per_beat: int | None = None,
) -> list[Configuration]:
    """Configurations in which no layer has lanes that wait for another.

    For every number of cycles that the busiest layer can take, each layer gets the fewest lanes
    with which it is no slower, and the input the fewest pixels per beat with which it keeps up;
    beside them twice those pixels, because a sorter with one list gives a spike every second cycle.
    """
    neurons = [layer.weight.shape[0] for _, layer in network.weighted]
    all_lanes = Configuration(tuple(neurons), 1, early_exit)
    parameters = AcceleratorParameters(network, all_lanes)
    events = layer_work(parameters, inference).mean(axis=0)  # one group: a word is an event
    found: dict[tuple[tuple[int, ...], int], None] = {}
    busiest = {
        float(count * groups)
        for count, size in zip(events, neurons, strict=True)
        for groups in {-(-size // lanes) for lanes in range(1, size + 1)}
    }
    for cycles in sorted(busiest):
        lanes = tuple(
            -(-size // max(1, min(size, int(cycles / max(count, 1e-9) + 1e-9))))
            for count, size in zip(events, neurons, strict=True)
        )
        enough = [n for n in PIXELS_PER_BEAT if -(-network.pixels // n) <= cycles]
        fewest = enough[0] if enough else PIXELS_PER_BEAT[-1]
        for pixels in {fewest, min(2 * fewest, PIXELS_PER_BEAT[-1])}:
            found[lanes, pixels if pixels_per_beat is None else pixels_per_beat] = None
    return [Configuration(lanes, pixels, early_exit) for lanes, pixels in found]


def estimate(
    network: Network,
    workload: Workload,
    configurations: Iterable[Configuration],
    *,
    progress: Callable[[int], None] | None = None,
) -> list[EstimatedPoint]:
    """Cycles and area of every configuration, in order.

    Raises
    ------
    UserError
        If a configuration does not fit the network.
    """
    points = []
    for configuration in configurations:
        parameters = AcceleratorParameters(network, configuration)
        cycles = cycles_per_image(parameters, workload.inference)
        # The first image fills an empty pipeline, which in a long run counts for nothing.
        mean = float(np.mean(cycles[1:] if len(cycles) > 1 else cycles))
        points.append(EstimatedPoint(configuration, mean, predict_area(parameters)))
        if progress:
            progress(1)
    return points


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
