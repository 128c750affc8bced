"""Sums over events in plain PyTorch, on any device."""
