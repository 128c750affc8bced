"""The verb ``explore``: the Pareto front of a network's configurations, estimated or built."""
