"""Which configuration for a network: estimated points, their Pareto front, the choice by goal."""

from .engines import engine_configurations
from .goal import Goal, choose
from .points import (
    EstimatedPoint,
    MemorySpeed,
    balanced_configurations,
    estimate,
    fitting_configurations,
    pareto_front,
)
from .workload import Workload, find_workload

__all__ = [
    "EstimatedPoint", "Goal", "MemorySpeed", "Workload", "balanced_configurations", "choose",
    "engine_configurations", "estimate", "find_workload", "fitting_configurations",
    "pareto_front",
]  # fmt: skip
