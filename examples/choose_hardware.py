# %% [markdown]
# # The smallest hardware for a rate
#
# By the models of cycles and area; nothing is built.

# %%
from sstdp_hw import Network
from sstdp_hw.models.exploration import (
    Goal,
    balanced_configurations,
    choose,
    estimate,
    find_workload,
    pareto_front,
)

# %%
network = Network.load("ready:digits-64-64-10-4bit")
workload = find_workload(network, "digits", 30)
candidates = balanced_configurations(network, workload.inference)

# %% [markdown]
# The least area that reaches each rate.

# %%
for rate in (100_000, 400_000, 1_000_000):
    goal = Goal(fps=rate, clock_mhz=100)
    point, reached = choose(goal, network, workload, candidates)
    print(f"{goal}: {'' if reached else 'not reached; '}{goal.describe(point)}")

# %% [markdown]
# Everything that is not worse than another in every respect.

# %%
front = pareto_front(estimate(network, workload, candidates))
print(f"{len(front)} of {len(candidates)} configurations are on the Pareto front")
