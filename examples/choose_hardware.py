"""The smallest hardware that reaches a rate, by the models, and what else there is. About 5 s."""

from sstdp_hw import Network
from sstdp_hw.models.exploration import (
    Goal,
    balanced_configurations,
    choose,
    estimate,
    find_workload,
    pareto_front,
)

network = Network.load("ready:digits-64-64-10-4bit")
workload = find_workload(network, "digits", 30)
candidates = balanced_configurations(network, workload.inference)

for rate in (100_000, 400_000, 1_000_000):
    goal = Goal(fps=rate, clock_mhz=100)
    point, reached = choose(goal, network, workload, candidates)
    print(f"{goal}: {'' if reached else 'not reached; '}{goal.describe(point)}")

front = pareto_front(estimate(network, workload, candidates))
print(f"{len(front)} of {len(candidates)} configurations are on the Pareto front")
