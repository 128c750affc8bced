"""Weights in a memory outside of the chip."""
