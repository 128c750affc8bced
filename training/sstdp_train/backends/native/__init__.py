"""Sums over events compiled for the CPU by numba."""
