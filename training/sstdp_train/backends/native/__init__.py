"""Sums over events compiled for the CPU by numba.

Compiled functions take named tuples for what belongs together, and unpack them before their loops:
a field that is read inside one counts its references each time, which costs as much as an event.
"""
