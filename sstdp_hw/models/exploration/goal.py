"""The configuration that reaches a goal with the least, by the models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...base.errors import UserError
from ...blocks.hardware import AcceleratorParameters, Configuration
from ...network.network import Network
from ..area import predict_area
from ..cost import layer_work
from .points import EstimatedPoint, counted, estimate
from .workload import Workload

DEFAULT_CLOCK_MHZ = 100.0


@dataclass(frozen=True)
class Goal:
    """What a user asks for.

    Parameters
    ----------
    fps : float, optional
        Images per second, at least.
    max_luts : int, optional
        LUT4 equivalents, at most.
    clock_mhz : float
        Clock that the accelerator will run at.
    max_brams : int, optional
        Block RAMs, at most.
    max_bandwidth : float, optional
        Megabytes a second from an external memory, at most.

    Raises
    ------
    UserError
        If a figure is out of range.
    """

    fps: float | None = None
    max_luts: int | None = None
    clock_mhz: float = DEFAULT_CLOCK_MHZ
    max_brams: int | None = None
    max_bandwidth: float | None = None

    def __post_init__(self) -> None:
        for name, value in (
            ("--target-fps", self.fps), ("--max-luts", self.max_luts),
            ("--max-brams", self.max_brams), ("--max-bandwidth", self.max_bandwidth),
        ):  # fmt: skip
            if value is not None and not 0 < value < 1e12:
                raise UserError(f"{name} must be positive and below 1e12, not {value:g}")
        if not 1 <= self.clock_mhz <= 500:
            raise UserError(f"--clock must be between 1 and 500 MHz, not {self.clock_mhz:g}")

    def images_per_second(self, point: EstimatedPoint) -> float:
        return self.clock_mhz * 1e6 / point.cycles

    def bandwidth(self, point: EstimatedPoint) -> float:
        """Megabytes a second from an external memory, at the images a second of the point."""
        return point.image_bytes * self.images_per_second(point) / 1e6

    def reached(self, point: EstimatedPoint) -> bool:
        """Whether a point has all that is asked for."""
        return (
            (self.fps is None or self.images_per_second(point) >= self.fps)
            and (self.max_luts is None or point.area.lut <= self.max_luts)
            and (self.max_brams is None or point.area.bram <= self.max_brams)
            and (self.max_bandwidth is None or self.bandwidth(point) <= self.max_bandwidth)
        )

    def __str__(self) -> str:
        parts = []
        if self.fps is not None:
            parts.append(f"{self.fps:,.10g} images/s at {self.clock_mhz:g} MHz")
        if self.max_luts is not None:
            parts.append(f"at most {self.max_luts:,} LUT")
        if self.max_brams is not None:
            parts.append(f"at most {self.max_brams:,} block RAM")
        if self.max_bandwidth is not None:
            parts.append(f"at most {self.max_bandwidth:,.10g} MB/s")
        return " and ".join(parts)

    def describe(self, point: EstimatedPoint) -> str:
        """A point in one line."""
        outside = ""
        if point.image_bytes:
            outside = f", {self.bandwidth(point):,.1f} MB/s of {point.image_bytes:,} bytes an image"
        return (
            f"lanes {point.lanes}, {point.configuration.pixels_per_beat} pixels a beat: "
            f"{point.cycles:,.1f} cycles per image, {self.images_per_second(point):,.0f} images/s "
            f"at {self.clock_mhz:g} MHz, {point.area.lut:,} LUT, {point.area.ff:,} FF, "
            f"{point.area.bram} block RAM{outside}"
        )


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A configuration with what is known of it at once."""

    configuration: Configuration
    luts: int
    bound: float


def _bound(parameters: AcceleratorParameters, workload: Workload) -> float:
    """Cycles that no mean over the images of `points.counted` is below: of the busiest layer, of
    all of them where one engine has their work, of the input, and of what is fetched."""
    batch = parameters.configuration.batch
    work = layer_work(parameters, workload.inference)
    images = len(counted(work, batch))
    if images < len(work):  # a batch may be all but answered when the first of them is begun
        work = work[2 * batch - 1 :]
    layers = work.sum(axis=0) / images
    busiest = layers.sum() if parameters.configuration.sequential else layers.max()
    fetched = 0.0
    if parameters.store.external:
        fetches = -(-len(work) // batch)
        fetched = parameters.tiled.plan.fetched_beats * fetches / images
    return max(float(busiest), parameters.beats, fetched)


def choose(
    goal: Goal,
    network: Network,
    workload: Workload,
    configurations: list[Configuration],
    *,
    progress: Callable[[int], None] | None = None,
) -> tuple[EstimatedPoint, bool]:
    """The point for a goal, and whether it reaches it.

    With a rate the fewest LUTs that reach it, without one the fastest that fits. If no point does
    both, the closest: the fastest of those that are small enough, or the smallest of all.

    Cycles are counted only where the bound, which is quick to have, leaves the question open.
    ``progress`` is called with 1 whenever those of a configuration are.
    """
    candidates = []
    for configuration in configurations:
        parameters = AcceleratorParameters(network, configuration)
        luts = predict_area(parameters).lut
        candidates.append(_Candidate(configuration, luts, _bound(parameters, workload)))
    candidates.sort(key=lambda candidate: (candidate.luts, candidate.bound))

    def estimated(candidate: _Candidate) -> EstimatedPoint:
        return estimate(network, workload, [candidate.configuration], progress=progress)[0]

    small = [c for c in candidates if goal.max_luts is None or c.luts <= goal.max_luts]
    if not small:
        return estimated(candidates[0]), False
    if goal.fps is not None:
        budget = goal.clock_mhz * 1e6 / goal.fps
        for candidate in small:
            if candidate.bound <= budget:
                point = estimated(candidate)
                if point.cycles <= budget:
                    return point, True
    fastest: EstimatedPoint | None = None
    for candidate in sorted(small, key=lambda candidate: (candidate.bound, candidate.luts)):
        if fastest is not None and candidate.bound >= fastest.cycles:
            break
        point = estimated(candidate)
        if fastest is None or point.costs < fastest.costs:
            fastest = point
    assert fastest is not None, "there is a candidate"
    return fastest, goal.fps is None
