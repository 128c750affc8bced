"""The sums over events that the rule is made of, in PyTorch and compiled."""
