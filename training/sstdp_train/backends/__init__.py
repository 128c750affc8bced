"""The sums over events that the rule asks for, in PyTorch and compiled; see `rule.backend`."""
