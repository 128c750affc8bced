"""Which configuration for a network: estimated points, their Pareto front, the choice by goal."""

from .goal import Goal, choose
from .points import EstimatedPoint, balanced_configurations, estimate, pareto_front
from .workload import Workload, find_workload

__all__ = [
    "EstimatedPoint", "Goal", "Workload", "balanced_configurations", "choose", "estimate",
    "find_workload", "pareto_front",
]  # fmt: skip
